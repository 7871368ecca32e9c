"""The Logs Ingestion API's rules, one test each, by the real azure-monitor-ingestion over TLS."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError

from s3sentinel_assets.local.workspace import LocalWorkspace
from s3sentinel_assets.local.workspace.ingestion import CALL_LIMIT


def ago(**length: float) -> str:
    return (datetime.now(UTC) - timedelta(**length)).isoformat()


def sized_body(size: int, mark: str) -> bytes:
    """A good array of exactly ``size`` bytes, in fields under 64 KB."""
    row = {"Id": mark, "Extra_CF": "x" * 60_000}
    rows = [row] * (size // 60_100)
    rest = size - len(json.dumps([*rows, {"Id": mark, "Extra_CF": ""}]).encode())
    while rest > 65_000:
        rows.append({"Id": mark, "Extra_CF": "x" * 30_000})
        rest = size - len(json.dumps([*rows, {"Id": mark, "Extra_CF": ""}]).encode())
    body = json.dumps([*rows, {"Id": mark, "Extra_CF": "x" * rest}]).encode()
    assert len(body) == size
    return body


def test_rows_are_stored_and_found(clients: Any, mark: str) -> None:
    clients.ingestion.upload(clients.workspace.dcr_id, "Custom-Other", [{"Id": mark}, {"Id": mark}])
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[2]]


def test_every_type_arrives(clients: Any, mark: str) -> None:
    row = {
        "TimeGenerated": ago(hours=1),
        "Id": mark,
        "Count": -(2**31),
        "Bytes": 2**63 - 1,
        "Score": 0.25,
        "Ok": True,
        "Seen": "2020-01-02T03:04:05.1234567+02:00",
        "More": {"a": [1, "zwei"]},
        "Key": "74be27de-1e4e-49d9-b579-fe0b331d3642",
    }
    clients.send([row])
    columns = "TimeGenerated, Count, Bytes, Score, Ok, Seen, second=tostring(More.a[1]), Key"
    [[time, *rest]] = clients.ask(f"Typed_CL | where Id == '{mark}' | project {columns}")
    assert time == datetime.fromisoformat(row["TimeGenerated"])
    seen = datetime(2020, 1, 2, 1, 4, 5, 123456, tzinfo=UTC)
    assert rest == [-(2**31), 2**63 - 1, 0.25, True, seen, "zwei", row["Key"]]


def test_system_columns_are_filled(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark, "Count": 1}])
    row = clients.ask(
        f"Typed_CL | where Id == '{mark}' | project TenantId, Type, SourceSystem, _IsBillable, _BilledSize"
    )
    assert row == [[clients.workspace.workspace_id, "Typed_CL", "RestAPI", "true", len(mark) + 16.0]]


def test_wrong_types_become_null_and_missing_text_is_empty(clients: Any, mark: str) -> None:
    before = clients.workspace.stats()["changes"].get("values_nulled", 0)
    bad = {"Count": "7", "Bytes": 1.5, "Score": "x", "Ok": "true", "Seen": 5}
    clients.send([{"Id": mark, **bad}, {"Id": mark, "Count": 2**31, "Bytes": 2**63, "Score": None, "Ok": 1}])
    rows = clients.ask(f"Typed_CL | where Id == '{mark}' | project Count, Bytes, Score, Ok, Seen, Extra_CF")
    assert rows == [[None, None, None, None, None, ""]] * 2
    assert clients.workspace.stats()["changes"]["values_nulled"] - before == 8


def test_text_columns_keep_other_values_as_text(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark, "Extra_CF": {"a": 1}}, {"Id": mark, "Extra_CF": 5}])
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | sort by Extra_CF asc | project Extra_CF") == [
        ["5"],
        ['{"a":1}'],
    ]


def test_unreadable_instants_become_null(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark, "Seen": text} for text in ("yesterday", "", "2026-13-01T00:00:00Z", "2026-11-01")])
    rows = clients.ask(f"Typed_CL | where Id == '{mark}' | where isnotnull(Seen) | project Seen")
    assert rows == [[datetime(2026, 11, 1, tzinfo=UTC)]]


def test_unknown_columns_are_dropped_and_counted(clients: Any, mark: str) -> None:
    before = clients.workspace.stats()["changes"].get("values_dropped", 0)
    clients.send([{"Id": mark, "Nope": 1, "id": "case counts"}, {"Id": mark}])
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[2]]
    assert clients.workspace.stats()["changes"]["values_dropped"] - before == 2


def test_long_fields_are_cut_at_64_kb_and_whole_characters(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark, "Extra_CF": "é" * 40_000}, {"Id": mark, "Extra_CF": "x" * 65_536}])
    rows = clients.ask(f"Typed_CL | where Id == '{mark}' | project Extra_CF")
    assert sorted(row[0] for row in rows) == ["x" * 65_536, "é" * 32_768]


@pytest.mark.parametrize("age", [timedelta(days=2, minutes=1), timedelta(days=-1, minutes=-1), None])
def test_times_out_of_bounds_become_the_time_of_receipt(clients: Any, mark: str, age: timedelta | None) -> None:
    sent = datetime.now(UTC)
    clients.send([{"Id": mark} | ({"TimeGenerated": (sent - age).isoformat()} if age else {})])
    [[stored]] = clients.ask(f'Typed_CL | where Id == "{mark}" | project TimeGenerated')
    assert sent <= stored <= datetime.now(UTC)


@pytest.mark.parametrize("age", [timedelta(days=2, minutes=-1), timedelta(hours=-23)])
def test_times_in_bounds_are_kept(clients: Any, mark: str, age: timedelta) -> None:
    time = datetime.now(UTC) - age
    clients.send([{"Id": mark, "TimeGenerated": time.isoformat()}])
    assert clients.ask(f'Typed_CL | where Id == "{mark}" | project TimeGenerated') == [[time]]


def test_the_limit_counts_bytes_on_the_wire(clients: Any, mark: str) -> None:
    clients.send(sized_body(CALL_LIMIT, mark), zipped=False)
    status, code, message, _ = clients.refused(sized_body(CALL_LIMIT + 1, mark), zipped=False)
    assert (status, code) == (413, "ContentLengthLimitExceeded")
    assert "Maximum allowed content length: 1048576 bytes" in message
    assert f"{CALL_LIMIT + 1} bytes" in message
    clients.workspace.set_faults(wire_limit=False, raw_limit=False)
    clients.send(sized_body(CALL_LIMIT + 1, mark), zipped=False)


def test_the_limit_counts_uncompressed_bytes(clients: Any, mark: str) -> None:
    clients.send(sized_body(CALL_LIMIT, mark))
    assert clients.refused(sized_body(CALL_LIMIT + 1, mark))[:2] == (413, "ContentLengthLimitExceeded")
    clients.workspace.set_faults(raw_limit=False)
    clients.send(sized_body(3 * CALL_LIMIT, mark))
    assert clients.workspace.stats()["largest_raw_bytes"] >= 3 * CALL_LIMIT


def test_a_body_over_50_mib_is_lost_after_the_204(clients: Any, mark: str) -> None:
    clients.workspace.set_faults(raw_limit=False)
    clients.send(b"[" + b" " * (51 << 20) + b"]", headers={"x-ms-client-request-id": mark})
    [[message]] = clients.ask(f"DCRLogErrors | where ClientRequestId == '{mark}' | project Message")
    assert "PayloadSizeLimitExceeded" in message


@pytest.mark.parametrize(
    "body",
    [b"", b"[{]", b'[{"Id": NaN}]', b'[{"Id": "\xff"}]', b'[{"Id": "x"}', b"[" * 100_000, b'"text"', b"17", b"null"],
)
def test_malformed_json_is_400(clients: Any, body: bytes) -> None:
    status, code, message, _ = clients.refused(body)
    assert (status, code) == (400, "InvalidPayload")
    assert "malformed JSON" in message


@pytest.mark.parametrize("cut", [lambda data: data[:-9], lambda data: data[:20], lambda data: data[:-4] + b"0000"])
def test_broken_gzip_is_400(clients: Any, cut) -> None:
    body = cut(gzip.compress(json.dumps([{"Id": "broken"}] * 50).encode()))
    assert clients.refused(body, zipped=False)[:2] == (400, "InvalidPayload")


def test_gzip_of_several_members(clients: Any, mark: str) -> None:
    members = gzip.compress(b"[") + gzip.compress(json.dumps({"Id": mark}).encode() + b"]")
    clients.send(members, zipped=False)
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[1]]


def test_a_bare_object_is_accepted_and_never_seen(clients: Any, mark: str) -> None:
    clients.send({"Id": mark}, headers={"x-ms-client-request-id": mark})
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[0]]
    assert clients.ask(f"DCRLogErrors | where ClientRequestId == '{mark}' | project InputStreamId") == [
        ["Custom-Typed_CL"]
    ]


def test_elements_that_are_no_objects_are_dropped_and_reported(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark}, 5, None, ["x"]], headers={"x-ms-client-request-id": mark})
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[1]]
    assert "3 elements" in clients.ask(f"DCRLogErrors | where ClientRequestId == '{mark}' | project Message")[0][0]


def test_unknown_dcr_and_stream_are_404(clients: Any) -> None:
    status, code, message, _ = clients.refused([], dcr="dcr-ffffffffffffffffffffffffffffffff")
    assert (status, code) == (404, "NotFound")
    assert "dcr-ffff" in message
    status, code, message, _ = clients.refused([], stream="Custom-Nope")
    assert (status, code) == (404, "InvalidStream")
    assert "Custom-Nope" in message


def test_without_the_role_it_is_403(clients: Any) -> None:
    clients.workspace.set_faults(forbid_ingestion=True)
    status, code, message, _ = clients.refused([{"Id": "x"}])
    assert (status, code) == (403, "OperationFailed")
    assert "does not have access to ingest data for the data collection rule with immutable Id" in message


def test_too_many_requests_are_429_with_retry_after(clients: Any, mark: str) -> None:
    clients.workspace.set_faults(requests_per_minute=2)
    clients.send([], dcr="dcr-requests")
    clients.send([], dcr="dcr-requests")
    status, code, _, headers = clients.refused([{"Id": mark}], dcr="dcr-requests")
    assert (status, code) == (429, "TooManyRequests")
    assert 0 < int(headers["Retry-After"]) <= 60
    clients.workspace.set_faults(rate_window_seconds=0)  # the minute is over
    clients.send([{"Id": mark}], dcr="dcr-requests")


def test_too_many_bytes_are_429(clients: Any, mark: str) -> None:
    row = {"Id": mark, "Extra_CF": "x" * 5_000}
    clients.workspace.set_faults(bytes_per_minute=10_000)
    clients.send([row], dcr="dcr-bytes")
    assert clients.refused([row], dcr="dcr-bytes")[0] == 429
    clients.send([], dcr="dcr-bytes")
    clients.send([row], dcr="dcr-requests")  # another DCR has a limit of its own


def test_auxiliary_tables_span_30_minutes_at_most(clients: Any, mark: str) -> None:
    end = datetime.now(UTC)
    rows = [{"Id": mark, "TimeGenerated": (end - timedelta(minutes=m)).isoformat()} for m in (0, 12, 30)]
    clients.send(rows, "Cheap_CL")
    late = {"Id": mark, "TimeGenerated": (end - timedelta(minutes=30, microseconds=1)).isoformat()}
    assert clients.refused([*rows, late], "Cheap_CL")[:2] == (400, "RecordsTimeRangeIsMoreThan30Minutes")
    clients.send([*rows, late])  # an Analytics table does not mind


def test_auxiliary_tables_take_nested_values_in_dynamic_columns_only(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark, "More": {"a": 1}}], "Cheap_CL")
    status, _, message, _ = clients.refused([{"Id": {"a": 1}}], "Cheap_CL")
    assert status == 400
    assert "malformed JSON" in message


def test_injected_answers_with_and_without_retry_after(clients: Any) -> None:
    clients.workspace.set_faults(
        respond=[{"status": 429, "retry_after": 7}, {"status": 429}, {"status": 502, "stream": "Custom-Other"}]
    )
    assert clients.refused([])[3]["Retry-After"] == "7"
    assert "Retry-After" not in clients.refused([])[3]
    clients.send([])
    assert clients.refused([], stream="Custom-Other")[0] == 502


def test_a_lost_response_has_stored_its_rows(clients: Any, mark: str) -> None:
    clients.workspace.set_faults(store_then_disconnect_next=1)
    with pytest.raises(ServiceResponseError):
        clients.send([{"Id": mark}])
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[1]]


def test_a_dropped_connection_has_stored_nothing(clients: Any, mark: str) -> None:
    clients.workspace.set_faults(disconnect_next=1)
    with pytest.raises(ServiceResponseError):
        clients.send([{"Id": mark}])
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[0]]


def test_a_204_is_not_storage(clients: Any, mark: str) -> None:
    clients.workspace.set_faults(accept_then_drop_next=1)
    clients.send([{"Id": mark}], headers={"x-ms-client-request-id": mark})
    clients.send([{"Id": mark}])
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[1]]
    assert clients.ask(f"DCRLogErrors | where ClientRequestId == '{mark}' | count") == [[1]]


def test_rows_are_visible_after_the_ingestion_delay(clients: Any, mark: str) -> None:
    clients.workspace.set_faults(ingestion_delay_seconds=3600)
    clients.send([{"Id": mark}])
    clients.workspace.set_faults(ingestion_delay_seconds=0)
    clients.send([{"Id": f"{mark} too"}])
    assert clients.ask(f"Typed_CL | where Id startswith '{mark}' | project Id") == [[f"{mark} too"]]


def test_slow_answers_make_clients_time_out_although_rows_are_stored(clients: Any, mark: str) -> None:
    clients.workspace.set_faults(slow_seconds=5)
    with pytest.raises(ServiceResponseError):
        clients.send([{"Id": mark}], read_timeout=0.5)
    assert clients.ask(f"Typed_CL | where Id == '{mark}' | count") == [[1]]


def test_statistics_count_requests_by_status(workspace: LocalWorkspace, clients: Any) -> None:
    before = workspace.stats()
    clients.send([{"Id": "counted"}])
    clients.refused([], stream="Custom-Nope")
    after = workspace.stats()
    for status in ("204", "404"):
        was = before["requests"]["ingestion"].get(status, 0)
        assert after["requests"]["ingestion"][status] == was + 1
    assert after["rows"]["Typed_CL"] == before["rows"].get("Typed_CL", 0) + 1
    assert after["largest_wire_bytes"] > 0
