"""The asset checks: of an hour schema, event_time_bounds, accounting and workspace_count, of a source on_time.

None of them blocks delivery.

Belongs here: verdicts - what passes, what is a warning, what an error, and the sentence that says so. Does not belong
here: the counting (`pipeline.proofs`).

The checks run inside their asset's step and are recorded hour by hour with the hour's partition, so a run of 24 hours
leaves 24 verdicts. A check function of its own would give a run of many hours a single verdict.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.resources import Stages

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.accounts import Account, CheckReport, Proof
    from s3sentinel_assets.pipeline.progress import DeliveryProgress

__all__ = [
    "ON_TIME",
    "check_accounting",
    "check_delivered",
    "check_on_time",
    "check_parsed",
    "check_sealed",
    "delivered_check_specs",
    "parsed_check_specs",
]

_log = logging.getLogger(__name__)

_PROBLEMS = 20
_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR

#: The check of ``delivery_progress``.
ON_TIME = "on_time"
#: So many times the configured lateness is an error.
_ERROR_AFTER = 3

_PARSED = {
    "schema": "The hour's files have exactly the columns and types of the Sentinel table. Sentinel drops other columns "
    "without a word, so this is an error.",
    "event_time_bounds": "Event times are there and lie near the hour the logs arrived in: at most a day before it, an "
    "hour after it. A warning at most: such events are delivered as they are.",
}
_DELIVERED = {
    "accounting": "Every record read is in exactly one place: accepted by the workspace, pending, outcome unknown, "
    "dead letter (refused for good), quarantined (cannot be parsed) or filtered (repeated event). A warning while "
    "something is pending or was left out with a reason; an error when the sum does not hold, or when anything "
    "is pending after the hour was sealed.",
    "workspace_count": "The workspace itself, asked by KQL, holds exactly the rows it accepted, batch by batch. Rows "
    "can take minutes to become visible, so missing ones are a warning until the hour is sealed.",
}


_MADE_WITH = " It is made with every run of the hour; to have it made again, materialise the hour."


def _specs(asset: dg.AssetKey, texts: dict[str, str], hours: dg.HourlyPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=asset, description=text + _MADE_WITH, blocking=False, partitions_def=hours)
        for name, text in texts.items()
    ]


def parsed_check_specs(source: str, hours: dg.HourlyPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The checks of ``parsed_logs``."""
    return _specs(dg.AssetKey([source, "parsed_logs"]), _PARSED, hours)


