"""The range of a billed query surely holds the rows, and no more than it must."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from s3sentinel_assets.ledger.stages import StageFile
from s3sentinel_assets.sentinel.time_range import merged, time_range
from s3sentinel_assets.store import Store

SENT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
BASE, TWIN = "AWSVPCFlow", "AWSVPCFlow_Auxiliary_CL"


@pytest.fixture
def span(tmp_path):
    store = Store(tmp_path)

    def made(times, table=TWIN, sent=(SENT, SENT)):
        """The range of rows with these times by table: hours before the sending."""
        files = []
        for ordinal, (name, hours) in enumerate(times.items()):
            moments = [None if back is None else SENT - back * HOUR for back in hours]
            frame = pl.DataFrame({"TimeGenerated": moments}, schema={"TimeGenerated": pl.Datetime("us", "UTC")})
            with store.create("x", ".parquet") as writer:
                frame.write_parquet(writer.path)
            assert writer.stored is not None
            uri = writer.stored.uri
            files.append(StageFile("rows", uri, "", 0, len(hours), ordinal, None, name))
        parsed = SimpleNamespace(files_of=lambda kind: files if kind == "rows" else [])
        start, end = time_range(store, parsed, table, *sent)
        return (start - SENT) / HOUR, (end - SENT) / HOUR

    return made


def test_it_reaches_from_the_first_event_to_the_last_sending(span):
    assert span({BASE: [5, 3, 2]}) == (-5, 1)
    assert span({BASE: [0.5]}) == (-1, 1)  # the clocks may differ
    assert span({BASE: [-3, 2]}) == (-2, pytest.approx(3, abs=0.001))  # an event from the future
    assert span({BASE: [5]}, sent=(SENT, SENT + 4 * HOUR)) == (-5, 5)


def test_what_the_service_dates_anew_is_at_the_time_of_receipt(span):
    assert span({BASE: [1_000, 72, None]}) == (-1, 1)
    assert span({BASE: [1_000, 47]}) == (-47, 1)
    assert span({BASE: [48.5]}) == (-48.5, 1)  # may have been in time by the other clock
    assert span({BASE: [-30, 2]}) == (-2, 1)


def test_rows_of_other_tables_do_not_widen_it(span):
    times = {BASE: [3], "AWSConfig_CL": [40]}
    assert span(times) == (-3, 1)
    assert span(times, "AWSConfig_CL") == (-40, 1)
    assert span(times, "Other_CL") == (-40, 1)  # whose rows these are is not known


def test_without_the_files_it_is_as_wide_as_the_rule(tmp_path):
    gone = StageFile("rows", "gone.parquet", "", 0, 1, 0, None, BASE)
    for parsed in (None, SimpleNamespace(files_of=lambda _: [gone]), SimpleNamespace(files_of=lambda _: [])):
        start, end = time_range(Store(tmp_path), parsed, TWIN, SENT, SENT)
        assert (start, end) == (SENT - 49 * HOUR, SENT + 25 * HOUR + timedelta(seconds=1))


def test_only_ranges_that_lie_near_are_one():
    def at(first, last):
        return SENT + first * HOUR, SENT + last * HOUR

    found = merged([(at(400, 402), ["late"]), (at(1, 3), ["b"]), (at(0, 2), ["a"]), (at(3.5, 4), ["c"])])
    assert found == [(at(0, 4), ["a", "b", "c"]), (at(400, 402), ["late"])]
    assert merged([(at(0, 9), ["a"]), (at(1, 2), ["b"])]) == [(at(0, 9), ["a", "b"])]
    assert merged([]) == []
