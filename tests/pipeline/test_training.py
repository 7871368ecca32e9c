"""What trainings put on record, and what follows: days observed, attacks called late, drift, judging what was left."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ledger.audit import Decision, record_decision
from s3sentinel_assets.ledger.model_records import JUDGED, TRAINED, model_target
from s3sentinel_assets.ledger.verdicts import RecordedVerdict, Verdict, Word, record_verdicts
from s3sentinel_assets.ml.evaluation.drift import Histograms
from s3sentinel_assets.ml.evaluation.transplant import SEQUENCE_SCHEMA
from s3sentinel_assets.pipeline import model_drift, training, training_data, trainings, trial
from s3sentinel_assets.pipeline.called_attacks import called_attack_since
from s3sentinel_assets.pipeline.observed import observed_hours
from tests.pipeline.model_worlds import History

FIRST = "2026-11-02-00:00"
DAYS = 6
LAST = shift_hour(FIRST, 24 * DAYS - 1)


def at(*places: int) -> list[str]:
    """Hour keys, so many hours after the first."""
    return [shift_hour(FIRST, place) for place in places]


@given(st.sets(st.integers(0, 24 * DAYS - 1)))
@settings(max_examples=100, deadline=None)
def test_observed_hours_lie_between_the_busy_ones_and_the_span(places):
    assert len(places) <= observed_hours(at(*places), FIRST, LAST) <= 24 * DAYS
    assert (observed_hours(at(*places), FIRST, LAST) == 0) is not places


@given(st.sets(st.integers(0, 23), min_size=1), st.integers(0, 23))
@settings(max_examples=100, deadline=None)
def test_an_account_that_rests_at_night_is_observed_all_the_time(clock, begin):
    busy = [place for place in range(24 * DAYS) if place % 24 in clock and place >= begin]
    assert observed_hours(at(*busy), shift_hour(FIRST, begin), LAST) == 24 * DAYS - begin


@pytest.mark.parametrize(
    ("busy", "hours"),
    [
        ([], 0),
        ([50], 1),
        ([3, *range(120, 144)], 25),  # a stray object, an outage, one real day
        ([0, 24, 48], 49),  # one batch a day
        ([0, 25], 26),  # one batch a day that was late
        ([0, 26], 2),  # more than a day of nothing
    ],
)
def test_a_stretch_of_more_than_a_day_without_events_is_not_observed(busy, hours):
    assert observed_hours(at(*busy), FIRST, LAST) == hours
    assert observed_hours(at(*busy, *reversed(busy)), FIRST, LAST) == hours


def said(number: int, word: Word, **about) -> RecordedVerdict:
    return RecordedVerdict(id=number, at=number, given_by="ann", verdict=word, **about)


WHO = {"principal": "p", "hour": FIRST}
EVENT = {**WHO, "event_id": "e", "account": "1", "source": "trail"}


@pytest.mark.parametrize(
    ("verdicts", "last_known", "counted"),
    [
        ([said(5, Word.ATTACK, **WHO)], 4, [5]),
        ([said(5, Word.ATTACK, **WHO)], 5, []),  # known, so it was left out
        ([said(5, Word.ATTACK, **WHO)], None, [5]),  # an old record: who knows
        ([said(5, Word.ATTACK, **WHO), said(6, Word.UNSURE, **WHO)], None, []),
        ([said(5, Word.ATTACK, **EVENT), said(6, Word.BENIGN, **WHO)], 4, []),  # the hour was cleared, event and all
        ([said(5, Word.ATTACK, **WHO), said(6, Word.BENIGN, **EVENT)], 4, [5]),  # only one of its events was
        ([said(5, Word.ATTACK, **WHO), said(6, Word.BENIGN, **WHO, account="1")], 4, [5]),
        ([said(5, Word.ATTACK, **WHO), said(6, Word.BENIGN, **{**WHO, "principal": "q"})], 4, [5]),
        # An incident is edited after it was closed, and says again what the training had left out.
        ([said(3, Word.ATTACK, **WHO), said(5, Word.ATTACK, **WHO)], 4, []),
        ([said(3, Word.ATTACK, **WHO), said(5, Word.ATTACK, **EVENT)], 4, []),
        ([said(3, Word.ATTACK, **EVENT), said(5, Word.ATTACK, **WHO)], 4, [5]),
        ([said(2, Word.ATTACK, **WHO), said(3, Word.BENIGN, **EVENT), said(5, Word.ATTACK, **WHO)], 4, [5]),
        ([said(2, Word.ATTACK, **WHO), said(3, Word.UNSURE, **WHO), said(5, Word.ATTACK, **WHO)], 4, [5]),
    ],
)
def test_attacks_count_that_the_training_did_not_know(verdicts, last_known, counted):
    assert [one.id for one in called_attack_since(verdicts, last_known)] == counted


@pytest.fixture
def history(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = History(tmp_path)
    yield made
    made.runtime.close()


def wanted(runtime) -> training_data.Span:
    settings = runtime.config.models
    days = settings.train_days - settings.evaluate_days
    return training_data.span_of(runtime, "cloudtrail", days=days, skip_days=settings.evaluate_days)


def test_days_without_logs_are_neither_training_days_nor_in_the_calibration(history):
    history.run(1, 0)
    history.run(3, 8)
    runtime = history.runtime
    with runtime.ledger.write() as connection:
        record_verdicts(connection, [Verdict(at=1, given_by="ann", verdict=Word.BENIGN, **WHO)])
    events = training.collect(runtime, wanted(runtime))
    assert events.last_verdict == 1
    assert sorted(events.matrix["hour"].str.slice(0, 10).unique()) == ["2026-11-10"]  # of a span of six days
    assert events.observed == 13  # 02:00 to 14:00
    fitted = training.fit_models(runtime, events)[0]
    assert fitted.facts.days == pytest.approx(13 / 24)
    hours = events.matrix.select("principal", "hour").n_unique()
    assert fitted.detector.hours_per_day == pytest.approx(hours * 24 / 13)


def test_a_trial_spans_the_days_on_which_there_were_events(history):
    history.run(1, 0)
    history.run(1, 4)
    runtime = history.runtime
    latest = training_data.span_of(runtime, "cloudtrail", days=2)
    champion = runtime.model("cloudtrail").detector
    seen = trial.run_trial(runtime, latest, [champion], pl.DataFrame(schema=SEQUENCE_SCHEMA), events=1)
    assert (latest.hours, seen.days) == (48, 13 / 24)


def trained(runtime, number: int, version: str, span: str = "a..b", kind: str = "ecod") -> dict:
    """A training's row in the ledger."""
    detail = {"number": number, "version": version, "kind": kind, "sha256": f"sha-{version}", "span": span}
    record(runtime, TRAINED, detail)
    return detail


