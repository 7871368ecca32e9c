"""Odd content has a defined outcome, the same in every format of a family: docs/parsing.md promises it."""

import json

import pytest

from tests.formats.parsing import parse

WAF = {
    "timestamp": 1_700_000_000_000,
    "formatVersion": 1,
    "webaclId": "arn:aws:wafv2:us-east-1:111122223333:regional/webacl/shop/a1",
    "terminatingRuleId": "Default_Action",
    "action": "ALLOW",
    "httpRequest": {"clientIp": "198.51.100.7", "uri": "/"},
    "responseCodeSent": 200,
    "labels": [],
}
LINE = (
    b"https 2026-11-23T10:00:00.186641Z app/shop/50dc6c495c0c9188 198.51.100.7:2817 10.0.0.1:80 0.086 0.048 0.037 200 "
    b'200 0 57 "GET https://shop.example.com:443/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elb:t "Root=1-5" "-" "-" 1 '
    b'2026-11-23T09:59:59.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1\n'
)


def waf(**changes) -> bytes:
    return json.dumps(WAF | changes, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "content", "column", "value", "flags"),
    [
        ("a duplicate key: the last counts", waf().replace(b"}\n", b',"action":"BLOCK"}\n'), "Action", "BLOCK", None),
        ("NaN", waf().replace(b":200", b":NaN"), "ResponseCodeSent", None, "not_finite=NaN"),
        (
            "a number of 33 bits in a 32-bit column",
            waf(responseCodeSent=1 << 33),
            "ResponseCodeSent",
            None,
            "ResponseCodeSent_overflow=8589934592",
        ),
        (
            "a number of more than 64 bits",
            waf(responseCodeSent=1 << 64),
            "ResponseCodeSent",
            None,
            "drift:responseCodeSent=18446744073709551616",
        ),
        ("a 64-bit number in kept JSON", waf(labels=[2**63 - 1]), "Labels", "[9223372036854775807]", None),
        ("bytes that are not UTF-8", waf().replace(b"ALLOW", b"AL\xffOW"), "Action", "AL\ufffdOW", "invalid_utf8"),
        ("half a surrogate pair", waf().replace(b"ALLOW", rb"\ud800"), "Action", "\ufffd", "lone_surrogate"),
        ("CRLF", waf().replace(b"\n", b"\r\n"), "Action", "ALLOW", None),
        ("a byte order mark", b"\xef\xbb\xbf" + waf(), "Action", "ALLOW", None),
        (
            "nested 500 deep",
            waf(labels="@").replace(b'"@"', b"[" * 500 + b"]" * 500),
            "Labels",
            "[" * 500 + "]" * 500,
            None,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)
def test_json(name, content, column, value, flags):
    parsed = parse(waf() + content + waf())
    assert parsed.rows[column].to_list() == [WAF_ROW[column], value, WAF_ROW[column]], name
    assert parsed.rows["_flags"].to_list() == [None, flags, None]


WAF_ROW = {"Action": "ALLOW", "ResponseCodeSent": 200, "Labels": "[]"}


def test_a_json_record_of_ten_megabytes_is_one_record():
    parsed = parse(waf() + waf(note="x" * 10_000_000) + waf())
    assert parsed.rows["Action"].to_list() == ["ALLOW"] * 3
    assert len(parsed.rows["ExtraFields_CF"][1]) > 10_000_000


def test_json_nested_beyond_all_measure_costs_only_its_record():
    parsed = parse(waf() + waf(labels="@").replace(b'"@"', b"[" * 200_000 + b"]" * 200_000) + waf())
    assert parsed.reasons() == [(1, "too_deep")]
    assert parsed.rows.height == 2


@pytest.mark.parametrize(
    ("name", "content", "value", "flags"),
    [
        ("CRLF", LINE.replace(b"\n", b"\r\n"), "curl/7.46.0", None),
        ("bytes that are not UTF-8", LINE.replace(b"curl", b"cu\xffl"), "cu\ufffdl/7.46.0", "invalid_utf8"),
        ("a NUL", LINE.replace(b"curl", b"cu\0l"), "cu\0l/7.46.0", None),
        ("a quote that was not escaped", LINE.replace(b"curl", b'cu"l'), 'cu"l/7.46.0', "odd_quotes"),
        ("blank lines", b"\n\r\n" + LINE + b" \n", "curl/7.46.0", None),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)
def test_lines(name, content, value, flags):
    parsed = parse(LINE + content + LINE)
    assert parsed.rows["UserAgent"].to_list() == ["curl/7.46.0", value, "curl/7.46.0"], name
    assert parsed.rows["_flags"].to_list() == [None, flags, None]


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert parse(b"\xef\xbb\xbf" + LINE).rows["ALBType"].to_list() == ["https"]


def test_a_line_of_ten_megabytes_is_one_rejected_record():
    parsed = parse(LINE + b"x" * 10_000_000 + b"\n" + LINE)
    assert parsed.reasons() == [(1, "line_too_long")]
    assert parsed.rejects["truncated"].to_list() == [True]
    assert parsed.rows["_ordinal"].to_list() == [0, 2]


def test_fields_that_nobody_knows_yet_are_kept():
    line = LINE.replace(b"TID_1", b'TID_1 host /path 200 "new one" 2')
    found = json.loads(parse(line).rows["ExtraFields_CF"][0])
    assert "new one" in found.values()
    record = json.loads(parse(waf(ja9Fingerprint="f", deeper={"a": [1]})).rows["ExtraFields_CF"][0])
    assert record == {"ja9Fingerprint": "f", "deeper": {"a": [1]}}
