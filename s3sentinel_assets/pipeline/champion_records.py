"""What the ledger says of champions: which models may score, which did, and which were rolled back from.

Belongs here: reading those rows, and recording a change. Does not belong here: making the change (``champions``).

A model is told by the digest of its two files where it is to be let in, and by its version, which follows from all
that its scores depend on, where it is to be kept out: so no copy of it in other files comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3sentinel_assets.ledger.audit import Decision, RecordedDecision, current_principal, record_decision
from s3sentinel_assets.ledger.model_records import ADMITTED, CHAMPION, JUDGED, model_target, recorded
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Change", "admission", "before", "changes_of", "record_change", "rolled_back_from", "why_not_by_itself"]

_DAY = 86_400_000_000


@dataclass(frozen=True)
class Change:
    """One change of champion.

    Attributes:
        version: what scored from then on; None: the model that ships with the project.
        number: its number in the registry.
        sha256: digest of its files; "" for the shipped model.
        previous: version that scored before.
        rolled_back: whether it was a rollback.
        at: when, microseconds.
    """

    version: str | None
    number: int | None
    sha256: str
    previous: str | None
    rolled_back: bool = False
    at: int = 0


def admission(connection: "Connection", log_format: str, digest: str) -> tuple[RecordedDecision | None, str]:
    """What lets the model with this digest score: the newest decision about it, and why not where there is none."""
    newest = None
    for row in recorded(connection, (JUDGED, ADMITTED), log_format):
        if row.detail.get("sha256") == digest and (
            newest is None or newest.action != ADMITTED or row.action == ADMITTED
        ):
            newest = row
    if newest is None:
        return None, "the gate has not judged it here; run `s3sentinel models train`, or promote it with --force"
    if newest.action == ADMITTED or newest.detail.get("passed"):
        return newest, ""
    return None, f"the gate refused it: {'; '.join(newest.detail.get('refusals') or ['see its table'])}"


def changes_of(runtime: Runtime, log_format: str) -> list[Change]:
    """The changes of a log family's champion, oldest first."""
    with runtime.ledger.read() as connection:
        rows = recorded(connection, (CHAMPION,), log_format)
    return [
        Change(
            version=row.detail.get("version"),
            number=row.detail.get("number"),
            sha256=row.detail.get("sha256") or "",
            previous=row.detail.get("previous"),
            rolled_back=bool(row.detail.get("rolled_back")),
            at=row.at,
        )
        for row in rows
    ]


def record_change(runtime: Runtime, log_format: str, change: Change, reason: str | None) -> None:
    """Records a change; ``at`` is now."""
    detail = {name: getattr(change, name) for name in ("rolled_back", "number", "version", "previous", "sha256")}
    with runtime.ledger.write() as connection:
        record_decision(
            connection,
            Decision(
                principal=current_principal(),
                action=CHAMPION,
                target=model_target(log_format, change.number, change.version or "shipped model"),
                reason=reason,
                detail={"format": log_format, **detail},
            ),
            runtime.ledger.now(),
        )


def rolled_back_from(changes: Sequence[Change]) -> set[str]:
    """Versions that were rolled back from and did not become champion again since."""
    found: set[str] = set()
    for change in changes:
        found.discard(change.version or "")
        if change.rolled_back and change.previous:
            found.add(change.previous)
    return found


def before(changes: Sequence[Change], present: str | None) -> list[Change]:
    """The champions before the present one to which one can go back, the oldest first."""
    line: list[Change] = []
    for change in changes:
        if not change.rolled_back:
            line += [change] if change.version else []
            continue
        if line and line[-1].version == change.previous:
            line.pop()
        while line and line[-1].version != change.version:
            line.pop()
    left = rolled_back_from(changes) | {present}
    return [change for change in line if change.version not in left]


def why_not_by_itself(changes: Sequence[Change], version: str, now: int, days: int) -> str:
    """Why a version is not promoted without anybody's word; "" where nothing speaks against it.

    Args:
        changes: those of the log family.
        version: the version.
        now: microseconds.
        days: for how long after a rollback nothing is.
    """
    back = [change for change in changes if change.rolled_back]
    if any(change.previous == version for change in back):
        return f"{version} was rolled back from, so it takes `s3sentinel models promote`"
    if back and now - back[-1].at < days * _DAY:
        return (
            f"{back[-1].previous} was rolled back from, and for {days} days after that (models.retrain_days) "
            f"{version} takes `s3sentinel models promote`"
        )
    return ""
