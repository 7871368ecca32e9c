"""Reports on the parsed rows of an hour, over a real ledger and stage files: what fits, what adds up, what is new."""

import itertools
from dataclasses import asdict
from datetime import timedelta
from types import SimpleNamespace

import polars as pl
import pytest
import sqlalchemy as sa

from s3sentinel_assets.formats.frames import conform
from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.schema import objects, part, quarantine, stage
from s3sentinel_assets.ledger.shapes import record_shapes
from s3sentinel_assets.ledger.stages import StageFile
from s3sentinel_assets.pipeline import parsed_reports, shape_reports
from s3sentinel_assets.pipeline.shape import merged, shape_of

HOUR = "2026-11-20-13:00"
START = hour_start(HOUR)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    opened = Ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}")
    yield opened
    opened.close()


class Source:
    """A source of its own in the shared ledger, whose parts are written as parsing would."""

    def __init__(self, ledger, folder):
        self.name = f"source{next(_numbers)}"
        self.ledger, self.folder = ledger, folder
        self.runtime = SimpleNamespace(ledger=ledger, store=SimpleNamespace(path=lambda uri: folder / uri))

    def report(self, what, hour=HOUR):
        module = parsed_reports if hasattr(parsed_reports, what) else shape_reports
        return getattr(module, what)(self.runtime, self.name, hour)

    def part(self, *files, hour=HOUR, rejected=0, change=lambda frame: frame, **differs):
        """Parses a part of one object into some (format, table, frame of raw columns) with ``rejected`` more records.

        ``change`` is done to the frames before they are written; ``differs``: what the ledger says of the object.
        """
        rows = sum(frame.height for _, _, frame in files)
        numbers = {"records": rows + rejected, "rows": rows, "quarantined": rejected, "filtered": 0} | differs
        entry = {"source": self.name, "hour": hour}
        with self.ledger.write() as connection:
            part_id = connection.execute(
                sa.insert(part).values(**entry, created_at=0, late=False, objects=1, bytes=1).returning(part.c.id)
            ).scalar_one()
            object_id = connection.execute(
                sa.insert(objects)
                .values(**entry, **numbers, bucket="b", key=f"k/{part_id}.log", version="v", etag="e", size=1)
                .values(last_modified=0, discovered_at=0, state="read", part_id=part_id, position=0)
                .returning(objects.c.id)
            ).scalar_one()
        shapes, named = [], []
        for log_format, table, raw in files:
            frame = _rows(table, raw, object_id)
            shapes.append(shape_of(log_format, table, frame))
            named.append(self._file("rows", change(frame), format=log_format, table=table))
        if rejected:
            named.append(self._file("rejects", pl.DataFrame({"object_id": [object_id] * rejected})))
        made = {"stage": "parsed", "generation": 1, "code_version": "1", "counts": {}, "seconds": 1, "committed_at": 0}
        with self.ledger.write() as connection:
            stage_id = connection.execute(
                sa.insert(stage)
                .values(**made, part_id=part_id, files=[asdict(file) for file in named])
                .returning(stage.c.id)
            ).scalar_one()
            if rejected:
                connection.execute(
                    sa.insert(quarantine).values(
                        **entry,
                        part_id=part_id,
                        stage_id=stage_id,
                        object_id=object_id,
                        reason="r",
                        records=rejected,
                        first_position=0,
                        created_at=0,
                    )
                )
            record_shapes(
                connection, part_id=part_id, source=self.name, hour=hour, shapes=merged(shapes), now=self.ledger.now()
            )
        return named

    def _file(self, kind, frame, **more):
        uri = f"{kind}{next(_numbers)}"
        frame.write_parquet(self.folder / uri)
        return StageFile(kind, uri, "", 1, frame.height, **more)


def _rows(table, raw, object_id):
    placed = raw.with_columns(
        _object=pl.lit(object_id, dtype=pl.Int64),
        _ordinal=pl.int_range(pl.len(), dtype=pl.Int64),
        **({} if "_flags" in raw.columns else {"_flags": pl.lit(None, dtype=pl.String)}),
    )
    ids = pl.format("e{}", pl.int_range(pl.len()))
    own = {name: pl.col(name) for name in raw.columns if not name.startswith("_")}
    return conform(placed, table, {"TimeGenerated": pl.col("EventTime_CF"), "EventId_CF": ids, **own})


def flows(count, at=START, **columns):
    return pl.DataFrame(
        {"EventTime_CF": [at] * count, "SrcAddr": ["10.0.0.1"] * count, **columns},
        schema_overrides={"EventTime_CF": pl.Datetime("us", "UTC")},
    )


