"""CloudTrail: every record out, odd ones kept, bad ones named."""

import json
import random
import re
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import ObjectInput, ParseOptions, PartParser
from s3sentinel_assets.formats.asim.common import MANDATORY
from s3sentinel_assets.formats.cloudtrail.parser import CloudTrailParser
from s3sentinel_assets.formats.json_logs.records import BrokenRecord, JsonSplitter, RecordRun
from tests.formats.parsing import IDENTITY, Parsed, an_input, check_account, parse, parse_inputs, record, trail, zipped

START = re.compile(rb'\{\s*"eventVersion"\s*:')


def only(content: bytes, **options):
    """The single row of ``content``, by column."""
    parsed = parse(content, format="cloudtrail", **options)
    assert parsed.report.rows == 1
    return parsed.rows.row(0, named=True)


# ---- the mapping


def test_every_column_is_filled_from_its_field():
    row = only(
        trail(
            record(
                7,
                apiVersion="2006-03-01",
                errorCode="AccessDenied",
                errorMessage="no",
                sharedEventID="s-1",
                vpcEndpointId="vpce-1",
                additionalEventData={"bytesTransferredOut": 12},
                resources=[{"ARN": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}],
                serviceEventDetails={"x": 1},
                tlsDetails={"tlsVersion": "TLSv1.3", "cipherSuite": "C", "clientProvidedHostHeader": "h"},
                userIdentity={
                    "type": "AssumedRole",
                    "principalId": "AROA:me",
                    "arn": "arn:aws:sts::1:assumed-role/R/me",
                    "accountId": "1",
                    "accessKeyId": "ASIA",
                    "userName": "u",
                    "invokedBy": "s.amazonaws.com",
                    "onBehalfOf": {"userId": "id-1", "identityStoreArn": "arn:store"},
                    "sessionContext": {
                        "ec2RoleDelivery": "2.0",
                        "sessionIssuer": {
                            "type": "Role",
                            "principalId": "AROA",
                            "arn": "arn:aws:iam::1:role/R",
                            "accountId": "1",
                            "userName": "R",
                        },
                        "attributes": {"creationDate": "2026-11-23T09:00:00Z", "mfaAuthenticated": "true"},
                    },
                },
            )
        )
    )
    time = datetime(2026, 11, 23, 10, 0, 7, tzinfo=UTC)
    assert row == {
        "TimeGenerated": time,
        "AdditionalEventData": '{"bytesTransferredOut":12}',
        "APIVersion": "2006-03-01",
        "AwsEventId": "e-7",
        "AWSRegion": "eu-central-1",
        "AwsRequestId": None,
        "AwsRequestId_": "r-7",
        "Category": "Data",
        "CidrIp": None,
        "CipherSuite": "C",
        "ClientProvidedHostHeader": "h",
        "DestinationPort": None,
        "EC2RoleDelivery": "2.0",
        "ErrorCode": "AccessDenied",
        "ErrorMessage": "no",
        "EventName": "GetObject",
        "EventSource": "s3.amazonaws.com",
        "EventTypeName": "AwsApiCall",
        "EventVersion": "1.08",
        "IpProtocol": None,
        "ManagementEvent": False,
        "OperationName": "CloudTrail",
        "ReadOnly": True,
        "RecipientAccountId": "111122223333",
        "RequestParameters": json.dumps(record(7)["requestParameters"], separators=(",", ":"), ensure_ascii=False),
        "Resources": '[{"ARN":"arn:aws:s3:::b","type":"AWS::S3::Bucket"}]',
        "ResponseElements": None,
        "ServiceEventDetails": '{"x":1}',
        "SessionCreationDate": datetime(2026, 11, 23, 9, tzinfo=UTC),
        "SessionIssuerAccountId": "1",
        "SessionIssuerArn": "arn:aws:iam::1:role/R",
        "SessionIssuerPrincipalId": "AROA",
        "SessionIssuerType": "Role",
        "SessionIssuerUserName": "R",
        "SessionMfaAuthenticated": True,
        "SharedEventId": "s-1",
        "SourceIpAddress": "198.51.100.7",
        "SourcePort": None,
        "TlsVersion": "TLSv1.3",
        "UserAgent": "aws-cli/2.0",
        "UserIdentityAccessKeyId": "ASIA",
        "UserIdentityAccountId": "1",
        "UserIdentityArn": "arn:aws:sts::1:assumed-role/R/me",
        "UserIdentityInvokedBy": "s.amazonaws.com",
        "UserIdentityPrincipalid": "AROA:me",
        "UserIdentityStoreArn": "arn:store",
        "UserIdentityType": "AssumedRole",
        "UserIdentityUserId": "id-1",
        "UserIdentityUserName": "u",
        "VpcEndpointId": "vpce-1",
        "EventId_CF": "111122223333:e-7",
        "ExtraFields_CF": None,
        "EventTime_CF": time,
        "_object": 0,
        "_ordinal": 0,
        "_flags": None,
    }


def test_nested_json_is_kept_byte_for_byte():
    odd = rb'{ "a" : 1e2,"b": 12345678901234567890 ,"a":"\u00e9"}'.replace(b": 1", b":\t1")
    content = trail(record(requestParameters="QQ")).replace(b'"QQ"', odd)
    assert only(content)["RequestParameters"] == odd.decode()


