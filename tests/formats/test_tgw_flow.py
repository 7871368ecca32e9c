"""Transit gateway flow logs: any order, text and Parquet, every column from its field."""

import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from s3sentinel_assets.formats.flow_logs.transit_gateway import KIND
from tests.formats.parsing import Parsed, an_input, check_account, parse, zipped

START, END = 1_700_000_000, 1_700_000_060
VALUES: dict[str, str | int] = {name: f"v-{name}" for name in KIND.names} | {
    "version": 6,
    "resource-type": "TransitGateway",
    "account-id": "111122223333",
    "tgw-id": "tgw-1",
    "tgw-src-eni": "eni-1",
    "tgw-dst-eni": "eni-2",
    "srcaddr": "10.0.0.1",
    "dstaddr": "10.1.0.1",
    "srcport": 50000,
    "dstport": 443,
    "protocol": 6,
    "packets": 20,
    "bytes": 4249,
    "start": START,
    "end": END,
    "log-status": "OK",
    "type": "IPv4",
    "packets-lost-no-route": 0,
    "packets-lost-blackhole": 3,
    "packets-lost-mtu-exceeded": 0,
    "packets-lost-ttl-expired": 0,
    "tcp-flags": 2,
    "region": "eu-central-1",
    "flow-direction": "ingress",
}
HEADER = " ".join(KIND.names)
NOTHING = " ".join(
    {"version": "6", "tgw-id": "tgw-1", "start": str(START), "log-status": "NODATA"}.get(n, "-") for n in KIND.names
)


def line(order=KIND.names, **changes) -> str:
    changes = {name.replace("_", "-"): value for name, value in changes.items()}
    return " ".join(str((VALUES | changes)[name]) for name in order)


def text(*lines: str) -> bytes:
    return "".join(f"{each}\n" for each in lines).encode()


def test_every_column_from_its_field():
    row = parse(text(HEADER, line())).rows.row(0, named=True)
    filled = {name: value for name, value in row.items() if value is not None and not name.startswith("TcpFlags")}
    additional = json.loads(filled.pop("AdditionalFields"))
    start, end = datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(END, UTC)
    assert filled == {
        "TimeGenerated": start,
        "EventTime_CF": start,
        "EventStartTime": start,
        "EventEndTime": end,
        "EventId_CF": row["EventId_CF"],
        "EventCount": 1,
        "EventType": "Flow",
        "EventResult": "Partial",
        "EventSeverity": "Informational",
        "EventProduct": "Transit Gateway",
        "EventProductVersion": "6",
        "EventVendor": "AWS",
        "EventSchemaVersion": row["EventSchemaVersion"],
        "EventOriginalSubType": "OK",
        "Dvc": "tgw-1",
        "DvcId": "tgw-1",
        "DvcIdType": "Other",
        "DvcSubscriptionId": "111122223333",
        "DvcInboundInterface": "eni-1",
        "DvcOutboundInterface": "eni-2",
        "SrcIpAddr": "10.0.0.1",
        "SrcPortNumber": 50000,
        "SrcZone": "v-tgw-src-vpc-id",
        "SrcBytes": 4249,
        "SrcPackets": 20,
        "DstIpAddr": "10.1.0.1",
        "DstPortNumber": 443,
        "DstZone": "v-tgw-dst-vpc-id",
        "NetworkProtocol": "TCP",
        "NetworkProtocolVersion": "IPv4",
        "NetworkDirection": "Local",
        "NetworkDuration": 60_000,
        "NetworkBytes": 4249,
        "NetworkPackets": 20,
        "_object": 0,
        "_ordinal": 0,
    }
    assert [name for name in row if name.startswith("TcpFlags") and row[name]] == ["TcpFlagsSyn"]
    placed = {
        "version",
        "account-id",
        "tgw-id",
        "tgw-src-eni",
        "tgw-dst-eni",
        "srcaddr",
        "dstaddr",
        "srcport",
        "dstport",
    }
    placed |= {"protocol", "packets", "bytes", "start", "end", "log-status", "type", "tcp-flags", "flow-direction"}
    placed |= {"tgw-src-vpc-id", "tgw-dst-vpc-id"}
    assert additional == {name: value for name, value in VALUES.items() if name not in placed}


