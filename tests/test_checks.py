"""Verdicts: what passes, what warns, what is an error, and the words."""

from datetime import timedelta

import dagster as dg
import pytest

from s3sentinel_assets.checks import (
    check_accounting,
    check_delivered,
    check_integrity,
    check_listed,
    check_on_time,
    check_parsed,
)
from s3sentinel_assets.pipeline.proofs import CheckReport
from tests.stages import FakeStages, hour

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def delivered(account=None, found="same"):
    """Check name → evaluation of hour 0, whose 100 records were all accepted unless told otherwise."""
    stages = FakeStages()
    stages.accounts["cloudtrail", hour(0)] = account or {}
    if found != "same":
        stages.found["cloudtrail", hour(0)] = found
    return {evaluation.check_name: evaluation for evaluation in check_delivered(stages, "cloudtrail", hour(0))}


@pytest.mark.parametrize(
    ("account", "severity", "words"),
    [
        ({}, None, "complete: 100 records read = 100 accepted"),
        ({"records": 0, "rows": 0, "accepted": 0}, None, "complete: 0 records read = nothing to account for"),
        ({"filtered": 7, "records": 107}, None, "complete: 107 records read = 100 accepted + 7 filtered"),
        (
            {"quarantined": 2, "records": 102, "dead": 3, "accepted": 97},
            WARN,
            "complete with exceptions: 102 records read = 97 accepted + 3 dead letters + 2 quarantined",
        ),
        (
            {"refused_objects": 1},
            WARN,
            "complete with exceptions: 100 records read = 100 accepted; 1 objects are gone or denied",
        ),
        ({"accepted": 60}, WARN, "pending: 100 records read = 60 accepted + 40 pending"),
        ({"unread_objects": 2}, WARN, "pending: 100 records read = 100 accepted; 2 objects are not read yet"),
        (
            {"accepted": 40, "sealed": True},
            ERROR,
            "the hour is sealed and still incomplete: 100 records read = 40 accepted + 60 pending; materialise again",
        ),
        (
            {"accepted": 90, "unknown": 10, "sealed": True},
            WARN,
            "outcome unknown for 10 rows, the hourly sweep settles them: 100 records read = 90 accepted + 10 unknown",
        ),
        (
            {"filtered": 27, "filtered_by": {"health": 20}, "records": 127},
            None,
            "complete: 127 records read = 100 accepted + 27 filtered (20 by rule health)",
        ),
        (
            {"other_open": 2},
            WARN,
            ("pending: 100 records read = 100 accepted; 2 batches beside these rows (long texts, promoted events) are "
             "still open"),
        ),
        (
            {"other_open": 2, "unknown": 10, "accepted": 90, "sealed": True},
            WARN,
            ("pending: 100 records read = 90 accepted + 10 unknown; 2 batches beside these rows (long texts, promoted "
             "events) are still open"),
        ),
        (
            {"other_dead": 3},
            WARN,
            ("complete with exceptions: 100 records read = 100 accepted; 3 rows beside these (long texts, promoted "
             "events) were refused"),
        ),
        ({"records": 120}, ERROR, "unbalanced, records are unaccounted for: 120 records read = 100 accepted"),
        (
            {"accepted": 150},
            ERROR,
            "unbalanced, records are unaccounted for: 100 records read = 150 accepted + -50 pending",
        ),
    ],
)  # fmt: skip
def test_accounting(account, severity, words):
    evaluation = delivered(account)["accounting"]
    assert evaluation.description == words
    assert evaluation.passed is (severity is None)
    assert evaluation.passed or evaluation.severity is severity
    assert (evaluation.partition, evaluation.blocking) == (hour(0), False)
    assert evaluation.metadata["records"].value == account.get("records", 100)


@pytest.mark.parametrize(
    ("sealed", "found", "severity", "words"),
    [
        (False, 100, None, "the workspace holds all 100 rows it accepted"),
        (True, None, WARN, "100 rows accepted; the workspace could not be asked"),
        (False, 99, WARN, "1 of 100 accepted rows are not visible in the workspace yet; the hourly sweep asks again"),
        (True, 99, ERROR, "1 of 100 accepted rows are not visible in the workspace, and the hour is sealed"),
        (True, 103, WARN, "the workspace holds 103 rows, 3 more than the 100 accepted"),
    ],
)
def test_workspace_count(sealed, found, severity, words):
    evaluation = delivered({"sealed": sealed}, found)["workspace_count"]
    assert evaluation.description == words
    assert evaluation.passed is (severity is None)
    assert evaluation.passed or evaluation.severity is severity
    assert ("problems" in evaluation.metadata) is (severity is not None)