def test_security_group_rules_are_spread():
    rules = {
        "ipPermissions": {
            "items": [
                {"ipProtocol": "tcp", "fromPort": 22, "toPort": 23, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}},
                {"ipProtocol": "tcp", "fromPort": 80, "toPort": 80, "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]}},
            ]
        }
    }
    parsed = parse(
        trail(
            record(0, eventName="AuthorizeSecurityGroupIngress", requestParameters=rules),
            record(1, eventName="AuthorizeSecurityGroupIngress", requestParameters=None),
            record(2, requestParameters=rules),
        )
    )
    columns = parsed.rows.select("CidrIp", "IpProtocol", "SourcePort", "DestinationPort").rows()
    assert columns == [("0.0.0.0/0,10.0.0.0/8", "tcp", "22,80", "23,80"), (None,) * 4, (None,) * 4]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "111122223333:e-0"),
        ({"recipientAccountId": ...}, "111122223333:e-0"),
        ({"recipientAccountId": ..., "userIdentity": ...}, "-:e-0"),
        ({"eventID": ...}, f"{IDENTITY}0000-0"),
        ({"eventID": ""}, f"{IDENTITY}0000-0"),
        ({"eventID": None}, f"{IDENTITY}0000-0"),
    ],
)
def test_event_ids(changes, expected):
    assert only(trail(record(**changes)))["EventId_CF"] == expected


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-11-23T10:00:00Z", 0),
        ("2026-11-23T10:00:00.123Z", 123_000),
        ("2026-11-23T11:00:00+01:00", 0),
        ("2026-11-23T10:00:00", 0),
        ("20261123T100000Z", 0),
    ],
)
def test_times(text, microseconds):
    row = only(trail(record(eventTime=text)))
    assert row["TimeGenerated"] == datetime(2026, 11, 23, 10, 0, 0, microseconds, tzinfo=UTC)


