"""``s3sentinel score`` as people use it: every record is accounted for, whatever the files are called."""

import gzip
import json
import os

import polars as pl
import pytest

from s3sentinel_assets.cli import log_files, main
from s3sentinel_assets.cli.score import score_files
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA, OfflineScorer
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


def test_runs_into_one_folder_at_once_leave_a_whole_result(tmp_path, logs, monkeypatch):
    """The second run begins and ends while the first one is still writing."""
    whole = score_files([logs], tmp_path / "alone")
    out, told = tmp_path / "out", []
    results = OfflineScorer.results

    def with_another_run(scorer):
        for frame in results(scorer):
            yield frame
            if not told:
                told.append("begins")
                told.append(score_files([logs], out))

    monkeypatch.setattr(OfflineScorer, "results", with_another_run)
    first = score_files([logs], out)
    assert first.run.events == told[1].run.events == 6
    assert pl.read_parquet(out / "scores.parquet").equals(pl.read_parquet(whole.file))
    assert [file.name for file in out.iterdir()] == ["scores.parquet"]


@pytest.mark.parametrize("content", [gzip.compress(trail(*calls(10, 0, 1, 2))), trail(*calls(10, 0, 1, 2))])
def test_what_comes_through_a_pipe_is_scored_like_a_file(capsys, tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    read_end, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    code, told = summary(capsys, f"/dev/fd/{read_end}", "--output", tmp_path / "one")
    os.close(read_end)
    summary(capsys, tmp_path / "file", "--output", tmp_path / "two")
    assert (code, told["events"], told["records"]) == (0, 3, 3)
    one, two = (pl.read_parquet(tmp_path / name / "scores.parquet") for name in ("one", "two"))
    assert one.equals(two)


def test_linked_folders_are_read_and_each_folder_once(capsys, tmp_path, logs):
    apart = tmp_path / "apart"
    apart.mkdir()
    (apart / "d.json").write_bytes(trail(*calls(13, 8, 9)))
    (logs / "Linked").symlink_to(apart)
    (logs / "again").symlink_to(apart)
    (apart / "round").symlink_to(logs)
    code, told = summary(capsys, logs, "--output", tmp_path / "out")
    assert (code, told["events"], told["records"], told["unread"]) == (0, 8, 12, [])


def test_folders_that_cannot_be_read_and_links_to_nowhere_are_named(capsys, tmp_path, logs, monkeypatch):
    closed = logs / "closed"
    closed.mkdir()
    (closed / "d.json").write_bytes(trail(*calls(13, 8, 9)))
    (logs / "nowhere.json").symlink_to(tmp_path / "nowhere")
    for name in ("scandir", "listdir"):
        real = getattr(os, name)

        def denied(path, real=real):
            if path == closed:
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(log_files.os, name, denied)
    code, told = summary(capsys, logs, "--output", tmp_path / "out")
    assert (code, told["events"]) == (1, 6)
    assert told["unread"] == [str(closed), str(logs / "nowhere.json")]
    _, out, _ = run(capsys, logs, "--output", tmp_path / "out")
    assert f"{closed}: no permission to read it" in " ".join(out.split())


@pytest.mark.parametrize("write", ["parquet", "ndjson"])
@pytest.mark.parametrize("bad", ["file", "below a file", "name taken"])
def test_an_output_that_cannot_be_written_is_noticed_before_anything_is_read(tmp_path, logs, monkeypatch, write, bad):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    output = {"file": taken, "below a file": taken / "out", "name taken": tmp_path / "out"}[bad]
    if bad == "name taken":
        (output / f"scores.{write}").mkdir(parents=True)

    def unexpected(*_, **__):
        raise AssertionError("files are looked for")

    monkeypatch.setattr(log_files, "find_files", unexpected)
    with pytest.raises(UserError, match=r"is a file|is a folder|cannot be written"):
        score_files([logs], output, write=write)
    assert taken.read_text() == "mine"


def test_results_of_earlier_runs_are_left_out_wherever_they_lie(capsys, tmp_path, logs):
    for place, write in (("old/deep", "parquet"), ("older", "ndjson")):
        run(capsys, logs, "--output", logs / place, "--write", write)
    (logs / "older" / "scores.ndjson").rename(logs / "older" / "renamed.json")
    code, out, err = run(capsys, logs, "--output", tmp_path / "out", "--json")
    told = json.loads(out)
    assert (code, told["events"], told["records"], told["unread"]) == (0, 6, 10, [])
    for file in (logs / "old" / "deep" / "scores.parquet", logs / "older" / "renamed.json"):
        assert f"note: {file}: left out, it holds results of an earlier run" in err
    code, _, err = run(capsys, logs / "old", "--output", tmp_path / "out")
    assert (code, "nothing but earlier results" in " ".join(err.split())) == (1, True)


def test_logs_that_only_begin_like_results_are_scored(capsys, tmp_path):
    line = b'{"event_id": "%d", "time": "2026-11-23T10:00:00Z", "msg": "started"}\n'
    (tmp_path / "app.json").write_bytes(b"".join(line.replace(b": ", b":") % number for number in range(5)))
    code, told = summary(capsys, tmp_path / "app.json", "--output", tmp_path / "out")
    assert (code, told["records"]) == (0, 5)


def test_results_of_the_other_kind_stay_and_are_named(capsys, tmp_path, logs):
    _, _, err = run(capsys, logs, "--output", tmp_path / "out")
    assert "note" not in err
    _, _, err = run(capsys, logs, "--output", tmp_path / "out", "--write", "ndjson")
    assert f"note: {tmp_path / 'out' / 'scores.parquet'}: is of an earlier run and was left as it is" in err