@pytest.mark.parametrize(("sealed", "severity"), [(True, ERROR), (False, WARN)])
def test_equal_totals_do_not_hide_a_doubled_and_a_missing_batch(sealed, severity):
    stages = FakeStages()
    stages.accounts["cloudtrail", hour(0)] = {"sealed": sealed}
    problems = ["batch b1 in T: 50 rows accepted, 100 found", "batch b2 in T: 50 rows accepted, 0 found"]
    stages.reports["workspace", hour(0)] = CheckReport(False, {"found": 100, "distinct_events": 50}, problems)
    evaluation = next(check_delivered(stages, "cloudtrail", hour(0)))
    assert (evaluation.check_name, evaluation.passed, evaluation.severity) == ("workspace_count", False, severity)
    assert evaluation.description == f"100 rows accepted and found, but not batch by batch: {'; '.join(problems)}"
    assert evaluation.metadata["distinct_events"].value == 50
    assert stages.hours_of("prove") == [hour(0)]


def test_rules_that_left_rows_out_are_named_in_the_figures():
    rules = {"filtered": 30, "filtered_by": {"health": 20, "noise": 10}, "records": 130}
    metadata = delivered(rules)["accounting"].metadata
    assert (metadata["filtered by health"].value, metadata["filtered by noise"].value) == (20, 10)
    assert "other_batches_open" not in metadata


def test_logged_errors_are_a_warning_where_every_row_is_there():
    stages = FakeStages()
    stages.log_errors["cloudtrail", hour(0)] = 7
    evaluation = next(check_delivered(stages, "cloudtrail", hour(0)))
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    holds = "the workspace holds all 100 rows it accepted, and 7 errors were logged about their requests"
    assert evaluation.description.startswith(holds)
    assert evaluation.metadata["log_errors"].value == 7
    quiet = next(check_delivered(FakeStages(), "cloudtrail", hour(0)))
    assert quiet.passed and quiet.metadata["log_errors"].value == 0


def test_rows_that_are_not_counted_yet_are_no_missing_rows():
    stages = FakeStages()
    stages.found["cloudtrail", hour(0)] = None
    waits = "40 rows in T_Auxiliary_CL are counted once the hour is sealed"
    counts = {"accepted": 100, "not_asked": 40, "found_so_far": 60}
    stages.reports["workspace", hour(0)] = CheckReport(False, counts, [waits])
    evaluation = next(check_delivered(stages, "cloudtrail", hour(0)))
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert evaluation.description == f"100 rows accepted, 60 of 60 asked for are there: {waits}"


def test_a_check_that_breaks_is_red_and_says_what_broke():
    stages = FakeStages()
    stages.errors["account", hour(0)] = [ZeroDivisionError("a bug")]
    evaluation = check_accounting(stages, "cloudtrail", hour(0))
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert evaluation.description == "could not be checked: ZeroDivisionError: a bug"


@pytest.mark.parametrize(
    ("name", "severity"),
    [("schema", ERROR), ("records", ERROR), ("event_time", WARN), ("shape", WARN), ("null_rates", WARN)],
)
def test_checks_of_parsed_rows(name, severity):
    stages = FakeStages()
    good = list(check_parsed(stages, "cloudtrail", hour(0)))
    assert [evaluation.check_name for evaluation in good] == PARSED
    assert all(evaluation.passed and evaluation.partition == hour(0) for evaluation in good)
    stages.reports[name, hour(0)] = CheckReport(False, {"rows": 5, "earliest": None}, ["a", "b", "c", "d"])
    (bad,) = [evaluation for evaluation in check_parsed(stages, "cloudtrail", hour(0)) if not evaluation.passed]
    assert bad.check_name.startswith(name)
    assert (bad.severity, bad.description, bad.blocking) == (severity, "a; b; c", False)
    assert bad.metadata["problems"].value == ["a", "b", "c", "d"]


PARSED = ["schema", "records", "event_time_bounds", "shape", "null_rates"]
NONE_KEPT = "nothing to compare: no rows, or none whose shape is kept (60 days)"
NO_DAY = "nothing to compare with yet: no earlier day of the last 14 has rows"


@pytest.mark.parametrize(
    ("check", "counts", "words"),
    [
        (
            "records",
            None,
            "107 records read = 100 rows + 4 quarantined + 3 filtered, object by object and in the files",
        ),
        ("shape", {"rows": 0, "history_hours": 0}, NONE_KEPT),
        ("shape", {"rows": 9, "history_hours": 0}, NO_DAY),
        ("shape", {"rows": 9, "history_hours": 40}, "the rows look as they did in 40 hours of earlier days"),
        ("null_rates", {"rows": 9, "history_hours": 0}, NO_DAY),
        ("null_rates", {"rows": 9, "history_hours": 40}, "null rates are as they were in 40 hours of earlier days"),
    ],
)
def test_a_check_of_parsed_rows_that_passed_says_what_it_compared(check, counts, words):
    stages = FakeStages()
    if counts is not None:
        stages.reports[check, hour(0)] = CheckReport(True, counts)
    found = {evaluation.check_name: evaluation for evaluation in check_parsed(stages, "cloudtrail", hour(0))}
    assert (found[check].passed, found[check].description) == (True, words)