ZERO = "0001-01-01T00:00:00Z"
NO_TIMES = [
    *(..., None, "", "yesterday", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00Z"),
    *("0987-03-04T05:06:07Z", "9999-12-31T23:30:00Z", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z"),
    *("1969-12-31T23:59:59.999Z", "2200-01-01T00:59:59+00:59", "-001-01-01T00:00:00Z", "+12026-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "2199-12-31T23:59:59Z", "2199-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_time(time):
    assert only(trail(record(eventTime=time)))["TimeGenerated"] == datetime.fromisoformat(time)


@pytest.mark.parametrize("time", NO_TIMES)
def test_a_record_without_time_is_quarantined_alone(time):
    bad = record(1, eventTime=time)
    parsed = parse(trail(record(0), bad, record(2)))
    assert parsed.rows["_ordinal"].to_list() == [0, 2]
    assert parsed.reasons() == [(1, "no_event_time")]
    assert (repr(time) if isinstance(time, str) else "has no eventTime") in parsed.rejects["detail"][0]
    assert json.loads(parsed.rejects["data"][0]) == bad
    content = trail(record(0), bad, record(2))
    assert content[parsed.rejects["offset"][0] :].startswith(parsed.rejects["data"][0])


# ---- shapes of content


@pytest.mark.parametrize("log_format", ["auto", "cloudtrail"])
@pytest.mark.parametrize(
    "content",
    [
        trail(record(0), record(1)),
        json.dumps({"Records": [record(0), record(1)]}, indent=2).encode(),
        b"\xef\xbb\xbf" + trail(record(0), record(1)) + b"\r\n",
        json.dumps([record(0), record(1)]).encode(),
        b"\n".join(json.dumps(record(n)).encode() for n in range(2)),
        b"\r\n".join(json.dumps(record(n)).encode() for n in range(2)) + b"\r\n\r\n",
        b"\xef\xbb\xbf" + b"\n".join(json.dumps(record(n)).encode() for n in range(2)),
        json.dumps(record(0)).encode() + json.dumps(record(1)).encode(),
        json.dumps(record(0), indent=1).encode() + b"\n" + json.dumps(record(1), indent=1).encode(),
        trail(record(0)) + trail(record(1)),
        trail(record(0)) + b"\n" + trail(record(1)) + b"\n",
        json.dumps({"x": [1, {"y": "]}"}], "Records": [record(0), record(1)], "z": {"w": []}}).encode(),
        b'{"Records":[' + json.dumps(record(0)).encode() + b'],"Records":[' + json.dumps(record(1)).encode() + b"]}",
        trail(record(0)) + trail() + trail(record(1)),
    ],
)
def test_shapes(content, log_format):
    for step in (65_536, 5):
        parsed = parse(content, format=log_format, step=step)
        assert parsed.report.state == "read"
        assert parsed.rows["AwsEventId"].to_list() == ["e-0", "e-1"]
        assert parsed.rows["RequestParameters"].null_count() == 0
    members = zipped(content[:40]) + zipped(content[40:])
    assert parse(members, format=log_format).rows["AwsEventId"].to_list() == ["e-0", "e-1"]


def test_an_object_without_records_is_read():
    report = parse(trail(), format="cloudtrail").report
    assert (report.state, report.records) == ("read", 0)


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"a":1}', b'{"Records":5}', b'{"digestStartTime":"x","digestS3Object":"y"}', b"[1,2]"]
)
def test_json_that_is_no_cloudtrail_is_unreadable(content):
    parsed = parse(content, format="cloudtrail")
    assert parsed.report.rows == 0
    assert parsed.report.state == "unreadable" or parsed.report.records == 0


# ---- drift and damage


def test_drift_keeps_the_record_and_says_what_changed():
    parsed = parse(
        trail(
            record(0),
            record(1, readOnly="true", eventVersion=1.08, managementEvent="FALSE"),
            record(2, readOnly="perhaps"),
            record(3, userIdentity="alice"),
            record(4, requestParameters="text"),
            record(5, userAgent={"a": [1]}),
            record(6, userIdentity={"type": "Root", "accountId": 5, "sessionContext": []}),
            record(7, sourceIPAddress=None, newField={"x": 1}),
        )
    )
    assert parsed.report.rows == 8
    assert parsed.rows["ExtraFields_CF"].to_list() == [*[None] * 7, '{"newField":{"x":1}}']
    rows = parsed.rows
    assert rows["ReadOnly"].to_list()[:3] == [True, True, None]
    assert rows["EventVersion"][1] == "1.08"
    assert rows["ManagementEvent"][1] is False
    assert rows["RequestParameters"][4] == '"text"'
    assert rows["UserAgent"][5] == '{"a":[1]}' or json.loads(rows["UserAgent"][5]) == {"a": [1]}
    assert rows["UserIdentityAccountId"][6] == "5"
    assert rows["_flags"].to_list() == [
        None,
        None,
        'drift:readOnly="perhaps"',
        'drift:userIdentity="alice"',
        None,
        "drift:userAgent",
        "drift:userIdentity.sessionContext=[]",
        None,
    ]


def test_session_values_that_do_not_fit_are_flagged():
    odd = {"attributes": {"creationDate": "soon", "mfaAuthenticated": "unknown"}}
    zero = record(userIdentity=record()["userIdentity"] | {"sessionContext": {"attributes": {"creationDate": ZERO}}})
    row = only(trail(zero))
    assert (row["SessionCreationDate"], row["_flags"]) == (None, f"drift:SessionCreationDate={ZERO}")
    row = only(trail(record(userIdentity={"type": "AssumedRole", "sessionContext": odd})))
    assert row["SessionCreationDate"] is row["SessionMfaAuthenticated"] is None
    assert row["_flags"] == "drift:SessionCreationDate=soon;drift:SessionMfaAuthenticated=unknown"


@pytest.mark.parametrize("bad", ["text", 5, None, True, [record(9)], {}, {"eventTime": ZERO}])
def test_a_record_that_is_none_is_quarantined_alone(bad):
    parsed = parse(trail(record(0), bad, record(1)))
    assert parsed.rows["AwsEventId"].to_list() == ["e-0", "e-1"]
    assert parsed.reasons() == [(1, "not_cloudtrail" if isinstance(bad, dict) else "not_an_object")]
    assert parsed.report.state == "read"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_word_for_no_number_is_null_and_flagged(word):
    parsed = parse(trail(record(0), record(1, requestID="QQ")).replace(b'"QQ"', word.encode()))
    assert parsed.rows.select("AwsRequestId_", "_flags").rows() == [("r-0", None), (None, f"not_finite={word}")]


@pytest.mark.parametrize("value", [b"01", b"tru", b"'x'", b"1.", b'"\x01"'])
def test_a_record_that_is_not_json_is_quarantined_alone(value):
    content = trail(record(0), record(1), record(2)).replace(b'"r-1"', value)
    parsed = parse(content)
    assert parsed.rows["AwsEventId"].to_list() == ["e-0", "e-2"]
    assert parsed.reasons() == [(1, "bad_json")]
    assert content[parsed.rejects["offset"][0] :].startswith(parsed.rejects["data"][0])


@pytest.mark.parametrize("field", ["userAgent", "requestParameters"])
def test_invalid_utf8_is_replaced_and_flagged(field):
    content = trail(record(0), record(1, **{field: "QQ"}), record(2)).replace(b"QQ", b"a\xff\xfeb")
    parsed = parse(content)
    assert parsed.report.rows == 3
    assert parsed.rows["_flags"].to_list() == [None, "invalid_utf8", None]
    column = "UserAgent" if field == "userAgent" else "RequestParameters"
    assert parsed.rows[column][1].strip('"') == "a\ufffd\ufffdb"


def test_what_is_flagged_does_not_depend_on_the_neighbours():
    content = trail(
        record(0, unknown="QQ"),
        record(1, requestParameters="QQ"),
        record(2, userIdentity={"type": "IAMUser", "userName": "bob", "unknown": "QQ"}),
        record(3, userIdentity=role_session("web", "ann", webIdFederationData={"federatedProvider": "QQ"})),
    ).replace(b"QQ", b"\xff")
    parsed = parse(content)
    assert parsed.rows["_flags"].to_list() == ["invalid_utf8"] * 4
    extras = parsed.rows["ExtraFields_CF"].to_list()
    assert extras[:3] == ['{"unknown":"\ufffd"}', None, '{"userIdentity.unknown":"\ufffd"}']
    assert parsed.entities["principal"].to_list()[2:] == ["111122223333/bob", "1/web/ann"]


def test_drift_in_an_identity_that_many_share_is_flagged_each_time():
    odd = {"type": "IAMUser", "userName": ["x"], "accountId": 12}
    parsed = parse(trail(*(record(n, userIdentity=odd) if n % 2 else record(n) for n in range(6))))
    assert parsed.rows["_flags"].to_list() == [None, "drift:userIdentity.userName"] * 3
    assert parsed.rows["UserIdentityUserName"].to_list() == ["alice", '["x"]'] * 3
    assert parsed.rows["UserIdentityAccountId"].to_list() == ["111122223333", "12"] * 3


def test_the_same_identity_seen_from_two_accounts_is_two_callers():
    service = {"type": "AWSAccount", "principalId": "AIDA"}
    parsed = parse(trail(*(record(n, userIdentity=service, recipientAccountId=a) for n, a in enumerate("121"))))
    assert parsed.entities["principal"].to_list() == ["1/AIDA", "2/AIDA", "1/AIDA"]
    assert parsed.rows["EventId_CF"].to_list() == ["1:e-0", "2:e-1", "1:e-2"]


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00", r"\ud800\ud800", r"x\\\ud83dx", r"\uDBFFa"])
@pytest.mark.parametrize("field", ["userAgent", "requestParameters"])
def test_lone_surrogates_are_replaced_and_flagged(field, text):
    content = trail(record(0), record(1, **{field: "QQ"})).replace(b"QQ", text.encode())
    parsed = parse(content)
    assert parsed.report.rows == 2
    assert parsed.rows["_flags"].to_list() == [None, "lone_surrogate"]


def test_paired_surrogates_are_one_character():
    content = trail(record(0, userAgent="QQ")).replace(b"QQ", rb"\ud83d\ude00")
    row = only(content)
    assert (row["UserAgent"], row["_flags"]) == ("\U0001f600", None)


def test_of_duplicate_keys_the_last_counts():
    content = trail(record(0)).replace(b'"eventName":"GetObject"', b'"eventName":"A","eventName":"B"')
    assert only(content)["EventName"] == "B"
    drifting = content.replace(b'"readOnly":true', b'"readOnly":1')
    assert only(drifting)["EventName"] == "B"


def test_deep_nesting_is_kept_or_quarantined_never_fatal():
    deep = b"[" * 200 + b"]" * 200
    assert only(trail(record(0, requestParameters="QQ")).replace(b'"QQ"', deep))["RequestParameters"] == deep.decode()
    abyss = b"[" * 100_000 + b"]" * 100_000
    content = trail(record(0), record(1, requestParameters="QQ"), record(2)).replace(b'"QQ"', abyss)
    parsed = parse(content)
    assert parsed.rows["AwsEventId"].to_list() == ["e-0", "e-2"]
    assert parsed.reasons() == [(1, "too_deep")]


@pytest.mark.parametrize("damage", [b'{"eventVersion":"1","a":[1}', b'{"eventVersion":"1","a":"', b"}}", b"{{{"])
def test_damage_inside_costs_no_record_after_it(damage):
    good = [json.dumps(record(n)).encode() for n in range(3)]
    content = b'{"Records":[' + good[0] + b"," + damage + b"," + good[1] + b"," + good[2] + b"]}"
    parsed = parse(content)
    kept = parsed.rows["AwsEventId"].to_list()
    assert kept[0] == "e-0"
    assert kept[-1] == "e-2"
    assert parsed.report.rejected >= 1


def test_a_bad_line_costs_only_itself():
    lines = [json.dumps(record(n)).encode() for n in range(4)]
    parsed = parse(b"\n".join([lines[0], b"not json", lines[1], lines[2][:50], lines[3]]))
    assert parsed.rows["AwsEventId"].to_list() == ["e-0", "e-1", "e-3"]
    assert [reason for _, reason in parsed.reasons()] == ["bad_json", "bad_json"]


@pytest.mark.parametrize(("start", "end"), [(b'{"Records":[', b"]}"), (b"[ ", b" ]\n")])
def test_json_cut_anywhere_keeps_every_whole_record_before_the_cut(start, end):
    texts = [json.dumps(record(n), ensure_ascii=False).encode() for n in range(3)]
    content = start + b",\n".join(texts) + end
    ends = [content.index(text) + len(text) for text in texts]
    for cut in [*range(40, len(content) - len(end), 37), *ends, *(at + 1 for at in ends)]:
        if cut > len(content.rstrip()) - 1:
            continue
        parsed = parse(content[:cut], format="cloudtrail")
        whole = sum(at <= cut for at in ends)
        assert (parsed.rows["AwsEventId"].to_list() if whole else []) == [f"e-{n}" for n in range(whole)]
        assert parsed.reasons() == [(whole, "truncated_json")]
        assert parsed.report.state == ("partly_read" if whole else "unreadable")
        assert content[:cut].rstrip(b",\n ").endswith(parsed.rejects["data"][0])


def test_gzip_cut_anywhere_accounts_for_the_tail():
    noise = random.Random(1)
    content = trail(*(record(n, salt=noise.randbytes(400).hex()) for n in range(30)))
    stored = zipped(content)
    for cut in range(len(stored) // 8, len(stored), 197):
        parsed = parse(stored[:cut], format="cloudtrail")
        assert parsed.report.rows >= 30 * cut // len(stored) - 4
        assert parsed.rows["AwsEventId"].to_list() == [f"e-{n}" for n in range(parsed.report.rows)]
        assert parsed.reasons() == [(parsed.report.rows, "truncated_gzip")]
        assert parsed.report.state == "partly_read"


# ---- size


def test_a_long_array_is_split_within_a_window():
    content = trail(*(record(n) for n in range(3_000)))
    splitter = JsonSplitter("Records", START, window=1 << 16)
    runs = list(splitter.split(content[at : at + 5_000] for at in range(0, len(content), 5_000)))
    values = [json.loads(bytes(value)) for run in runs for value in run.values]  # type: ignore[union-attr]
    assert values == [record(n) for n in range(3_000)]
    assert max(len(run.source) for run in runs) <= 1 << 18  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "wrap", [trail, lambda *r: json.dumps(list(r)).encode(), lambda *r: b"\n".join(json.dumps(x).encode() for x in r)]
)
def test_small_windows_change_nothing(wrap, monkeypatch):
    original = CloudTrailParser.__init__
    content = wrap(*(record(n, readOnly="odd" if n % 50 == 0 else True) for n in range(400)))
    whole = parse(content)
    monkeypatch.setattr(CloudTrailParser, "__init__", lambda self, *given: original(self, *given, window=3_000))
    windowed = parse(content, step=1_000)
    assert windowed.rows.equals(whole.rows)
    cut = parse(content[:-700], step=1_000, format="cloudtrail")
    assert cut.report.rows >= 397
    assert cut.rows["AwsEventId"].to_list() == [f"e-{n}" for n in range(cut.report.rows)]


def test_a_record_longer_than_the_window_is_one_reject():
    splitter = JsonSplitter("Records", START, window=4_096)
    content = trail(record(0), record(1, userAgent="x" * 50_000), record(2))
    found = list(splitter.split(content[at : at + 512] for at in range(0, len(content), 512)))
    assert sum(isinstance(piece, BrokenRecord) for piece in found) == 1
    assert sum(len(piece.values) for piece in found if isinstance(piece, RecordRun)) == 2


# ---- entities


def role_session(role, session, **context):
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::1:assumed-role/{role}/{session}",
        "accountId": "1",
        "principalId": f"AROA:{session}",
        "sessionContext": {"sessionIssuer": {"type": "Role", "userName": role}, **context},
    }


WEB = {"webIdFederationData": {"federatedProvider": "arn:aws:iam::1:oidc-provider/x", "attributes": {}}}


@pytest.mark.parametrize(
    ("identity", "principal", "peer"),
    [
        ({"type": "IAMUser", "accountId": "1", "userName": "bob"}, "1/bob", "1/IAMUser"),
        ({"type": "IAMUser", "accountId": "1", "arn": "arn:aws:iam::1:user/x/bob"}, "1/bob", "1/IAMUser"),
        ({"type": "Root", "accountId": "1", "arn": "arn:aws:iam::1:root"}, "1/root", "1/Root"),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "ec2.amazonaws.com", "111122223333/AWSService"),
        ({"type": "AWSAccount", "accountId": "2", "principalId": "AIDA"}, "2/AIDA", "2/AWSAccount"),
        ({"invokedBy": "x.amazonaws.com", "accountId": "1"}, "x.amazonaws.com", "1/-"),
        (
            {"type": "FederatedUser", "accountId": "1", "arn": "arn:aws:sts::1:federated-user/eve"},
            "1/eve",
            "1/FederatedUser",
        ),
        (
            {"type": "IdentityCenterUser", "accountId": "1", "onBehalfOf": {"userId": "u-1"}},
            "1/u-1",
            "1/IdentityCenterUser",
        ),
        (role_session("app", "i-0abc12345def67890"), "1/app", "1/AssumedRole/app"),
        (role_session("app", "alice"), "1/app", "1/AssumedRole/app"),
        (role_session("app-1a2b3c4d5e6f", "x"), "1/app-1a2b3c4d5e6f", "1/AssumedRole/app"),
        (
            role_session("AWSReservedSSO_Admin_0123456789abcdef", "ann@example.com"),
            "1/AWSReservedSSO_Admin_0123456789abcdef/ann@example.com",
            "1/AssumedRole/AWSReservedSSO_Admin",
        ),
        (role_session("saml", "ann@example.com"), "1/saml/ann@example.com", "1/AssumedRole/saml"),
        (role_session("web", "ann", **WEB), "1/web/ann", "1/AssumedRole/web"),
        (role_session("irsa", "botocore-session-1700000000", **WEB), "1/irsa", "1/AssumedRole/irsa"),
        (role_session("irsa", "1700000000123456789", **WEB), "1/irsa", "1/AssumedRole/irsa"),
        (role_session("empty", "ann", webIdFederationData={}), "1/empty", "1/AssumedRole/empty"),
        (role_session("any", "whatever", sourceIdentity="carl"), "1/any/carl", "1/AssumedRole/any"),
        ({}, "111122223333", "111122223333/-"),
    ],
)
def test_principals(identity, principal, peer):
    entity = parse(trail(record(userIdentity=identity))).entities.row(0, named=True)
    assert (entity["principal"], entity["peer"]) == (principal, peer)


