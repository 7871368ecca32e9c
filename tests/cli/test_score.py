"""``s3sentinel score`` as people use it: every record is accounted for, whatever the files are called."""

import gzip
import json

import polars as pl
import pytest

from s3sentinel_assets.cli import main
from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA
from tests.formats.parsing import record, trail

FLOW = b"2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK\n"


def run(capsys, *arguments):
    """Exit code, stdout and stderr of a run."""
    with pytest.raises(SystemExit) as ended:
        main(["score", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def summary(capsys, *arguments):
    """Exit code and summary of a run with ``--json``."""
    code, out, _ = run(capsys, *arguments, "--json")
    return code, json.loads(out)


def calls(hour, *numbers):
    """CloudTrail records of one hour."""
    return [record(number, eventTime=f"2026-11-23T{hour:02d}:00:{number % 60:02d}Z") for number in numbers]


@pytest.fixture
def logs(tmp_path):
    """Three hours in three files, the last of which is a plain copy of the first under another name."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.json.gz").write_bytes(gzip.compress(trail(*calls(10, 0, 1, 2), *calls(12, 7)), mtime=0))
    (folder / "b.json").write_bytes(trail(*calls(11, 3, 4)))
    (folder / "c.json.gz").write_bytes((folder / "a.json.gz").read_bytes())
    return folder


def test_one_row_for_each_event_in_time_order(capsys, tmp_path, logs):
    code, told = summary(capsys, logs, "--output", tmp_path / "out")
    rows = pl.read_parquet(tmp_path / "out" / "scores.parquet")
    assert code == 0
    assert dict(rows.schema) == RESULT_SCHEMA
    assert rows["time"].is_sorted()
    assert rows["event_id"].n_unique() == rows.height == 6
    assert rows["principal"].unique().to_list() == ["111122223333/alice"]
    for column in ("score", "priority", "confidence", "pattern", "action"):
        assert rows[column].null_count() == 0
    # Alice has no history: everything about her is new, and the flags say so.
    assert rows["flags"].str.contains("cold_start").all()
    assert told["output"] == str(tmp_path / "out" / "scores.parquet")
    assert told["hours"] == 3
    assert told["formats"] == {"cloudtrail": 6}
    assert sum(told["priorities"].values()) == 6


def test_copies_and_rejects_are_counted(capsys, tmp_path, logs):
    (logs / "d.json").write_bytes(trail(*calls(11, 3), 5))
    code, told = summary(capsys, logs, "--output", tmp_path / "out")
    assert code == 0
    assert (told["events"], told["duplicates"], told["rejected"]) == (6, 5, 1)
    assert told["events"] + told["duplicates"] + told["rejected"] == told["records"] == 12


def test_names_of_files_make_no_difference(capsys, tmp_path, logs):
    flow = tmp_path / "flow.log"
    flow.write_bytes(FLOW * 2 + FLOW.replace(b" 443 ", b" 22 "))
    other = tmp_path / "renamed"
    (other / "deep").mkdir(parents=True)
    for file, name in zip([*sorted(logs.iterdir()), flow], ("z.json.gz", "deep/y.json", "x.gz", "a.log"), strict=True):
        (other / name).write_bytes(file.read_bytes())
    _, one = summary(capsys, logs, flow, "--output", tmp_path / "one")
    _, two = summary(capsys, other, "--output", tmp_path / "two")
    first, second = (pl.read_parquet(tmp_path / name / "scores.parquet") for name in ("one", "two"))
    assert first.equals(second)
    assert one | {"output": ""} == two | {"output": ""}
    assert one["formats"]["vpc_flow"] == 3  # equal lines of one file are no copies


def test_ndjson_holds_the_same_rows_as_parquet(capsys, tmp_path, logs):
    run(capsys, logs, "--output", tmp_path / "out")
    run(capsys, logs, "--output", tmp_path / "out", "--write", "ndjson")
    rows = pl.read_parquet(tmp_path / "out" / "scores.parquet")
    read = pl.read_ndjson(tmp_path / "out" / "scores.ndjson", schema=RESULT_SCHEMA | {"time": pl.String()})
    assert read.with_columns(pl.col("time").str.to_datetime(time_unit="us", time_zone="UTC")).equals(rows)


def test_results_of_an_earlier_run_are_no_logs(capsys, tmp_path, logs):
    _, one = summary(capsys, logs, "--output", logs)
    first = pl.read_parquet(logs / "scores.parquet")
    code, two = summary(capsys, logs, "--output", logs)
    assert code == 0
    assert one == two
    assert pl.read_parquet(logs / "scores.parquet").equals(first)


def test_a_truncated_file_is_named_and_its_readable_events_are_scored(capsys, tmp_path, logs):
    whole = trail(*calls(13, *range(20)))
    (logs / "cut.json").write_bytes(whole[: len(whole) // 2])
    code, told = summary(capsys, logs, "--output", tmp_path / "out")
    assert code == 0  # it was read as far as it goes, and that is said
    assert told["partly_read"] == [str(logs / "cut.json")]
    assert 6 < told["events"] < 26
    assert told["rejected"] == 1
    _, out, _ = run(capsys, logs, "--output", tmp_path / "out")
    assert "was read in part" in out
    assert "cut.json" in out


def test_a_file_nobody_can_read_gives_exit_code_1_and_its_name(capsys, tmp_path, logs):
    (logs / "notes.txt").write_bytes(b"\x00\x01\x02 neither log nor text \xff")
    code, told = summary(capsys, logs, "--output", tmp_path / "out")
    assert code == 1
    assert told["unread"] == [str(logs / "notes.txt")]
    assert told["events"] == 6  # the others are scored all the same
    code, out, _ = run(capsys, logs, "--output", tmp_path / "out")
    assert code == 1
    assert "could not be read" in out
    assert "notes.txt" in out


def test_an_empty_folder_is_one_sentence(capsys, tmp_path):
    (tmp_path / "nothing").mkdir()
    code, out, err = run(capsys, tmp_path / "nothing", "--output", tmp_path / "out")
    assert code != 0
    assert "the folder holds no file" in " ".join((out + err).split())
    assert not (tmp_path / "out" / "scores.parquet").exists()


def test_nothing_appears_when_a_model_is_missing(capsys, tmp_path, logs):
    out = tmp_path / "out"
    run(capsys, logs, "--output", out)
    before = (out / "scores.parquet").read_bytes()
    (tmp_path / "models").mkdir()
    code, _, err = run(capsys, logs, "--output", out, "--models", tmp_path / "models")
    assert code != 0
    assert "rarity_cloudtrail.json" in "".join(err.split())
    assert (out / "scores.parquet").read_bytes() == before
    assert [file.name for file in out.iterdir()] == ["scores.parquet"]


def test_the_summary_in_words_has_figures_and_file(capsys, tmp_path, logs):
    code, out, _ = run(capsys, logs, "--output", tmp_path / "out")
    said = " ".join(out.split())
    assert code == 0
    assert "6 events of 3 hours (cloudtrail 6)" in said
    assert "4 copies of other events, left out" in said


def test_a_format_that_cannot_be_scored_gets_rows_all_the_same(capsys, tmp_path):
    file = tmp_path / "app.log"
    file.write_text("".join(f"level=info ts=2026-11-23T10:00:{n:02d}Z msg=started port={n}\n" for n in range(20)))
    code, told = summary(capsys, file, "--output", tmp_path / "out")
    rows = pl.read_parquet(tmp_path / "out" / "scores.parquet")
    assert code == 0
    assert rows.height == told["events"] == 20
    assert rows["pattern"].n_unique() < 20  # numbers are values, not structure
    assert set(rows["priority"]) <= {"low", "medium", "unknown"}
