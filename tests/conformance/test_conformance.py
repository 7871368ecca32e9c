"""The conformance command: published samples parse, and their fields are right."""

import json
from datetime import UTC, datetime

import pytest

from conformance.__main__ import all_cases, main
from conformance.model import Case, Expected
from conformance.run import run_case, same

#: Few cases each; `make conformance` runs all.
FOLDERS = ("alb", "elb_mixed_alb_clb_nlb", "guardduty", "leef", "network_firewall", "nlb", "s3_access", "tgw_flow")


def test_samples_parse_and_their_fields_are_right(shared_dir, capsys):
    samples = shared_dir / "data/formats"
    if not samples.is_dir():
        pytest.skip("no samples")
    code = main([*FOLDERS, "--samples", str(samples)])
    last = capsys.readouterr().out.splitlines()[-1]
    counts = dict(part.split("=") for part in last.removeprefix("conformance: ").split())
    assert code == 0
    assert counts["parsed"] == counts["cases"] != "0"
    assert counts["fields_right"] == counts["fields"] != "0"


def test_every_folder_of_samples_has_a_reader(shared_dir):
    samples = shared_dir / "data/formats"
    if not samples.is_dir():
        pytest.skip("no samples")
    not_logs = {"cloudtrail_digest", "s3_events"}
    folders = {entry.name for entry in samples.iterdir() if entry.is_dir()} - not_logs
    assert {folder for folder in folders if any(True for _ in all_cases(samples, {folder}))} == folders


def test_no_samples_is_said(tmp_path, capsys):
    assert main(["--samples", str(tmp_path / "none")]) == 2
    assert "no samples in" in capsys.readouterr().err


LINE = b"2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK\n"


def test_wrong_fields_formats_and_rows_are_told():
    fields = (Expected("bytes", "Bytes", "501"), Expected("packets", "Packets", 5), Expected("x", "SrcAddr", None))
    outcome = run_case(Case("c", "vpc_flow", LINE, records=2, expected=fields))
    assert (outcome.parsed, outcome.fields, outcome.right) == (False, 3, 1)
    assert outcome.problems == [
        "1 rows, not 2",
        "bytes: Bytes is 500, not '501'",
        "x: SrcAddr is '10.0.0.1', not None",
    ]
    assert "taken for vpc_flow, not alb" in run_case(Case("c", "alb", LINE)).problems
    assert not run_case(Case("c", "vpc_flow", LINE, valid=False)).parsed
    assert json.dumps(outcome.as_object(), default=str)


@pytest.mark.parametrize(
    ("found", "wanted", "equal"),
    [
        (80, "80", True),
        ("80", 80, True),
        ("0.000", 0.0, True),
        (None, "", True),
        (None, "x", False),
        ("x", None, False),
        (True, "true", True),
        ('{"a": [1]}', {"a": [1]}, True),
        ('{"a": [1]}', {"a": [2]}, False),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z", True),
        (datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600_000, True),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:01Z", False),
    ],
)
def test_values_are_the_same_whatever_their_types(found, wanted, equal):
    assert same(found, wanted) is equal
