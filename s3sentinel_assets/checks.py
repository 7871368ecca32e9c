"""The asset checks of an hour: schema, event_time_bounds, accounting, workspace_count. None of them blocks delivery.

Belongs here: verdicts - what passes, what is a warning, what an error, and the sentence that says so. Does not belong
here: the counting (`pipeline.proofs`).

The checks run inside their asset's step and are recorded hour by hour with the hour's partition, so a run of 24 hours
leaves 24 verdicts. A check function of its own would give a run of many hours a single verdict.
"""

import logging
from collections.abc import Callable, Iterator

import dagster as dg

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.accounts import Account, Proof
from s3sentinel_assets.pipeline.proofs import CheckReport
from s3sentinel_assets.resources import Stages

__all__ = [
    "check_accounting",
    "check_delivered",
    "check_parsed",
    "check_sealed",
    "delivered_check_specs",
    "parsed_check_specs",
]

_log = logging.getLogger(__name__)

_PROBLEMS = 20
_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR

_PARSED = {
    "schema": "The hour's stage files have exactly the columns and types of the Sentinel table.",
    "event_time_bounds": "Event times are there and lie near the hour: at most a day before it, an hour after it.",
}
_DELIVERED = {
    "accounting": "Records read = accepted + pending + unknown + dead letters + quarantined + filtered; nothing is "
    "pending once the hour is sealed.",
    "workspace_count": "The workspace, asked by KQL, holds exactly the rows it accepted.",
}


def _specs(asset: dg.AssetKey, texts: dict[str, str], hours: dg.HourlyPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=asset, description=text, blocking=False, partitions_def=hours)
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
    report: CheckReport,
) -> dg.AssetCheckEvaluation:
    metadata: dict[str, dg.MetadataValue] = {
        key: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.text(str(value))
        for key, value in report.counts.items()
    }
    if report.problems:
        metadata["problems"] = dg.MetadataValue.json(report.problems[:_PROBLEMS])
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
    return _evaluation(asset, name, hour, severity=severity, description=sentence, report=CheckReport(False))


def check_parsed(stages: Stages, source: str, hour: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``schema`` and ``event_time_bounds`` of one hour."""
    asset = dg.AssetKey([source, "parsed_logs"])

    def evaluate(name: str, report: CheckReport, severity: dg.AssetCheckSeverity, good: str) -> dg.AssetCheckEvaluation:
        text = good if report.passed else "; ".join(report.problems[:3]) or "not passed"
        failed = None if report.passed else severity
        return _evaluation(asset, name, hour, severity=failed, description=text, report=report)

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
        report = CheckReport(severity is None, _account_counts(account))
        return _evaluation(asset, "accounting", hour, severity=severity, description=description, report=report)

    return _guarded(asset, "accounting", hour, evaluate)


def check_sealed(stages: Stages, source: str, hour: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``accounting`` again for an hour that was sealed, if anything arrived in it."""
    evaluation = check_accounting(stages, source, hour)
    objects = evaluation.metadata.get("objects")
    if objects is None or objects.value:
        yield evaluation


def _workspace_count(stages: Stages, source: str, hour: str) -> dg.AssetCheckEvaluation:
    """Asks the workspace, appends the proof, and gives the verdict."""
    asset = dg.AssetKey([source, "delivered_batches"])

    def evaluate() -> dg.AssetCheckEvaluation:
        proof = stages.prove(source, hour)
        severity, description = _workspace_verdict(proof)
        counts = {"accepted": proof.account.accepted} | ({} if proof.found is None else {"found": proof.found})
        report = CheckReport(severity is None, counts | proof.report.counts, proof.report.problems)
        return _evaluation(asset, "workspace_count", hour, severity=severity, description=description, report=report)

    return _guarded(asset, "workspace_count", hour, evaluate)


def _account_counts(account: Account) -> dict[str, int | str]:
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


def _sum_in_words(account: Account) -> str:
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


def _accounting_verdict(account: Account) -> tuple[dg.AssetCheckSeverity | None, str]:
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


def _workspace_verdict(proof: Proof) -> tuple[dg.AssetCheckSeverity | None, str]:
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
