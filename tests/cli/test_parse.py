"""``s3sentinel parse`` as people use it."""

import gzip
import json
import os

import polars as pl
import pytest

from s3sentinel_assets.cli import main
from s3sentinel_assets.formats import format_names
from tests.formats.parsing import record, trail

FLOW = b"2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK\n"


def run(capsys, *arguments):
    """Exit code, stdout and stderr of a run."""
    with pytest.raises(SystemExit) as ended:
        main(["parse", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def objects(out):
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def trail_file(tmp_path):
    file = tmp_path / "trail.json.gz"
    file.write_bytes(gzip.compress(trail(record(0), record(1), 5)))
    return file


@pytest.fixture
def flow_file(tmp_path):
    file = tmp_path / "flow with space é+%.log"
    file.write_bytes(FLOW * 3 + b"bad line\n")
    return file


def test_json_gives_one_object_for_each_file(capsys, trail_file, flow_file):
    code, out, err = run(capsys, trail_file, flow_file, "--json")
    first, second = objects(out)
    assert code == 0
    assert err == ""
    assert (first["path"], first["format"], first["table"]) == (str(trail_file), "cloudtrail", "AWSCloudTrail")
    assert (first["records"], first["rows"], first["rejected_count"], first["state"]) == (3, 2, 1, "read")
    assert first["rejected"][0] | {"detail": ""} == {
        "position": 2,
        "offset": len(trail(record(0), record(1))) - 1,
        "reason": "not_an_object",
        "detail": "",
    }
    assert second["rejected_by_reason"] == {"field_count": 1}


def test_the_list_of_rejects_is_capped_and_counted(capsys, tmp_path):
    file = tmp_path / "bad.log"
    file.write_bytes(FLOW + b"bad\n" * 1_000)
    code, out, _ = run(capsys, file, "--json")
    (found,) = objects(out)
    assert code == 0
    assert (len(found["rejected"]), found["rejected_count"], found["rejected_by_reason"]) == (
        100,
        1_000,
        {"field_count": 1_000},
    )


def test_the_table_names_files_and_reasons(capsys, trail_file, flow_file):
    code, out, _ = run(capsys, trail_file, flow_file)
    assert code == 0
    assert "cloudtrail" in out
    assert "1 × field_count (first: record 3)" in out
    assert "2 files, 7 records: 5 rows, 2 rejected" in out


def test_ndjson_output(capsys, tmp_path, trail_file, flow_file):
    output = tmp_path / "rows.ndjson"
    run(capsys, trail_file, flow_file, "-o", output)
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == 5
    assert rows[0]["EventName"] == "GetObject"
    assert rows[0]["TimeGenerated"] == rows[0]["EventTime_CF"] == "2026-11-23T10:00:00.000000Z"
    assert rows[0]["EventId_CF"] == "111122223333:e-0"
    assert json.loads(rows[0]["RequestParameters"]) == record(0)["requestParameters"]
    assert not any(name.startswith("_") for row in rows for name in row)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([trail_file.name, flow_file.name, "rows.ndjson"])


def test_parquet_output_of_one_table_and_of_two(capsys, tmp_path, trail_file, flow_file):
    run(capsys, trail_file, "-o", tmp_path / "one.parquet")
    assert pl.read_parquet(tmp_path / "one.parquet")["AwsEventId"].to_list() == ["e-0", "e-1"]
    _, out, _ = run(capsys, trail_file, flow_file, "-o", tmp_path / "two.parquet")
    assert pl.read_parquet(tmp_path / "two.AWSVPCFlow.parquet")["Bytes"].to_list() == [500] * 3
    assert "two.AWSCloudTrail.parquet" in out
    assert not list(tmp_path.glob(".*"))


def test_output_without_rows_is_an_empty_file(capsys, tmp_path):
    empty = tmp_path / "empty.log"
    empty.touch()
    for name in ("none.ndjson", "none.parquet"):
        code, _, _ = run(capsys, empty, "-o", tmp_path / name)
        assert code == 0
        assert (tmp_path / name).exists()


def test_folders_are_searched(capsys, tmp_path, trail_file):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "x.log").write_bytes(FLOW)
    (tmp_path / ".hidden").write_bytes(b"junk")
    code, out, _ = run(capsys, tmp_path, trail_file, "--json")
    assert code == 0
    assert [found["path"] for found in objects(out)] == [str(inner / "x.log"), str(trail_file)]


def test_an_unreadable_file_makes_the_exit_code_1_and_stops_nothing(capsys, tmp_path, flow_file):
    garbage = tmp_path / "garbage.bin"
    garbage.write_bytes(bytes(range(256)))
    code, out, _ = run(capsys, garbage, flow_file, "--json")
    assert code == 1
    assert [found["state"] for found in objects(out)] == ["unreadable", "read"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_denied(capsys, flow_file):
    flow_file.chmod(0)
    code, out, _ = run(capsys, flow_file, "--json")
    assert code == 1
    assert objects(out)[0]["state"] == "denied"


def test_linked_folders_are_read_once_and_links_to_nowhere_are_named(capsys, tmp_path, trail_file):
    folder, apart = tmp_path / "logs", tmp_path / "apart"
    for made in (folder, apart):
        made.mkdir()
    trail_file.rename(apart / "trail.json.gz")
    (folder / "linked").symlink_to(apart)
    (apart / "round").symlink_to(folder)
    code, out, _ = run(capsys, folder, "--json")
    assert (code, [found["path"] for found in objects(out)]) == (0, [str(folder / "linked" / "trail.json.gz")])
    (folder / "zz.json").symlink_to(tmp_path / "nowhere")
    code, out, _ = run(capsys, folder, "--json")
    assert (code, [found["state"] for found in objects(out)]) == (1, ["read", "vanished"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_denied(capsys, tmp_path, trail_file):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    code, out, _ = run(capsys, tmp_path, "--json")
    closed.chmod(0o700)
    assert (code, [found["state"] for found in objects(out)]) == (1, ["denied", "read"])


def test_a_truncated_file_is_partly_read_and_no_failure(capsys, tmp_path, trail_file):
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(trail_file.read_bytes()[:-20])
    code, out, _ = run(capsys, cut, "--json")
    assert code == 0
    assert objects(out)[0]["state"] == "partly_read"


def test_explain_names_the_formats_considered_those_that_are_possible_to_people(capsys, flow_file):
    _, out, _ = run(capsys, flow_file, "--json", "--explain")
    detection = objects(out)[0]["detection"]
    assert detection["format"] == "vpc_flow"
    assert sorted(entry["format"] for entry in detection["considered"]) == format_names()
    _, out, _ = run(capsys, flow_file, "--explain")
    assert "vpc_flow 0." in out
    assert "lines have the default 14 fields" in out
    assert "it is not JSON" not in out


def test_a_named_format_is_not_guessed(capsys, flow_file):
    code, out, _ = run(capsys, flow_file, "--format", "cloudtrail", "--json")
    assert code == 1
    assert objects(out)[0]["rejected"][0]["reason"] == "not_cloudtrail"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["missing.log"], 1, "missing.log: there is no such file or folder"),
        (["f.log", "--format", "nope"], 2, "unknown format 'nope'; known formats: auto, alb, "),
        (["f.log", "-o", "rows.csv"], 1, "rows.csv: the output must end in"),
        (["f.log", "-o", "no/such/rows.ndjson"], 1, "rows.ndjson: cannot be written (No such file or directory)"),
        (["f.log", "-o", "no/such/rows.parquet"], 1, "rows.parquet: cannot be written (No such file or directory)"),
        (["f.log", "-o", "folder.ndjson"], 1, "folder.ndjson: is a folder"),
        (["empty"], 1, "empty: the folder holds no file"),
    ],
)
def test_mistakes_give_one_clear_sentence(capsys, tmp_path, monkeypatch, arguments, code, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.log").write_bytes(FLOW)
    (tmp_path / "folder.ndjson").mkdir()
    (tmp_path / "empty").mkdir()
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_failure_leaves_no_output_behind(capsys, tmp_path, monkeypatch, flow_file):
    from s3sentinel_assets.formats import PartParser

    def broken(self, inputs):
        raise RuntimeError("defect")
        yield

    monkeypatch.setattr(PartParser, "frames", broken)
    for name in ("x.ndjson", "x.parquet"):
        with pytest.raises(RuntimeError, match="defect"):
            main(["parse", str(flow_file), "-o", str(tmp_path / name)])
    assert [file.name for file in tmp_path.iterdir()] == [flow_file.name]


def test_no_terminal_obeys_a_file_name(capsys, tmp_path):
    file = tmp_path / "a\x1b[2J\x9bé\udcff.log"
    file.write_bytes(FLOW)
    _, out, _ = run(capsys, file, "--json")
    assert out.replace("\n", "").isprintable()
    assert objects(out)[0]["path"] == str(file)
    _, out, _ = run(capsys, file)
    assert out.replace("\n", "").isprintable()