FLOWS, TRAIL = ("vpc_flow", "AWSVPCFlow"), ("cloudtrail", "AWSCloudTrail")


def trail(count, at=START):
    return flows(count, at).drop("SrcAddr")


@pytest.fixture
def source(ledger, tmp_path):
    return Source(ledger, tmp_path)


def test_parts_of_several_formats_and_tables_fit_them(source):
    source.part((*FLOWS, flows(3, ExtraFields_CF=['{"x":1}', None, None])), (*TRAIL, trail(2)), rejected=4)
    source.part((*FLOWS, flows(1)))
    schema, times, records = map(source.report, ("schema_report", "event_time_report", "records_report"))
    assert schema.passed
    assert schema.counts == {"files": 3, "rows": 6, "tables": "AWSVPCFlow, AWSCloudTrail"}
    assert times.passed
    assert (times.counts["rows"], times.counts["earliest"]) == (6, START.isoformat())
    assert records.passed, records.problems
    assert records.counts == {
        "objects": 2,
        "unread_objects": 0,
        "records": 10,
        "rows": 6,
        "quarantined": 4,
        "filtered": 0,
        "files": 4,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop("ExtraFields_CF"), None),
        (
            lambda frame: frame.with_columns(ExtraFields_CF=pl.lit(1, dtype=pl.Int64)),
            "AWSCloudTrail.ExtraFields_CF is Int64, not String",
        ),
        (
            lambda frame: frame.with_columns(RequestParameters=pl.struct(a=1)),
            "AWSCloudTrail.RequestParameters is Struct",
        ),
        (lambda frame: frame.with_columns(Mine_CF=1), "AWSCloudTrail has no column Mine_CF; it would be lost silently"),
        (lambda frame: frame.drop("EventTime_CF"), "column EventTime_CF of AWSCloudTrail is missing"),
        (lambda frame: frame.drop("AWSRegion"), "column AWSRegion of AWSCloudTrail is missing"),
    ],
    ids=["without", "number", "struct", "foreign", "no time", "no column"],
)
def test_columns_that_do_not_fit_the_table(source, change, words):
    source.part((*TRAIL, trail(2)), change=change)
    report = source.report("schema_report")
    assert report.passed is (words is None)
    assert words is None or [words in problem for problem in report.problems] == [True]


def test_old_and_future_times_are_told_by_table_and_findings_may_be_old(source, monkeypatch):
    monkeypatch.setitem(parsed_reports._LATE, "AWSVPCFlow", parsed_reports._LATE["AWSGuardDuty"])
    old = START - timedelta(days=2)
    source.part((*FLOWS, flows(3, old)), (*TRAIL, trail(2, old)), (*TRAIL, trail(1, START + timedelta(hours=3))))
    report = source.report("event_time_report")
    assert report.problems == [
        "2 rows of AWSCloudTrail are more than a day older than the hour they arrived in (late delivery?)",
        "1 rows of AWSCloudTrail are more than an hour newer than the hour they arrived in (wrong clock?)",
    ]
    assert (report.counts["too_old"], report.counts["from_the_future"]) == (2, 1)
    source.part((*FLOWS, flows(1, START - timedelta(days=91))))
    words = "1 rows of AWSVPCFlow are more than 90 days older than the hour they arrived in (late delivery?)"
    assert words in source.report("event_time_report").problems


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"records": 6}, "6 records read, but 3 rows + 2 quarantined + 0 filtered"),
        ({"rows": 2, "records": 4}, "2 rows by the ledger, 3 in the stage files"),
        ({"quarantined": 1, "filtered": 1}, "1 quarantined by the ledger, 2 by its entries, 2 in the stage files"),
        ({"records": None}, "its part is parsed, and nothing says what became of it"),
    ],
)
def test_an_object_that_does_not_add_up_is_named(source, differs, words):
    source.part((*FLOWS, flows(5)))
    source.part((*FLOWS, flows(3)), rejected=2, **differs)
    (problem,) = source.report("records_report").problems
    assert problem.startswith("k/")
    assert problem.endswith(words)


