"""What was done with models: trained, judged, admitted, made champion. Rows of the audit trail, read back.

Belongs here: the actions' names and finding their rows. Does not belong here: MLflow; a registry can be changed by
others, so whether a model may score is looked up here by the digest of its files.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.audit import RecordedDecision
from s3sentinel_assets.ledger.schema import audit

__all__ = ["ADMITTED", "CHAMPION", "JUDGED", "TRAINED", "model_target", "recorded"]

TRAINED, JUDGED, ADMITTED, CHAMPION = "models train", "models gate", "models promote", "models champion"


def model_target(log_format: str, number: int | None, version: str) -> str:
    """What rows about a model name as their target: its registered name, number and version."""
    return f"s3sentinel-{log_format} {'shipped' if number is None else number} ({version})"


def recorded(connection: Connection, actions: Sequence[str], log_format: str) -> list[RecordedDecision]:
    """The rows of these actions about models of a log family, oldest first."""
    mine = audit.c.target.startswith(f"s3sentinel-{log_format} ", autoescape=True)
    rows = connection.execute(
        sa.select(audit).where(audit.c.action.in_(list(actions)), mine).order_by(audit.c.at, audit.c.id)
    )
    return [RecordedDecision(**dict(row)) for row in rows.mappings()]