def record(runtime, action: str, detail: dict) -> None:
    target = model_target("cloudtrail", detail["number"], detail["version"])
    with runtime.ledger.write() as connection:
        decision = Decision(principal="test", action=action, target=target, detail=detail)
        record_decision(connection, decision, runtime.ledger.now())


def test_challengers_that_were_never_judged_are_known(history):
    runtime = history.runtime
    assert trainings.unjudged(runtime, "cloudtrail") == []
    record(runtime, JUDGED, trained(runtime, 1, "ecod-1"))
    assert trainings.unjudged(runtime, "cloudtrail") == []
    first, second = trained(runtime, 2, "ecod-1", "c..d"), trained(runtime, 3, "rarity-1", "c..d", "rarity")
    assert [row["number"] for row in trainings.unjudged(runtime, "cloudtrail")] == [
        2,
        3,
    ]  # the same model, a new version
    record(runtime, JUDGED, first)
    assert [row["number"] for row in trainings.unjudged(runtime, "cloudtrail")] == [3]
    record(runtime, JUDGED, second)
    assert trainings.unjudged(runtime, "cloudtrail") == []


@pytest.mark.slow
def test_a_challenger_fitted_on_days_like_the_last_ends_the_training_on_drift(history):
    runtime = history.runtime
    history.run(3)
    champion = runtime.model("cloudtrail").detector
    latest = training_data.span_of(runtime, "cloudtrail", days=2)
    now = model_drift._benign_histograms(runtime, latest, champion)
    assert now.events >= 500
    # The champion knew an account of which every event was far out.
    other = Histograms(
        {name: [*[0] * (len(counts) - 1), sum(counts)] for name, counts in now.counts.items()}, now.events
    )
    trainings.write_reference(runtime, champion.version, other, "then", "nobody")
    assert training.drift_of(runtime, "cloudtrail").training_due
    trained(runtime, 1, "ecod-old")
    trainings.write_reference(runtime, "ecod-old", other, "then", champion.version)
    assert training.drift_of(runtime, "cloudtrail").training_due
    trained(runtime, 2, "ecod-new", "c..d")
    # Its own score is never held against the champion's, whatever it was.
    mine = {**now.counts, "score": other.counts["score"], "champion_score": now.counts["score"]}
    trainings.write_reference(runtime, "ecod-new", replace(now, counts=mine), "lately", champion.version)
    drift = training.drift_of(runtime, "cloudtrail")
    assert (drift.challenger, bool(drift.drifted), drift.training_due) == ("ecod-new", True, False)
    assert "the challenger ecod-new was fitted on days like these" in drift.sentence


def test_a_small_account_is_told_that_drift_is_not_judged(history):
    history.run(1)
    runtime = history.runtime
    champion = runtime.model("cloudtrail").detector
    far = Histograms({"new_action": [0] * 10 + [499]}, 499)
    trainings.write_reference(runtime, champion.version, far, "then", "nobody")
    drift = training.drift_of(runtime, "cloudtrail")
    assert (drift.psi, drift.training_due) == ({}, False)
    assert "drift is not judged" in drift.sentence
    assert "fewer than 500 on either side" in drift.sentence