def delivered_check_specs(source: str, hours: dg.HourlyPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The checks of ``delivered_batches``."""
    return _specs(dg.AssetKey([source, "delivered_batches"]), _DELIVERED, hours)


def _evaluation(
    asset: dg.AssetKey,
    name: str,
    hour: str,
    *,
    severity: dg.AssetCheckSeverity | None,
    description: str,
    counts: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
) -> dg.AssetCheckEvaluation:
    metadata: dict[str, dg.MetadataValue] = {
        key: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.text(str(value))
        for key, value in (counts or {}).items()
    }
    if problems:
        metadata["problems"] = dg.MetadataValue.json(list(problems[:_PROBLEMS]))
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=severity is None,
        severity=severity or _ERROR,
        description=description,
        metadata=metadata,
        blocking=False,
        partition=hour,
    )


def _guarded(
    asset: dg.AssetKey, name: str, hour: str, evaluate: Callable[[], dg.AssetCheckEvaluation]
) -> dg.AssetCheckEvaluation:
    """The evaluation, or one that says why there is none: a check that cannot be made must not fail its asset."""
    try:
        return evaluate()
    except UserError as error:
        severity, reason = _WARN, str(error)
    except Exception as error:  # noqa: BLE001 - the verdict is red and says why
        _log.exception("check %s of %s %s", name, asset.to_user_string(), hour)
        severity, reason = _ERROR, f"{type(error).__name__}: {error}"
    sentence = f"could not be checked: {reason}"
    return _evaluation(asset, name, hour, severity=severity, description=sentence)


def check_parsed(stages: Stages, source: str, hour: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``schema`` and ``event_time_bounds`` of one hour."""
    asset = dg.AssetKey([source, "parsed_logs"])

    def evaluate(
        name: str, report: "CheckReport", severity: dg.AssetCheckSeverity, good: str
    ) -> dg.AssetCheckEvaluation:
        text = good if report.passed else "; ".join(report.problems[:3]) or "not passed"
        failed = None if report.passed else severity
        return _evaluation(
            asset, name, hour, severity=failed, description=text, counts=report.counts, problems=report.problems
        )

    def schema() -> dg.AssetCheckEvaluation:
        report = stages.schema_report(source, hour)
        return evaluate("schema", report, _ERROR, "every stage file has the table's columns and types")

    def event_time_bounds() -> dg.AssetCheckEvaluation:
        # Old or future times are delivered as they are; they are worth a look, nothing is lost.
        report = stages.event_time_report(source, hour)
        return evaluate("event_time_bounds", report, _WARN, "all event times lie near the hour")

    yield _guarded(asset, "schema", hour, schema)
    yield _guarded(asset, "event_time_bounds", hour, event_time_bounds)


def check_delivered(stages: Stages, source: str, hour: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``workspace_count`` and ``accounting`` of one hour; appends the hour's proof to the ledger."""
    yield _workspace_count(stages, source, hour)
    yield check_accounting(stages, source, hour)


def check_accounting(stages: Stages, source: str, hour: str, failure: str = "") -> dg.AssetCheckEvaluation:
    """Evaluates ``accounting`` of one hour.

    Args:
        stages: the pipeline.
        source: the source's name.
        hour: the hour.
        failure: what failed for the hour, if anything did: the verdict of a run before must not stand then.
    """
    asset = dg.AssetKey([source, "delivered_batches"])

    def evaluate() -> dg.AssetCheckEvaluation:
        account = stages.account(source, hour)
        severity, description = _accounting_verdict(account)
        if failure:
            severity, description = _ERROR, f"{failure}; {description}"
        counts = _account_counts(account)
        return _evaluation(asset, "accounting", hour, severity=severity, description=description, counts=counts)

    return _guarded(asset, "accounting", hour, evaluate)


def check_sealed(stages: Stages, source: str, hour: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``accounting`` again for an hour that was sealed, if anything arrived in it."""
    evaluation = check_accounting(stages, source, hour)
    objects = evaluation.metadata.get("objects")
    if objects is None or objects.value:
        yield evaluation


def check_on_time(progress: "DeliveryProgress", asset: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """Evaluates ``on_time``: how long delivery has been waiting, and how long the bucket has been silent."""
    late = progress.late_after_hours
    if progress.newest_object is None:
        severity = _WARN
        words = "no object has been seen yet; check bucket and prefix, and turn the listing sensor on"
    else:
        waits, silent = progress.longest_wait_hours, progress.silent_hours
        longest = max(waits, silent)
        severity = None if longest <= late else _WARN if longest <= late * _ERROR_AFTER else _ERROR
        through = f"everything is delivered and proved through {progress.through}"
        words = through if progress.through else "no hour is complete yet"
        if waits > late:
            words += f"; {progress.oldest_waiting} waits: {progress.waits_for} (longest wait {waits:.1f} h)"
        if silent > late:
            words += f"; nothing has arrived in the bucket for {silent:.1f} h"
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=ON_TIME,
        passed=severity is None,
        severity=severity or _ERROR,
        description=words,
        metadata={
            "longest_wait_hours": progress.longest_wait_hours,
            "bucket_silent_hours": progress.silent_hours,
            "warning_after_hours": late,
            "error_after_hours": late * _ERROR_AFTER,
        },
        blocking=False,
    )


def _workspace_count(stages: Stages, source: str, hour: str) -> dg.AssetCheckEvaluation:
    """Asks the workspace, appends the proof, and gives the verdict."""
    asset = dg.AssetKey([source, "delivered_batches"])

    def evaluate() -> dg.AssetCheckEvaluation:
        proof = stages.prove(source, hour)
        severity, description = _workspace_verdict(proof)
        counts = {"accepted": proof.account.accepted} | ({} if proof.found is None else {"found": proof.found})
        return _evaluation(
            asset,
            "workspace_count",
            hour,
            severity=severity,
            description=description,
            counts=counts | proof.report.counts,
            problems=proof.report.problems,
        )

    return _guarded(asset, "workspace_count", hour, evaluate)


def _account_counts(account: "Account") -> dict[str, int | str]:
    return {
        "verdict": account.verdict,
        "sealed": "yes" if account.sealed else "no",
        "objects": account.objects,
        "unread_objects": account.unread_objects,
        "refused_objects": account.refused_objects,
        "late_objects": account.late_objects,
        "records": account.records,
        "accepted": account.accepted,
        "pending": account.pending,
        "unknown": account.unknown,
        "dead_letters": account.dead,
        "quarantined": account.quarantined,
        "filtered": account.filtered,
        "bytes": account.bytes,
    }


def _sum_in_words(account: "Account") -> str:
    places = {
        "accepted": account.accepted,
        "pending": account.pending,
        "unknown": account.unknown,
        "dead letters": account.dead,
        "quarantined": account.quarantined,
        "filtered": account.filtered,
    }
    shown = [f"{count:,} {name}" for name, count in places.items() if count] or ["nothing to account for"]
    return f"{account.records:,} records read = {' + '.join(shown)}"


def _accounting_verdict(account: "Account") -> tuple[dg.AssetCheckSeverity | None, str]:
    """None for a pass, else how bad it is; and the sentence."""
    words, verdict = _sum_in_words(account), account.verdict
    if verdict == "complete":
        return None, f"complete: {words}"
    if verdict == "complete with exceptions":
        refused = f"; {account.refused_objects} objects are gone or denied" if account.refused_objects else ""
        return _WARN, f"complete with exceptions: {words}{refused}"
    if verdict == "unbalanced":
        return _ERROR, f"unbalanced, records are unaccounted for: {words}"
    unread = f"; {account.unread_objects} objects are not read yet" if account.unread_objects else ""
    if account.sealed and (account.pending or account.unread_objects):
        return _ERROR, f"the hour is sealed and still incomplete: {words}{unread}; materialise again"
    if account.unknown and not account.pending and not account.unread_objects:
        return _WARN, f"outcome unknown for {account.unknown:,} rows, the hourly sweep settles them: {words}"
    return _WARN, f"pending: {words}{unread}"


def _workspace_verdict(proof: "Proof") -> tuple[dg.AssetCheckSeverity | None, str]:
    accepted, found = proof.account.accepted, proof.found
    if found is None:
        return _WARN, f"{accepted:,} rows accepted; the workspace could not be asked"
    if proof.report.passed:
        return None, f"the workspace holds all {accepted:,} rows it accepted"
    if found == accepted:
        what = f"{found:,} rows accepted and found, but not batch by batch: {'; '.join(proof.report.problems[:3])}"
        return (_ERROR if proof.account.sealed else _WARN), what
    if found > accepted:
        return _WARN, f"the workspace holds {found:,} rows, {found - accepted:,} more than the {accepted:,} accepted"
    missing = f"{accepted - found:,} of {accepted:,} accepted rows are not visible in the workspace"
    if proof.account.sealed:
        return _ERROR, f"{missing}, and the hour is sealed"
    return _WARN, f"{missing} yet; the hourly sweep asks again"