def test_entities():
    entity = parse(text(line(), NOTHING)).entities.rows(named=True)
    assert {name: value for name, value in entity[0].items() if value is not None} == {
        "event_id": entity[0]["event_id"],
        "time": datetime.fromtimestamp(START, UTC),
        "account": "111122223333",
        "region": "eu-central-1",
        "principal": "eni-1",
        "principal_type": "eni",
        "peer": "v-tgw-src-vpc-account-id/v-tgw-src-subnet-id",
        "service": "tcp",
        "action": "tcp/443/ingress/OK",
        "target": "10.1.0.1",
        "source_ip": "10.0.0.1",
        "bytes": 4249,
        "packets": 20,
    }
    assert (entity[1]["principal"], entity[1]["action"]) == ("tgw-1", "-/-/-/NODATA")


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"packets_lost_blackhole": 0}, "Success"),
        ({"packets_lost_blackhole": 20}, "Failure"),
        ({"packets_lost_no_route": "-", "packets_lost_blackhole": "-"}, "Success"),
        ({"log_status": "SKIPDATA"}, "NA"),
    ],
)
def test_packets_lost_decide_the_result(changes, result):
    assert parse(text(line(**changes))).rows["EventResult"].to_list() == [result]


def test_without_header_the_documented_order_or_that_of_the_settings():
    assert parse(text(line(), NOTHING)).rows["NetworkBytes"].to_list() == [4249, None]
    order = ("tgw-id", "start", "dstaddr", "bytes", "srcaddr")
    parser = PartParser("tgw_flow", ParseOptions(fields=order))
    parsed = Parsed(list(parser.frames([an_input(0, text(line(order), line(order)))])), parser.reports, parser.rejects)
    check_account(parsed)
    assert parsed.rows["DstIpAddr"].to_list() == ["10.1.0.1"] * 2


@settings(max_examples=25, deadline=None)
@given(st.permutations(KIND.names), st.integers(2, 36), st.booleans())
def test_any_order_gives_the_rows_of_the_documented_one(order, count, packed):
    order = ["start", "tgw-id", *(name for name in order if name not in ("start", "tgw-id"))][: max(count, 3)]
    named = [name if name in order else None for name in KIND.names]
    same = text(HEADER, " ".join(str(VALUES[name]) if name else "-" for name in named))
    content = text(" ".join(order), line(order))
    parsed = parse(zipped(content) if packed else content)
    assert parsed.report.format == "tgw_flow"
    assert parsed.rows.equals(parse(same).rows)


def test_parquet_gives_the_rows_of_text():
    file = io.BytesIO()
    pq.write_table(
        pa.table(
            {name.replace("-", "_"): [value, None] for name, value in VALUES.items() if name != "start"}
            | {"start": [START, START]}
        ),
        file,
    )
    empty = " ".join(str(START) if name == "start" else "-" for name in KIND.names)
    assert parse(file.getvalue()).rows.equals(parse(text(HEADER, line(), empty)).rows)


def test_versions_to_come_and_lines_that_are_bad():
    order = f"{HEADER} encryption-status"
    parsed = parse(text(order, f"{line()} on", line(), f"{line(bytes='many')} on", f"{line(packets=2**40)} on"))
    assert parsed.rows["ExtraFields_CF"].to_list() == ['{"encryption-status":"on"}'] * 2
    assert parsed.rows["NetworkPackets"].to_list() == [20, 2**40]
    assert parsed.reasons() == [(1, "field_count"), (2, "bad_number")]


@pytest.mark.parametrize("head", [text(HEADER), text(line()), text(HEADER, line()), text(NOTHING), text(HEADER)[:300]])
def test_detection(head):
    assert detect(head).format == "tgw_flow"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_damage_is_accounted_for(data):
    content = bytearray(text(HEADER, line(), NOTHING, line(), HEADER, line()))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(len(HEADER) + 1, len(content) - 1))] = data.draw(
            st.sampled_from(b' \n\r\t-"{x\x00\xff9')
        )
    parse(bytes(content), format="tgw_flow", step=data.draw(st.integers(1, 300)))  # the account is checked inside


def test_published_sample(shared_dir):
    file = shared_dir / "data/formats/tgw_flow/otel_valid_tgw_flow_log.log"
    if not file.exists():
        pytest.skip("no sample")
    parsed = parse(file.read_bytes())
    assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("tgw_flow", 1, 0)
    row = parsed.rows.row(0, named=True)
    assert (row["SrcIpAddr"], row["DstPortNumber"], row["NetworkBytes"]) == ("10.0.0.1", 443, 1000)
    assert json.loads(row["AdditionalFields"])["packets-lost-ttl-expired"] == 4