LISTED = {"listed_at": "2026-11-20 10:00:00 UTC", "listed": 7, "in_ledger": 7, "gone_from_bucket": 0}


@pytest.mark.parametrize(
    ("report", "severity", "words"),
    [
        (CheckReport(True, LISTED), None, "listing = ledger: 7 objects"),
        (
            CheckReport(True, LISTED | {"gone_from_bucket": 2}),
            None,
            "listing = ledger: 7 objects; 2 more were recorded and are gone from the bucket since",
        ),
        (CheckReport(False, LISTED, ["1 listed objects are not in the ledger"]), ERROR, "1 listed objects are not"),
        (CheckReport(False, {"listed_at": ""}, ["no listing has covered the hour yet"]), WARN, "no listing has"),
    ],
)
def test_listing_and_ledger(report, severity, words):
    stages = FakeStages()
    stages.reports["listing", hour(0)] = report
    (evaluation,) = check_listed(stages, "cloudtrail", hour(0))
    assert evaluation.description.startswith(words)
    assert evaluation.passed is (severity is None)
    assert severity is None or evaluation.severity is severity


@pytest.mark.parametrize(
    ("report", "severity", "words"),
    [
        (CheckReport(True, {"verified": 3, "pending": 1}), None, "3 verified, 1 pending"),
        (CheckReport(True, {}), None, "no log file of the hour is covered by digest files"),
        (CheckReport(False, {"failed": 1, "tampered": 1}, ["a was changed"]), ERROR, "a was changed"),
        (CheckReport(False, {"uncovered": 1, "tampered": 1}, ["b was added"]), ERROR, "b was added"),
        (CheckReport(False, {"missing": 1, "tampered": 1}, ["c was deleted"]), ERROR, "c was deleted"),
        (CheckReport(False, {"unproved": 4, "tampered": 0}, ["no key"]), WARN, "no key"),
    ],
)
def test_integrity(report, severity, words):
    stages = FakeStages()
    stages.reports["integrity", hour(0)] = report
    evaluation = check_integrity(stages, "cloudtrail", hour(0))
    assert evaluation.description == words
    assert evaluation.passed is (severity is None)
    assert severity is None or evaluation.severity is severity
    assert len(list(check_parsed(stages, "cloudtrail", hour(0), integrity=True))) == 6


NOBODY = {"newest_object": None, "through": None}


@pytest.mark.parametrize(
    ("fields", "severity", "words"),
    [
        ({}, None, f"everything is delivered and proved through {hour(8)}"),
        ({"longest_wait_hours": 2.0}, None, f"everything is delivered and proved through {hour(8)}"),
        (
            {"longest_wait_hours": 2.1, "waits_for": "3 objects are listed and not delivered"},
            WARN,
            f"{hour(8)}; {hour(9)} waits: 3 objects are listed and not delivered (longest wait 2.1 h)",
        ),
        (
            {"longest_wait_hours": 6.1, "waits_for": "x", "through": None},
            ERROR,
            f"no hour is complete yet; {hour(9)} waits: x (longest wait 6.1 h)",
        ),
        ({"late_after_hours": 24.0, "longest_wait_hours": 6.1}, None, "everything is delivered and proved"),
        ({"silent": 3}, WARN, "nothing has arrived in the bucket for 3.0 h"),
        ({"silent": 6.5}, ERROR, "nothing has arrived in the bucket for 6.5 h"),
        (NOBODY, WARN, "no object has been seen yet; check bucket and prefix, and turn the listing sensor on"),
    ],
)
def test_on_time(fields, severity, words):
    stages, key = FakeStages(), dg.AssetKey(["cloudtrail", "delivery_progress"])
    fields = dict(fields)
    if silent := fields.pop("silent", 0):
        fields["newest_object"] = stages.progress("cloudtrail").at - timedelta(hours=silent)
    stages.progress_fields["cloudtrail"] = fields
    evaluation = check_on_time(stages.progress("cloudtrail"), key)
    assert words in evaluation.description
    assert evaluation.passed is (severity is None)
    if severity:
        assert evaluation.severity is severity
    assert (evaluation.asset_key, evaluation.check_name, evaluation.partition) == (key, "on_time", None)