def test_the_rest_of_the_entity_view():
    parsed = parse(
        trail(
            record(0, additionalEventData={"bytesTransferredOut": 99}, errorCode="Denied"),
            record(
                1, resources=[{"type": "x", "ARN": "arn:a"}, {"ARN": "arn:b"}], requestParameters=None, errorCode=""
            ),
            record(2, recipientAccountId=..., eventSource=..., eventName=...),
        )
    )
    first, second, third = parsed.entities.rows(named=True)
    assert (first["service"], first["action"], first["target"], first["bytes"]) == ("s3", "s3:GetObject", "b", 99)
    assert (first["account"], first["region"], first["error"], first["read_only"]) == (
        "111122223333",
        "eu-central-1",
        "Denied",
        True,
    )
    assert (second["target"], second["error"]) == ("arn:a", None)
    assert (third["account"], third["action"]) == ("111122223333", "-:-")


# ---- other kinds of events, and what they come in


INSIGHT = {
    "eventVersion": "1.07",
    "eventTime": "2026-11-23T10:00:00Z",
    "awsRegion": "us-east-1",
    "eventID": "i-1",
    "eventType": "AwsCloudTrailInsight",
    "recipientAccountId": "111122223333",
    "sharedEventID": "s-1",
    "insightDetails": {
        "state": "Start",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "insightType": "ApiCallRateInsight",
        "insightContext": {"statistics": {"baseline": {"average": 0.1}, "insight": {"average": 9}}},
    },
    "eventCategory": "Insight",
}


