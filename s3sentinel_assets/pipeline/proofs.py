"""Proofs and checks of an hour: does the ledger hold what was listed, does it balance, does the workspace agree?

Belongs here: what is asked of ledger and digests, and the proof of an hour. Does not belong here: asking the workspace
(`reconciliation`), looking into the parsed rows (`parsed_reports`), verdicts (``checks``).
"""

from datetime import timedelta

from s3sentinel_assets.hours import hour_end, utc_now
from s3sentinel_assets.ledger import proofs as ledger_proofs
from s3sentinel_assets.ledger.accounts import Account, CheckReport, Proof, account_of_hour
from s3sentinel_assets.ledger.comparison import comparison_of_hour, found_by
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.schema import Integrity
from s3sentinel_assets.pipeline.reconciliation import log_errors, workspace_report
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = [
    "CheckReport",
    "account_hour",
    "hours_to_prove",
    "integrity_report",
    "listing_report",
    "prove_hour",
]

# CloudTrail writes the digest of an hour within about another one.
_DIGESTS_DUE = timedelta(hours=4)


def account_hour(runtime: Runtime, source: str, hour: str) -> Account:
    """The hour's accounts from the ledger alone."""
    with runtime.ledger.read() as connection:
        return account_of_hour(connection, source, hour)


def listing_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether the ledger holds exactly the objects that the newest whole listing of the hour showed."""
    with runtime.ledger.read() as connection:
        compared = comparison_of_hour(connection, source, hour)
        found = found_by(connection, source, hour)
    counts = {
        "listed_at": f"{from_micros(compared.at):%Y-%m-%d %H:%M:%S} UTC" if compared.at else "",
        "listed": compared.listed,
        "in_ledger": compared.held,
        "gone_from_bucket": compared.gone,
    }
    if runtime.source(source).queue_url:
        counts |= {
            "by_listing_alone": found.listing,
            "by_notification_alone": found.notification,
            "by_both": found.both,
        }
    problems = []
    if compared.at is None:
        problems.append("no listing has covered the hour yet; materialise it, or turn the sweep on")
    elif compared.missing:
        problems.append(f"{compared.missing} listed objects are not in the ledger; materialise the hour again")
    elif not compared.same:
        problems.append("listing and ledger have as many objects but not the same ones; materialise the hour again")
    return CheckReport(not problems, counts, problems)


def integrity_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """What CloudTrail's digest files say of the hour's objects."""
    from s3sentinel_assets.pipeline.integrity import hour_integrity

    found = hour_integrity(runtime, source, hour)
    counts: dict[str, int | float] = {status.value: count for status, count in found.objects.items() if status}
    counts |= {f"digests_{state.value}": count for state, count in found.digests.items()}
    counts |= {
        "missing": found.missing,
        "digests_missing": found.digests_missing,
        "hours_without_digest": found.gap_hours,
        "tampered": int(found.tampered),
    }
    due = hour_end(hour) + _DIGESTS_DUE < utc_now()
    problems = list(found.problems)
    if failed := counts.get(Integrity.FAILED.value):
        problems.insert(0, f"{failed} log files are not what CloudTrail wrote; s3sentinel verify-digests names them")
    if added := counts.get(Integrity.UNCOVERED.value):
        problems.insert(
            0,
            f"{added} log files were added, or are of a trail of the same account, region and prefix that has no log "
            "file validation: no verified digest of their time lists them",
        )
    pending = counts.get(Integrity.PENDING.value)
    if pending and due:
        problems.append(f"{pending} log files are covered by no digest, and it is time that they were")
    unproved = counts.get(Integrity.UNPROVED.value)
    if unproved and due:
        problems.append(
            f"{unproved} log files are not proved: the digests that list them, or should, are missing or not proved "
            "themselves; s3sentinel verify-digests tells why"
        )
    digests = runtime.source(source).digests
    if digests and digests.verify == "required" and not found.digests and due:
        problems.append("no digest file of the hour was found; turn on log file validation of the trail")
    return CheckReport(not problems, counts, problems)


def prove_hour(runtime: Runtime, source: str, hour: str) -> Proof:
    """Asks the workspace and appends the hour's proof to the ledger."""
    began = runtime.ledger.now()  # what is settled after it was asked needs another proof
    report = workspace_report(runtime, source, hour, began)
    errors, messages, note = log_errors(runtime, source, hour)
    if errors:
        report.problems += [f"DCRLogErrors: {message}" for message in messages]
    if note:
        report.counts["note"] = note
    with runtime.ledger.read() as connection:
        compared = comparison_of_hour(connection, source, hour)
        account = account_of_hour(connection, source, hour)
    listed = None if compared.at is None else compared.listed
    made = Proof(account, report.counts.get("found"), began, report, listed, errors)
    with runtime.ledger.write() as connection:
        ledger_proofs.record_proof(connection, made)
    return made


def hours_to_prove(runtime: Runtime, source: str) -> list[str]:
    """Hours whose newest proof does not show the present state of the ledger and the workspace, oldest first."""
    with runtime.ledger.read() as connection:
        return ledger_proofs.hours_to_prove(connection, source)