def test_rows_that_are_missing_or_of_nobody_and_files_that_are_gone(source):
    (file,) = source.part((*FLOWS, flows(3)))
    path = source.folder / file.uri
    written = pl.read_parquet(path)
    written[:2].write_parquet(path)
    assert [problem.split(".log: ")[-1] for problem in source.report("records_report").problems] == [
        f"{file.uri} holds 2 rows, the ledger says 3",
        "3 rows by the ledger, 2 in the stage files",
    ]
    written.with_columns(_object=pl.lit(-1, dtype=pl.Int64)).write_parquet(path)
    assert "3 rows are of object -1, which is in no part of the hour" in source.report("records_report").problems
    path.unlink()
    for name in ("schema_report", "event_time_report", "records_report"):
        report = source.report(name)
        assert not report.passed
        assert f"{file.uri} cannot be read" in report.problems[0]


def test_objects_that_are_not_parsed_yet_are_no_problem(source):
    with source.ledger.write() as connection:
        entry = {"source": source.name, "hour": HOUR}
        values = entry | {"created_at": 0, "late": False, "objects": 1, "bytes": 1}
        part_id = connection.execute(sa.insert(part).values(values).returning(part.c.id)).scalar_one()
        values = entry | {"bucket": "b", "key": "k", "version": "v", "etag": "e", "size": 1, "last_modified": 0}
        values |= {"discovered_at": 0, "state": "listed", "part_id": part_id, "position": 0}
        connection.execute(sa.insert(objects).values(values))
    report = source.report("records_report")
    assert (report.passed, report.counts["unread_objects"], report.counts["objects"]) == (True, 1, 0)


def test_a_new_field_is_told_with_a_sample_through_its_day_and_no_longer(source):
    yesterday, tomorrow = shift_hour(HOUR, -24), shift_hour(HOUR, 24)
    extra = ['{"known":1}', '{"known":1,"*new* field":"<b>"}']
    source.part((*FLOWS, flows(1, ExtraFields_CF=extra[:1])), hour=yesterday)
    assert source.report("shape_report", yesterday).passed
    assert source.report("shape_report", yesterday).counts == {"rows": 1, "history_hours": 0, "changes": 0}
    for hour in (shift_hour(HOUR, -1), HOUR, tomorrow):
        source.part((*FLOWS, flows(2, ExtraFields_CF=extra, _flags=["bad_DstPort=x", None])), hour=hour)
    report = source.report("shape_report")
    assert report.problems == [
        "vpc_flow in AWSVPCFlow: unknown field ?new? field is new, in 1 records",
        "vpc_flow in AWSVPCFlow: bad_DstPort is new, in 1 records: values that do not fit their column",
    ]
    assert report.counts["sample of ?new? field"] == '"<b>" (event e1)'
    assert report.counts["history_hours"] == 1
    assert source.report("shape_report", tomorrow).passed
    source.part((*TRAIL, trail(3)), hour=tomorrow)
    assert source.report("shape_report", tomorrow).problems == [
        "cloudtrail in AWSCloudTrail is new in this source: 3 rows"
    ]
    (first, second) = source.report("hour_shapes", tomorrow)
    assert (first.table, first.rows, second.table) == ("AWSVPCFlow", 2, "AWSCloudTrail")
    source.part((*FLOWS, flows(2, ExtraFields_CF=extra, _flags=["bad_DstPort=x", None])), hour=yesterday)  # late
    assert source.report("shape_report").passed


def test_a_column_that_is_null_more_often_or_always(source):
    for back in range(24):
        source.part((*FLOWS, flows(50, SrcPort=[1] * 50, VpcId=["v"] * 50)), hour=shift_hour("2026-11-19-23:00", -back))
    source.part((*FLOWS, flows(50, SrcPort=[1] * 20 + [None] * 30)))
    assert source.report("shape_report").problems == [
        "vpc_flow in AWSVPCFlow: column VpcId is empty in all 50 rows, was filled in 100.0% (24 earlier hours)"
    ]
    assert source.report("null_rate_report").problems == [
        "vpc_flow in AWSVPCFlow: column SrcPort was null in 0.0% of the rows, is in 60.0% of 50 (24 earlier hours)"
    ]


def test_an_hour_without_rows_has_nothing_to_tell(source):
    for name in ("schema_report", "event_time_report", "records_report", "shape_report", "null_rate_report"):
        assert source.report(name).passed
    assert source.report("hour_shapes") == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("userIdentity.arn", "userIdentity.arn"),
        ("<img src=x>[a](b)`*|", "?img src=x??a??b????"),
        ("\x1b[2J\x9b\u202e\n", "??2J???"),
        ("https://evil.example/a", "https?evil.example/a"),
        ("see WWW.evil.example", "see WWW?evil.example"),
        ("x" * 300, "x" * 200),
    ],
)
def test_names_from_logs_are_neither_markup_nor_links(text, shown):
    assert parsed_reports.plain(text) == shown
