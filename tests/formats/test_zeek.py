"""Zeek's logs, tab-separated and as JSON."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.parsing import parse
from tests.formats.texts import pick, rows

WHEN = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
TS = "1767323045.123456"
COMMON = {
    "ts": ("time", TS),
    "uid": ("string", "C1"),
    "id.orig_h": ("addr", "10.0.0.5"),
    "id.orig_p": ("port", "50000"),
}
COMMON |= {"id.resp_h": ("addr", "192.0.2.8"), "id.resp_p": ("port", "8080")}
CONN = COMMON | {
    "proto": ("enum", "tcp"), "service": ("string", "http"), "duration": ("interval", "1.500250"),
    "orig_bytes": ("count", "10"), "resp_bytes": ("count", "5000000000"), "conn_state": ("string", "SF"),
    "local_orig": ("bool", "T"), "local_resp": ("bool", "F"), "missed_bytes": ("count", "3"),
    "history": ("string", "ShAdDaFf"), "orig_pkts": ("count", "4"), "orig_ip_bytes": ("count", "200"),
    "resp_pkts": ("count", "6"), "resp_ip_bytes": ("count", "5000000300"), "tunnel_parents": ("set[string]", "Ca,Cb"),
    "ip_proto": ("count", "6"), "vlan": ("int", "7"), "inner_vlan": ("int", "8"),
    "orig_l2_addr": ("string", "00:00:5e:00:53:01"), "resp_l2_addr": ("string", "00:00:5e:00:53:02"),
    "community_id": ("string", "1:abc="), "new_field": ("vector[count]", "1,2"),
}  # fmt: skip
DNS = COMMON | {
    "proto": ("enum", "udp"), "trans_id": ("count", "48879"), "rtt": ("interval", "0.075138"),
    "query": ("string", "a.example"), "qclass": ("count", "1"), "qclass_name": ("string", "C_INTERNET"),
    "qtype": ("count", "1"), "qtype_name": ("string", "A"), "rcode": ("count", "3"),
    "rcode_name": ("string", "NXDOMAIN"),
    "AA": ("bool", "F"), "TC": ("bool", "T"), "RD": ("bool", "T"), "RA": ("bool", "F"), "Z": ("count", "1"),
    "answers": ("vector[string]", "b.example,TXT 3 x\\x2cy"), "TTLs": ("vector[interval]", "455.000000,-"),
    "rejected": ("bool", "F"),
}  # fmt: skip
HTTP = COMMON | {
    "trans_depth": ("count", "1"), "method": ("string", "POST"), "host": ("string", "www.example.com"),
    "uri": ("string", "/a?b=c"), "referrer": ("string", "http://r.example/"), "version": ("string", "1.1"),
    "user_agent": ("string", "curl/8 \\x09tab"), "origin": ("string", "http://o.example"),
    "request_body_len": ("count", "5"), "response_body_len": ("count", "7"), "status_code": ("count", "404"),
    "status_msg": ("string", "Not Found"), "info_code": ("count", "-"), "info_msg": ("string", "-"),
    "tags": ("set[enum]", "(empty)"), "username": ("string", "joe"), "password": ("string", "-"),
    "proxied": ("set[string]", "VIA -> p,X-FORWARDED-FOR -> 198.51.100.9"), "orig_fuids": ("vector[string]", "-"),
    "resp_fuids": ("vector[string]", "F1"), "resp_filenames": ("vector[string]", "x.html"),
    "resp_mime_types": ("vector[string]", "text/html"),
}  # fmt: skip
SSH = COMMON | {"auth_success": ("bool", "F"), "client": ("string", "OpenSSH"), "cipher_alg": ("string", "aes \\xff")}
BY_PATH = {"conn": CONN, "dns": DNS, "http": HTTP, "ssh": SSH}


def header(path: str, fields: dict) -> str:
    text = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
    text += f"#path\t{path}\n#open\t2026-01-02-03-00-00\n"
    text += "#fields\t" + "\t".join(fields) + "\n#types\t" + "\t".join(kind for kind, _ in fields.values()) + "\n"
    return text


def line(fields: dict, **changes: str) -> str:
    return "\t".join(changes.get(name, value) for name, (_, value) in fields.items()) + "\n"


def log(path: str, *records: str) -> bytes:
    fields = BY_PATH[path]
    return (header(path, fields) + "".join(records or [line(fields)]) + "#close\t2026-01-02-04-00-00\n").encode()


def as_json(path: str, **changes) -> dict:
    """The same record as Zeek writes it in JSON."""
    made = {}
    for name, (kind, value) in BY_PATH[path].items():
        if value == "-":
            continue
        inner = kind[kind.find("[") + 1 : -1] if "[" in kind else kind
        values = [] if value == "(empty)" else value.split(",") if "[" in kind else [value]
        read = [_json_value(inner, one.replace("\\x2c", ",").replace("\\x09", "\t")) for one in values]
        made[name] = read if "[" in kind else read[0]
    return made | changes


def _json_value(kind: str, text: str):
    if text == "-":
        return None
    if kind == "bool":
        return text == "T"
    if kind in ("count", "int", "port"):
        return int(text)
    return float(text) if kind in ("time", "interval", "double") else text


def both(path: str):
    """The row and entity of the full record of a log, in both forms, which must be the same."""
    text = parse(log(path))
    raw = json.dumps(as_json(path)).encode()
    found = parse(raw)
    assert (text.report.format, found.report.format) == ("zeek", "zeek_json")
    one, other = text.rows.row(0, named=True), found.rows.row(0, named=True)
    if path in ("conn", "dns", "http"):
        different = {name for name in one if one[name] != other[name]} - {"EventOriginalType"}
        same = all(json.loads(one[name]) == json.loads(other[name]) for name in different)
        assert same, {name: (one[name], other[name]) for name in different}
    assert text.entities.row(0) == found.entities.row(0)
    return {name: value for name, value in one.items() if value is not None}, text.entities.row(0, named=True)


def test_every_column_of_a_connection():
    made, entity = both("conn")
    assert made["TimeGenerated"] == made["EventStartTime"] == WHEN
    assert made["EventEndTime"] == WHEN + timedelta(microseconds=1_500_250)
    assert pick(made, ("SrcIpAddr", "SrcPortNumber", "DstIpAddr", "DstPortNumber")) == (
        "10.0.0.5", 50000, "192.0.2.8", 8080,
    )  # fmt: skip
    assert pick(made, ("NetworkProtocol", "NetworkApplicationProtocol", "NetworkDirection")) == (
        "TCP",
        "http",
        "Outbound",
    )
    assert pick(made, ("SrcBytes", "DstBytes", "NetworkBytes")) == (10, 5_000_000_000, 5_000_000_010)
    assert pick(made, ("SrcPackets", "DstPackets", "NetworkPackets", "NetworkDuration")) == (4, 6, 10, 1500)
    assert pick(made, ("NetworkSessionId", "EventOriginalUid", "NetworkConnectionHistory")) == ("C1", "C1", "ShAdDaFf")
    assert pick(made, ("EventResult", "EventOriginalResultDetails", "SrcVlanId")) == ("Success", "SF", "7")
    assert pick(made, ("SrcMacAddr", "DstMacAddr")) == ("00:00:5e:00:53:01", "00:00:5e:00:53:02")
    assert json.loads(made["AdditionalFields"]) == {
        "missed_bytes": 3, "orig_ip_bytes": 200, "resp_ip_bytes": 5_000_000_300, "tunnel_parents": ["Ca", "Cb"],
        "ip_proto": 6, "inner_vlan": 8, "community_id": "1:abc=", "local_orig": True, "local_resp": False,
    }  # fmt: skip
    assert json.loads(made["ExtraFields_CF"]) == {"new_field": [1, 2]}
    assert pick(entity, ("principal", "peer", "service", "action", "target")) == (
        "10.0.0.5", "10.0.0", "http", "tcp/http/Outbound/SF", "192.0.2.8",
    )  # fmt: skip
    assert pick(entity, ("bytes", "packets", "error")) == (5_000_000_010, 10, None)


def test_every_column_of_a_query():
    made, entity = both("dns")
    assert made["EventEndTime"] == WHEN + timedelta(microseconds=75_138)
    assert pick(made, ("DnsQuery", "DnsQueryType", "DnsQueryTypeName", "DnsQueryClass")) == ("a.example", 1, "A", 1)
    assert pick(made, ("DnsResponseCode", "EventResultDetails", "EventResult")) == (3, "NXDOMAIN", "Failure")
    assert pick(made, ("EventSubType", "TransactionIdHex", "DnsNetworkDuration")) == ("response", "beef", 75)
    flags = ("DnsFlagsAuthoritative", "DnsFlagsTruncated", "DnsFlagsRecursionDesired", "DnsFlagsRecursionAvailable")
    assert pick(made, (*flags, "DnsFlagsZ")) == (False, True, True, False, True)
    assert json.loads(made["DnsResponseName"]) == ["b.example", "TXT 3 x,y"]
    assert json.loads(made["AdditionalFields"]) == {"trans_id": 48879, "Z": 1, "TTLs": [455.0, None], "rejected": False}
    assert pick(entity, ("action", "target", "error")) == ("A/NXDOMAIN", "a.example", "NXDOMAIN")


def test_every_column_of_a_request():
    made, entity = both("http")
    assert made["Url"] == "http://www.example.com:8080/a?b=c"
    assert pick(made, ("HttpRequestMethod", "HttpHost", "HttpVersion", "HttpReferrer")) == (
        "POST", "www.example.com", "1.1", "http://r.example/",
    )  # fmt: skip
    assert pick(made, ("HttpUserAgent", "EventResult", "EventResultDetails")) == ("curl/8 \ttab", "Failure", "404")
    assert pick(made, ("SrcBytes", "DstBytes", "HttpContentType", "FileName")) == (5, 7, "text/html", "x.html")
    assert pick(made, ("SrcUsername", "HttpRequestXff", "EventOriginalResultDetails")) == (
        "joe",
        "198.51.100.9",
        "Not Found",
    )
    more = json.loads(made["AdditionalFields"])
    assert (more["tags"], more["resp_fuids"], more["trans_depth"]) == ([], ["F1"], 1)
    assert "password" not in more
    assert pick(entity, ("action", "target", "error", "read_only")) == ("POST/404", "www.example.com", "404", False)


def test_any_other_log_is_kept_whole():
    made = rows(parse(log("ssh")))[0]
    assert pick(made, ("Path", "Uid", "IdOrigH", "IdRespP", "Username")) == ("ssh", "C1", "10.0.0.5", 8080, "OpenSSH")
    assert json.loads(made["Fields"]) == as_json("ssh")  # bytes that are no text stay escaped
    record = as_json("ssh", _path="ssh", _system_name="s1", _write_ts="2026-01-02T03:04:06.000000Z", deep={"a": [1]})
    made = rows(parse(json.dumps(record).encode()))[0]
    assert pick(made, ("Path", "SystemName", "Username")) == ("ssh", "s1", "OpenSSH")
    assert made["WriteTime"] == datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    assert json.loads(made["Fields"]) == record


@pytest.mark.parametrize(
    ("state", "proto", "result", "error"),
    [
        ("SF", "tcp", "Success", None),
        ("S0", "tcp", "Failure", "S0"),
        ("S0", "udp", "NA", None),
        ("REJ", "tcp", "Failure", "REJ"),
        ("OTH", "tcp", "NA", None),
        ("NEW", "tcp", "Success", None),
    ],
)
def test_what_became_of_a_connection(state, proto, result, error):
    parsed = parse(log("conn", line(CONN, conn_state=state, proto=proto)))
    assert (parsed.rows["EventResult"][0], parsed.entities["error"][0]) == (result, error)


def test_ports_of_icmp_are_type_and_code():
    made = rows(parse(log("conn", line(CONN, **{"proto": "icmp", "id.orig_p": "8", "id.resp_p": "0"}))))[0]
    assert pick(made, ("NetworkIcmpType", "NetworkIcmpCode", "SrcPortNumber", "DstPortNumber")) == ("8", 0, None, None)


def test_values_that_do_not_fit_are_told():
    made = rows(parse(log("conn", line(CONN, **{"id.orig_p": "many", "local_orig": "X", "missed_bytes": "x"}))))[0]
    assert made["_flags"] == "bad_SrcPortNumber=many"
    more = json.loads(made["AdditionalFields"])
    assert (more["missed_bytes"], more["local_orig"]) == ("x", "X")


def test_several_logs_in_one_file():
    content = log("conn") + log("ssh") + log("dns", line(DNS), line(DNS, uid="C2"))
    parsed = parse(content, step=50)
    assert sorted(frame.table for frame in parsed.frames) == [
        "ASimDnsActivityLogs",
        "ASimNetworkSessionLogs",
        "Zeek_CL",
    ]
    assert (parsed.report.rows, parsed.report.rejected) == (4, 0)
    dns = next(frame for frame in parsed.frames if "Dns" in frame.table)
    assert dns.rows["_ordinal"].to_list() == [2, 3]


def test_other_separators():
    content = "#separator \\x7c\n#set_separator|;\n#empty_field|E\n#unset_field|U\n#path|conn\n"
    content += (
        "#fields|ts|uid|id.orig_h|service|tunnel_parents|note\n#types|time|string|addr|string|set[string]|string\n"
    )
    content += f"{TS}|C1|10.0.0.1|U|a;b|E\n{TS}|C2|10.0.0.1|-|E|x\\x7cy\n"
    made = rows(parse(content.encode()))
    assert pick(made[0], ("NetworkSessionId", "NetworkApplicationProtocol")) == ("C1", None)
    assert json.loads(made[0]["AdditionalFields"]) == {"tunnel_parents": ["a", "b"]}
    assert made[1]["NetworkApplicationProtocol"] == "-"
    assert [json.loads(one["ExtraFields_CF"]) for one in made] == [{"note": ""}, {"note": "x|y"}]


def test_old_logs_with_fewer_fields():
    fields = {name: CONN[name] for name in ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto")}
    parsed = parse((header("conn", fields) + line(fields)).encode())
    assert rows(parsed)[0]["NetworkDirection"] == "Outbound"


def test_bad_lines_are_rejected_with_the_header():
    parsed = parse(log("ssh", line(SSH), "x\ty\n", line(SSH, ts="-"), line(SSH)))
    assert parsed.reasons() == [(1, "field_count"), (2, "no_event_time")]
    assert b"#fields\tts\tuid" in parsed.rejects["header"][0]
    assert parsed.report.rows == 2


@pytest.mark.parametrize("path", ["conn", "dns", "http"])
def test_the_fields_of_json_tell_the_log(path):
    record = as_json(path)
    assert parse(json.dumps(record).encode()).frames[0].table != "Zeek_CL"
    named = as_json(path, _path="other")
    assert parse(json.dumps(named).encode()).frames[0].table == "Zeek_CL"


def test_requests_of_sip_are_not_those_of_http():
    record = {"ts": 1767323045.1, "uid": "C1", "id.orig_h": "10.0.0.1", "method": "INVITE", "uri": "sip:a@b"}
    record |= {"trans_depth": 0, "call_id": "x", "status_code": 200, "response_body_len": 1}
    assert parse(json.dumps(record).encode()).frames[0].table == "Zeek_CL"


@pytest.mark.parametrize("ts", ["2026-01-02T03:04:05.123456Z", 1767323045123.456, 1767323045.123456])
def test_times_of_json(ts):
    assert parse(json.dumps(as_json("conn", ts=ts)).encode()).rows["TimeGenerated"].to_list() == [WHEN]


def test_a_service_that_is_a_list_and_unknown_fields_of_json():
    record = as_json("conn", service=["http", "ssl"], _path="conn", host="placed elsewhere")
    made = rows(parse(json.dumps(record, separators=(",", ":")).encode()))[0]
    assert made["NetworkApplicationProtocol"] == '["http", "ssl"]' or json.loads(made["NetworkApplicationProtocol"])
    assert json.loads(made["ExtraFields_CF"]) == {"host": "placed elsewhere", "new_field": [1, 2]}
    plain = as_json("dns", _path="dns")
    assert "ExtraFields_CF" not in rows(parse(json.dumps(plain).encode()))[0]


def test_json_of_another_kind_is_refused():
    content = json.dumps(as_json("conn")) + '\n{"ts": 1767323045.1, "level": "info"}\n'
    assert parse(content.encode()).reasons() == [(1, "not_zeek_json")]
    assert detect(b'{"ts": 1767323045.1, "level": "info"}').format == "json_lines"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from([b"\t", b"\n", b"#fields\tts\tuid\n", b"#types\ttime\n", b"#close\n", b"-", TS.encode()]),
            st.sampled_from([line(SSH).encode(), b"#separator \\x09\n", b"#separator \\x\n", b"#path\tdns\n"]),
        ),
        max_size=14,
    ),
    st.sampled_from([4, 65_536]),
)
def test_any_bytes_are_accounted_for(parts, step):
    parse(header("ssh", SSH).encode() + b"".join(parts), format="zeek", step=step)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.just({"a": [1]})), max_size=6)
)
def test_any_values_are_accounted_for(values):
    names = ("service", "id.orig_p", "duration", "answers", "local_orig", "_path")
    record = as_json("conn") | dict(zip(names, values, strict=False))
    parsed = parse(json.dumps(record).encode(), format="zeek_json")
    assert parsed.report.rows == 1


def test_published_samples(shared_dir):
    samples = shared_dir / "data/formats/zeek"
    if not samples.is_dir():
        pytest.skip("no samples")
    files = sorted(samples.rglob("*.log*"))
    assert files
    for file in files:
        content = file.read_bytes()
        parsed = parse(content)
        expected = sum(not text.startswith(b"#") for text in content.splitlines() if text.strip())
        assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("zeek", expected, 0), file.name
        assert parsed.frames[0].rows["_flags"].null_count() == expected
        assert all(json.loads(text) for text in _dynamic(parsed))


def _dynamic(parsed) -> list[str]:
    frame = parsed.frames[0].rows
    names = [name for name in ("Fields", "AdditionalFields", "ExtraFields_CF") if name in frame.columns]
    return [text for name in names for text in frame[name].drop_nulls()]