@pytest.mark.parametrize("beside", [[], [record(0)]])
def test_an_insights_event_is_told_from_the_calls_it_is_about(beside):
    parsed = parse(trail(*beside, INSIGHT))
    row = parsed.rows.row(-1, named=True)
    assert (row["Category"], row["EventTypeName"], row["EventName"]) == ("Insight", "AwsCloudTrailInsight", None)
    assert json.loads(row["ExtraFields_CF"]) == {"insightDetails": INSIGHT["insightDetails"]}
    assert parsed.entities.select("service", "action", "principal", "target").row(-1) == (
        *("ec2", "ec2:Insight/RunInstances", "111122223333", None),
    )


def test_a_network_activity_event_that_was_denied():
    denied = record(
        eventCategory="NetworkActivity",
        eventType="AwsVpceEvent",
        errorCode="VpceAccessDenied",
        errorMessage="The request was denied due to a VPC endpoint policy",
        vpcEndpointId="vpce-1",
        vpcEndpointAccountId="444455556666",
    )
    parsed = parse(trail(denied))
    row = parsed.rows.row(0, named=True)
    assert (row["Category"], row["ErrorCode"], row["VpcEndpointId"]) == (
        "NetworkActivity",
        "VpceAccessDenied",
        "vpce-1",
    )
    assert row["ExtraFields_CF"] == '{"vpcEndpointAccountId":"444455556666"}'
    assert parsed.entities["error"].to_list() == ["VpceAccessDenied"]


