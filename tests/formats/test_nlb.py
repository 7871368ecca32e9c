"""Network Load Balancer logs: TLS connections, versions 1.0 and 2.0."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.access_lines import ALB, CERTIFICATE, NLB, entity, filled, line, parsed, text
from tests.formats.parsing import parse


def test_every_column_is_filled_from_its_field():
    found = parsed(line(NLB, incoming_tls_alert="40"))
    assert found.report.table == "AWSNLBAccessLogs"
    assert found.rows["TimeGenerated"].to_list() == [datetime(2026, 11, 23, 8, 51, 42, tzinfo=UTC)]
    assert filled(line(NLB, incoming_tls_alert="40")) == {
        "NLBType": "tls",
        "Version": "2.0",
        "Nlb": "net/my-nlb/c6e77e28c25b2234",
        "Listener": "g3d4b5e8bb8464cd",
        "ClientIPPort": "192.0.2.154:51341",
        "TargetIPPort": "10.0.0.2:443",
        "ConnectionTime": "5",
        "TlsHandshakeTime": "2",
        "ReceivedBytes": "98",
        "SentBytes": "246",
        "IncomingTLSAlert": "40",
        "ChosenCertArn": CERTIFICATE,
        "ChosenCertSerial": "0a1b",
        "TLSCipher": "ECDHE-RSA-AES128-SHA",
        "TLSProtocolVersion": "tlsv12",
        "TLSNamedGroup": "x25519",
        "DomainName": "nlb.example.com",
        "ALPNFEProtocol": "h2",
        "ALPNBEProtocol": "http/1.1",
        "ALPNClientPrefList": '"h2","http/1.1"',
        "TLSConnectionCreationTime": "2026-11-23T08:51:20",
    }


def test_asim():
    row = filled(line(NLB), asim=True)
    assert json.loads(row.pop("AdditionalFields"))["alpn_client_preference_list"] == '"h2","http/1.1"'
    assert row["EventStartTime"] == datetime(2026, 11, 23, 8, 51, 20, tzinfo=UTC)
    assert row["EventEndTime"] == datetime(2026, 11, 23, 8, 51, 42, tzinfo=UTC)
    expected = {
        "EventType": "NetworkSession",
        "EventResult": "Success",
        "Dvc": "net/my-nlb/c6e77e28c25b2234",
        "SrcIpAddr": "192.0.2.154",
        "SrcPortNumber": 51341,
        "SrcBytes": 98,
        "DstIpAddr": "10.0.0.2",
        "DstPortNumber": 443,
        "DstBytes": 246,
        "DstFQDN": "nlb.example.com",
        "NetworkBytes": 344,
        "NetworkDuration": 5,
        "NetworkProtocol": "TCP",
        "NetworkApplicationProtocol": "TLS",
    }
    assert {name: row[name] for name in expected} == expected


def test_entities():
    assert entity(line(NLB)) == {
        "account": "123456789012",
        "region": "us-east-2",
        "principal": "192.0.2.154",
        "principal_type": "address",
        "peer": "net/my-nlb/c6e77e28c25b2234",
        "service": "tls",
        "action": "tlsv12/g3d4b5e8bb8464cd",
        "target": "nlb.example.com",
        "source_ip": "192.0.2.154",
        "bytes": 246,
    }


@pytest.mark.parametrize(
    ("changes", "error"), [({"incoming_tls_alert": "40"}, "40"), ({"tls_handshake_time": "-"}, "handshake")]
)
def test_a_failed_handshake(changes, error):
    assert entity(line(NLB, **changes))["error"] == error
    assert filled(line(NLB, **changes), asim=True)["EventResult"] == "Failure"


@pytest.mark.parametrize("fields", [18, 21, 22])
def test_every_generation_of_fields(fields):
    row = filled(line(NLB, upto=fields))
    assert row.items() <= filled(line(NLB)).items()
    assert len(row) == fields - 2  # the time and the alert, which there was none of
    session = filled(line(NLB, upto=fields), asim=True)
    assert session["EventStartTime"].second == (20 if fields == 22 else 42)


def test_ipv6_and_unknown_fields():
    row = filled(line(NLB, client_port="[2001:db8::7]:4433") + " new", asim=True)
    assert (row["SrcIpAddr"], row["SrcPortNumber"], row["NetworkProtocolVersion"]) == ("2001:db8::7", 4433, "IPv6")
    assert row["ExtraFields_CF"] == '{"field_23":"new"}'


def test_other_lines_are_rejected_alone():
    lines = [line(NLB), line(ALB), line(NLB, upto=9), line(NLB, time="yesterday"), "x", line(NLB)]
    found = parsed(*lines, format="nlb")
    assert found.rows["_ordinal"].to_list() == [0, 5]
    assert found.reasons() == [(1, "not_nlb"), (2, "field_count"), (3, "no_event_time"), (4, "field_count")]


@pytest.mark.parametrize("time", ["2026-11-23T08:51:42Z", "2026-11-23T09:51:42+01:00", "2026-11-23T08:51:42.5"])
def test_times_with_a_zone_or_a_fraction(time):
    found = parsed(line(NLB), line(NLB, time=time))
    assert [when.replace(microsecond=0) for when in found.rows["TimeGenerated"]] == [
        datetime(2026, 11, 23, 8, 51, 42, tzinfo=UTC)
    ] * 2


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 600), st.integers(1, 700))
def test_any_bytes_are_accounted_for(junk, at, step):
    content = bytearray(text(*[line(NLB)] * 3))
    content[at : at + len(junk) // 2] = junk
    parse(bytes(content), format="nlb", step=step)


def test_published_lines(shared_dir):
    file = shared_dir / "data/formats/nlb/otel_nlb_al_valid_logs.log"
    if not file.exists():
        pytest.skip("no samples")
    assert detect(file.read_bytes()).format == "nlb"
    row = filled(file.read_text().strip())
    assert (row["ALPNClientPrefList"], row["SentBytes"]) == ('"h2","http/1.1"', "246")
