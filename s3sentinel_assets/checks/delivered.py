"""The checks of ``delivered_batches``: accounting, and the workspace's own count."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from s3sentinel_assets.checks.verdict import ERROR, WARN, evaluation, guarded, specs_of
from s3sentinel_assets.resources import Stages

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.accounts import Account, Proof

__all__ = ["check_accounting", "check_delivered", "check_sealed", "delivered_check_specs"]

_DELIVERED = {
    "accounting": "Every record read is in exactly one place: accepted by the workspace, pending, outcome unknown, "
    "dead letter (refused for good), quarantined (cannot be parsed) or filtered (repeated event, or left out by a "
    "routing rule, which is named). A warning while something is pending or was left out with a reason; an error when "
    "the sum does not hold, or when anything is pending after the hour was sealed.",
    "workspace_count": "The workspace itself, asked by KQL, holds exactly the rows it accepted, batch by batch. Rows "
    "can take minutes to become visible, so missing ones are a warning until the hour is sealed. Tables on the Basic "
    "or Auxiliary plan, where queries are billed by what they scan, are counted once the hour is sealed. What data "
    "collection rules reported about the hour's requests (DCRLogErrors) is a warning.",
}


def delivered_check_specs(source: str, hours: dg.HourlyPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The checks of ``delivered_batches``."""
    return specs_of(dg.AssetKey([source, "delivered_batches"]), _DELIVERED, hours)


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
            severity, description = ERROR, f"{failure}; {description}"
        counts = _account_counts(account)
        return evaluation(asset, "accounting", hour, severity=severity, description=description, counts=counts)

    return guarded(asset, "accounting", hour, evaluate)


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
        counts |= {} if proof.log_errors is None else {"log_errors": proof.log_errors}
        return evaluation(
            asset,
            "workspace_count",
            hour,
            severity=severity,
            description=description,
            counts=counts | proof.report.counts,
            problems=proof.report.problems,
        )

    return guarded(asset, "workspace_count", hour, evaluate)


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
        **{f"filtered by {rule}": rows for rule, rows in account.filtered_by.items()},
        **({"other_batches_open": account.other_open} if account.other_open else {}),
        **({"other_dead_letters": account.other_dead} if account.other_dead else {}),
        "bytes": account.bytes,
    }


def _filtered(account: "Account") -> str:
    rules = [f"{rows:,} by rule {rule}" for rule, rows in account.filtered_by.items()]
    return f"filtered ({', '.join(rules)})" if rules else "filtered"


def _sum_in_words(account: "Account") -> str:
    places = {
        "accepted": account.accepted,
        "pending": account.pending,
        "unknown": account.unknown,
        "dead letters": account.dead,
        "quarantined": account.quarantined,
        _filtered(account): account.filtered,
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
        if account.other_dead:
            refused += f"; {account.other_dead:,} rows beside these (long texts, promoted events) were refused"
        return WARN, f"complete with exceptions: {words}{refused}"
    if verdict == "unbalanced":
        return ERROR, f"unbalanced, records are unaccounted for: {words}"
    unread = f"; {account.unread_objects} objects are not read yet" if account.unread_objects else ""
    if account.other_open:
        unread += f"; {account.other_open:,} batches beside these rows (long texts, promoted events) are still open"
    if account.sealed and (account.pending or account.unread_objects):
        return ERROR, f"the hour is sealed and still incomplete: {words}{unread}; materialise again"
    if account.unknown and not account.pending and not account.unread_objects and not account.other_open:
        return WARN, f"outcome unknown for {account.unknown:,} rows, the hourly sweep settles them: {words}"
    return WARN, f"pending: {words}{unread}"


def _workspace_verdict(proof: "Proof") -> tuple[dg.AssetCheckSeverity | None, str]:
    accepted, found = proof.account.accepted, proof.found
    if later := proof.report.counts.get("not_asked"):
        so_far = proof.report.counts.get("found_so_far", 0)
        words = "; ".join(proof.report.problems[:3])
        return WARN, f"{accepted:,} rows accepted, {so_far:,} of {accepted - later:,} asked for are there: {words}"
    if found is None:
        return WARN, f"{accepted:,} rows accepted; the workspace could not be asked"
    if proof.report.passed:
        holds = f"the workspace holds all {accepted:,} rows it accepted"
        if not proof.log_errors:
            return None, holds
        said = "; ".join(proof.report.problems[:3])
        return WARN, f"{holds}, and {proof.log_errors:,} errors were logged about their requests: {said}"
    if found == accepted:
        what = f"{found:,} rows accepted and found, but not batch by batch: {'; '.join(proof.report.problems[:3])}"
        return (ERROR if proof.account.sealed else WARN), what
    if found > accepted:
        return WARN, f"the workspace holds {found:,} rows, {found - accepted:,} more than the {accepted:,} accepted"
    missing = f"{accepted - found:,} of {accepted:,} accepted rows are not visible in the workspace"
    if proof.account.sealed:
        return ERROR, f"{missing}, and the hour is sealed"
    return WARN, f"{missing} yet; the hourly sweep asks again"