def test_no_field_vanishes():
    identity = role_session("web", "ann", sourceIdentity="carl", novel={"a": 1}, **WEB)
    identity |= {"identityProvider": "idp", "credentialId": "c", "inScopeOf": {"sourceArn": "arn:s"}, "new": [2]}
    full = record(
        userIdentity=identity,
        tlsDetails={"tlsVersion": "TLSv1.3", "keyExchange": "X"},
        sessionCredentialFromConsole="true",
        addendum={"reason": "UPDATED_DATA"},
        eventContext={"tagContext": {}},
        edgeDeviceDetails={"d": 1},
        somethingNew=3,
    )
    parsed = parse(trail(record(0), full, record(2)))
    assert parsed.rows["_flags"].null_count() == 3
    assert parsed.rows["TlsVersion"].to_list() == [None, "TLSv1.3", None]
    first, extra, last = parsed.rows["ExtraFields_CF"].to_list()
    assert (first, last) == (None, None)
    assert json.loads(extra) == {
        "sessionCredentialFromConsole": "true",
        "addendum": {"reason": "UPDATED_DATA"},
        "eventContext": {"tagContext": {}},
        "edgeDeviceDetails": {"d": 1},
        "somethingNew": 3,
        "userIdentity.identityProvider": "idp",
        "userIdentity.credentialId": "c",
        "userIdentity.inScopeOf": {"sourceArn": "arn:s"},
        "userIdentity.new": [2],
        "userIdentity.sessionContext.sourceIdentity": "carl",
        "userIdentity.sessionContext.webIdFederationData": WEB["webIdFederationData"],
        "userIdentity.sessionContext.novel": {"a": 1},
        "tlsDetails.keyExchange": "X",
    }


def looked_up(number, **changes):
    text = json.dumps(record(number))
    made = {"EventId": f"e-{number}", "EventName": "GetObject", "ReadOnly": "true", "EventTime": "2026-11-23T10:00:00Z"}
    return (
        made
        | {"EventSource": "s3.amazonaws.com", "Username": "alice", "Resources": [], "CloudTrailEvent": text}
        | changes
    )


def from_event_bridge(number):
    made = {"version": "0", "id": "i", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "account": "1"}
    return made | {"time": "2026-11-23T10:00:00Z", "region": "r", "resources": [], "detail": record(number)}


def notified(number):
    return {"Type": "Notification", "TopicArn": "arn:t", "Message": json.dumps(from_event_bridge(number))}


@pytest.mark.parametrize("log_format", ["auto", "cloudtrail"])
@pytest.mark.parametrize("wrapped", [looked_up, from_event_bridge, notified])
def test_events_in_envelopes(wrapped, log_format):
    lines = b"\n".join(json.dumps(wrapped(n)).encode() for n in range(3))
    shapes = [lines, json.dumps([wrapped(n) for n in range(3)], indent=1).encode(), json.dumps(wrapped(0)).encode()]
    if wrapped is looked_up:
        shapes.append(json.dumps({"Events": [wrapped(n) for n in range(3)], "NextToken": "t"}, indent=4).encode())
    for content in shapes:
        parsed = parse(content, format=log_format)
        assert (parsed.report.format, parsed.report.rejected) == ("cloudtrail", 0)
        assert parsed.rows["AwsEventId"].to_list() == [f"e-{n}" for n in range(parsed.report.rows)]
        assert parsed.rows["ExtraFields_CF"].null_count() == parsed.report.rows > 0


def test_events_and_envelopes_in_one_file_keep_their_order():
    mixed = [record(0), looked_up(1), record(2), {"foo": 1}, from_event_bridge(4), looked_up(5, CloudTrailEvent="no")]
    parsed = parse(trail(*mixed))
    assert parsed.rows["AwsEventId"].to_list() == ["e-0", "e-1", "e-2", "e-4"]
    assert parsed.rows["_ordinal"].to_list() == [0, 1, 2, 4]
    assert parsed.reasons() == [(3, "not_cloudtrail"), (5, "not_cloudtrail")]


def test_records_of_another_format_are_given_to_it():
    finding = {
        "schemaVersion": "2.0",
        "accountId": "1",
        "region": "r",
        "partition": "aws",
        "id": "f",
        "arn": "arn:f",
        "type": "T:U/V",
        "resource": {},
        "service": {"count": 1},
        "severity": 2,
        "title": "t",
        "description": "d",
        "createdAt": "2026-11-23T10:00:00Z",
        "updatedAt": "2026-11-23T10:00:00Z",
    }
    parsed = parse(b"\n".join(json.dumps(one).encode() for one in (record(0), finding, record(2))))
    assert {frame.table: frame.rows["_ordinal"].to_list() for frame in parsed.frames} == {
        "AWSCloudTrail": [0, 2],
        "AWSGuardDuty": [1],
    }
    turned = parse(b"\n".join(json.dumps(one).encode() for one in (finding, record(1), finding | {"id": "g"})))
    assert {frame.table for frame in turned.frames} == {"AWSCloudTrail", "AWSGuardDuty"}
    assert turned.report.rows == 3


# ---- ASIM


def asim_frames(content):
    parser = PartParser("cloudtrail", ParseOptions(normalise="asim"))
    parsed = Parsed(list(parser.frames([an_input(0, content)])), parser.reports, parser.rejects)
    check_account(parsed)
    return parsed.frames


def as_asim(*records):
    return {frame.table: frame.rows for frame in asim_frames(trail(*records))}


def test_calls_become_audit_events():
    frame = as_asim(
        record(
            0,
            eventName="DeleteBucket",
            errorCode="AccessDenied",
            errorMessage="no",
            resources=[{"ARN": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}],
        ),
        record(1, sourceIPAddress="ec2.amazonaws.com", userIdentity=role_session("app", "i-0abc12345def67890")),
    )["ASimAuditEventLogs"]
    row = frame.row(0, named=True)
    expected = {
        "EventType": "Delete",
        "Operation": "DeleteBucket",
        "Object": "arn:aws:s3:::b",
        "ObjectId": "arn:aws:s3:::b",
        "ObjectType": "Cloud Resource",
        "OriginalObjectType": "AWS::S3::Bucket",
        "EventResult": "Failure",
        "EventOriginalResultDetails": "AccessDenied",
        "EventMessage": "no",
        "ActorUsername": "alice",
        "ActorUserId": "AIDAEXAMPLE",
        "ActorUserIdType": "AWSId",
        "ActorUserType": "Regular",
        "ActorOriginalUserType": "IAMUser",
        "ActorScopeId": "111122223333",
        "SrcIpAddr": "198.51.100.7",
        "HttpUserAgent": "aws-cli/2.0",
        "DvcZone": "eu-central-1",
        "TargetAppName": "s3.amazonaws.com",
        "EventOriginalUid": "e-0",
        "EventId_CF": "111122223333:e-0",
    }
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["AdditionalFields"])["requestParameters"] == record(0)["requestParameters"]
    row = frame.row(1, named=True)
    assert (row["SrcIpAddr"], row["SrcHostname"]) == (None, "ec2.amazonaws.com")
    assert (row["ActorUsername"], row["ActorUserType"]) == ("app/i-0abc12345def67890", "Service Principal")
    assert (row["EventType"], row["EventResult"]) == ("Read", "Success")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("RunInstances", "Create"), ("PutObject", "Set"), ("BatchDeleteImage", "Delete"), ("DescribeX", "Read")),
        *(("Invoke", "Execute"), ("EnableKey", "Enable"), ("DisableKey", "Disable"), ("StartInstances", "Start")),
        *(("StartQueryExecution", "Execute"), ("StopLogging", "Stop"), ("Frobnicate", "Read"), ("Listen", "Read")),
    ],
)
def test_the_verb_of_a_call(name, kind):
    assert as_asim(record(eventName=name))["ASimAuditEventLogs"]["EventType"].to_list() == [kind]


def test_signing_in_becomes_an_authentication_event():
    sign_in = {"eventSource": "signin.amazonaws.com", "eventType": "AwsConsoleSignIn", "eventName": "ConsoleLogin"}
    login_to = "https://console.aws.amazon.com/console/home"
    rows = as_asim(
        record(
            0,
            **sign_in,
            responseElements={"ConsoleLogin": "Success"},
            additionalEventData={"LoginTo": login_to, "MFAUsed": "Yes"},
        ),
        record(
            1,
            **sign_in,
            responseElements={"ConsoleLogin": "Failure"},
            errorMessage="No username found in supplied account",
        ),
        record(2, eventSource="sts.amazonaws.com", eventName="AssumeRoleWithSAML"),
        record(3, **sign_in | {"eventName": "SwitchRole"}, responseElements={"SwitchRole": "Success"}),
        record(4, **sign_in | {"eventName": "PasswordUpdated"}),
    )
    assert rows["ASimAuditEventLogs"]["Operation"].to_list() == ["PasswordUpdated"]
    frame = rows["ASimAuthenticationEventLogs"]
    assert frame.select("EventType", "EventResult", "EventResultDetails", "LogonMethod", "LogonProtocol").rows() == [
        ("Logon", "Success", None, "Multi factor authentication", None),
        ("Logon", "Failure", "No such user", None, None),
        ("Logon", "Success", None, None, "SAML"),
        ("Elevate", "Success", None, None, None),
    ]
    assert frame.select("TargetUsername", "TargetUserType", "TargetUrl", "SrcIpAddr").row(0) == (
        *("alice", "Regular", login_to, "198.51.100.7"),
    )


# ---- properties


# Naive on purpose: the text gets its Z by hand.
EARLY, LATE = datetime(1990, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001

texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
identities = st.fixed_dictionaries(
    {}, optional={name: st.none() | texts for name in ("type", "userName", "arn", "accountId", "principalId")}
)
records = st.fixed_dictionaries(
    {"eventVersion": texts, "eventTime": st.datetimes(EARLY, LATE).map(lambda t: t.isoformat() + "Z")},
    optional={
        "eventName": st.none() | texts,
        "userAgent": texts,
        "userIdentity": st.none() | identities,
        "requestParameters": values,
        "resources": values,
        "readOnly": st.none() | st.booleans(),
        "eventID": texts,
        "unknown": values,
    },
)


def nothing_or(text):
    return None if text is None else json.loads(text)


@settings(max_examples=20, deadline=None)
@given(st.lists(records, min_size=2, max_size=4), st.lists(st.integers(0, 4), min_size=2, max_size=6))
def test_a_record_comes_out_the_same_among_others_and_alone(items, picks):
    chosen = [{**items[pick % len(items)], "eventID": f"e-{n}"} for n, pick in enumerate(picks)]
    together = parse(trail(*chosen), format="cloudtrail")
    alone = [parse(trail(item), format="cloudtrail") for item in chosen]
    assert together.rows.drop("_ordinal").equals(pl.concat([parsed.rows for parsed in alone]).drop("_ordinal"))
    assert together.entities.equals(pl.concat([parsed.entities for parsed in alone]))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(records, min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from(["records", "array", "lines"]),
    st.integers(1, 200),
)
def test_what_goes_in_comes_out(items, ascii_only, shape, step):
    if shape == "lines":
        content = b"\n".join(json.dumps(item, ensure_ascii=ascii_only).encode() for item in items)
    else:
        content = json.dumps({"Records": items} if shape == "records" else items, ensure_ascii=ascii_only).encode()
    parsed = parse(content, format="cloudtrail", step=step)
    assert parsed.report.rows == len(items)
    rows = parsed.rows
    assert rows["EventName"].to_list() == [item.get("eventName") for item in items]
    assert rows["UserAgent"].to_list() == [item.get("userAgent") for item in items]
    assert rows["ReadOnly"].to_list() == [item.get("readOnly") for item in items]
    assert [nothing_or(text) for text in rows["RequestParameters"]] == [item.get("requestParameters") for item in items]
    assert [nothing_or(text) for text in rows["Resources"]] == [item.get("resources") for item in items]
    assert [t.replace(tzinfo=None) for t in rows["EventTime_CF"]] == [
        datetime.fromisoformat(item["eventTime"][:-1]) for item in items
    ]
    names = [(item.get("userIdentity") or {}).get("userName") for item in items]
    assert rows["UserIdentityUserName"].to_list() == names
    assert rows["_flags"].null_count() == len(items)
    extras = [nothing_or(text) for text in rows["ExtraFields_CF"]]
    assert extras == [{"unknown": item["unknown"]} if "unknown" in item else None for item in items]


@settings(max_examples=40, deadline=None)
@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_any_damage_is_accounted_for(items, data):
    content = bytearray(json.dumps({"Records": items}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from(b'{}[]",:\\ \n\x00\xffa1'))
    parse(bytes(content), format="cloudtrail", step=data.draw(st.integers(1, 300)))  # the account is checked inside


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b'{"Records":[', b"[", b'{"eventVersion":', b""]))
def test_any_bytes_are_accounted_for(noise, start):
    parse(start + noise, format="cloudtrail")


# ---- real data


def test_real_events_each_come_out_once(shared_dir):
    files = sorted((shared_dir / "data/labelled/invictus/CloudTrail").glob("*.json"))
    if not files:
        pytest.skip("no invictus data")
    inputs = [
        ObjectInput(number, file.name, f"{IDENTITY}{number:04x}", lambda file=file: [file.read_bytes()])
        for number, file in enumerate(files)
    ]
    expected = [item for file in files for item in json.loads(file.read_text())["Records"]]
    parsed = parse_inputs(inputs)
    rows = parsed.rows
    assert rows["AwsEventId"].to_list() == [item["eventID"] for item in expected]
    assert rows["AwsEventId"].n_unique() == len(expected) == 2_900
    assert [nothing_or(text) for text in rows["ResponseElements"]] == [item["responseElements"] for item in expected]
    assert rows["_flags"].null_count() == rows.height
    assert parsed.rejects.height == 0
    people = parsed.entities.filter(pl.col("principal_type") == "IAMUser")["principal"].value_counts(sort=True)
    assert people.row(0) == ("123837392027/bert-jan", 2_642)


def test_real_records_as_json_lines(shared_dir):
    file = shared_dir / "data/formats/cloudtrail/panther_analysis_events.jsonl"
    if not file.exists():
        pytest.skip("no sample")
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    content = b"\n".join(json.dumps(event).encode() for event in events)
    parsed = parse(content, format="cloudtrail")
    with_time = [event for event in events if isinstance(event.get("eventTime"), str)]
    assert parsed.report.records == len(events)
    assert parsed.report.rows == pytest.approx(len(with_time), abs=5)
    assert set(parsed.rejects["reason"]) <= {"no_event_time", "not_cloudtrail"}
    sign_ins, others = asim_frames(content)
    assert sign_ins.table == "ASimAuthenticationEventLogs"
    assert sign_ins.rows.height + others.rows.height == parsed.report.rows
    for frame in (sign_ins, others):
        for column in MANDATORY[frame.table]:
            assert frame.rows[column].null_count() == 0, column
