"""Stage results: what has been made of a part, and by which code.

A stage of a part is done when its row here is committed; the files it names were written whole before. The newest
generation counts; generation 1 is the ordinary one, a rebuild adds the next.
"""

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.leases import Lease, check_lease
from s3sentinel_assets.ledger.schema import Stage, stage

__all__ = ["StageFile", "StageResult", "commit_stage", "latest_stage", "latest_stages"]


_IDS_PER_QUERY = 500  # both databases limit the parameters of a query


@dataclass(frozen=True)
class StageFile:
    """One file of a stage.

    Attributes:
        kind: what it holds: ``rows``, ``entities``, ``rejects``, ``scores``, ``counters`` or ``bodies``.
        uri: where it lies in the store.
        sha256: of its bytes.
        size: in bytes.
        rows: how many rows (bodies: how many batches).
        ordinal: its place among the part's files; rows, entities and scores of one ordinal are row-aligned.
        format: the log format, for rows and entities.
        table: the Sentinel table, for rows.
    """

    kind: str
    uri: str
    sha256: str
    size: int
    rows: int
    ordinal: int = 0
    format: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class StageResult:
    """A committed stage of a part. ``counts`` holds plain numbers and short texts that the UI shows."""

    id: int
    part_id: int
    stage: Stage
    generation: int
    code_version: str
    files: tuple[StageFile, ...]
    counts: dict[str, Any]
    seconds: float
    committed_at: int

    def files_of(self, kind: str) -> list[StageFile]:
        """The files of one kind, in order."""
        return sorted((file for file in self.files if file.kind == kind), key=lambda file: file.ordinal)


def _result(row: sa.Row[Any]) -> StageResult:
    return StageResult(
        id=row.id,
        part_id=row.part_id,
        stage=Stage(row.stage),
        generation=row.generation,
        code_version=row.code_version,
        files=tuple(StageFile(**file) for file in row.files),
        counts=row.counts,
        seconds=row.seconds,
        committed_at=row.committed_at,
    )


def latest_stages(connection: Connection, part_ids: list[int], wanted: Stage) -> dict[int, StageResult]:
    """The newest result of stage ``wanted`` for each of the parts that has one, by part id."""
    newest: dict[int, StageResult] = {}
    for start in range(0, len(part_ids), _IDS_PER_QUERY):
        rows = connection.execute(
            sa.select(stage)
            .where(stage.c.part_id.in_(part_ids[start : start + _IDS_PER_QUERY]), stage.c.stage == wanted.value)
            .order_by(stage.c.part_id, stage.c.generation)
        )
        newest.update((row.part_id, _result(row)) for row in rows)
    return newest


def latest_stage(connection: Connection, part_id: int, wanted: Stage) -> StageResult | None:
    """The newest result of stage ``wanted`` for the part, if it is done."""
    return latest_stages(connection, [part_id], wanted).get(part_id)


def commit_stage(
    connection: Connection,
    held: Lease,
    *,
    part_id: int,
    which: Stage,
    generation: int,
    code_version: str,
    files: list[StageFile],
    counts: dict[str, Any],
    seconds: float,
    now: int,
) -> int:
    """Records a finished stage, in the caller's transaction.

    Returns:
        The stage's id.

    Raises:
        LeaseLostError: another worker took over the part; the transaction must not commit.
    """
    check_lease(connection, held)
    inserted = connection.execute(
        sa.insert(stage)
        .values(
            part_id=part_id,
            stage=which.value,
            generation=generation,
            code_version=code_version,
            files=[asdict(file) for file in files],
            counts=counts,
            seconds=seconds,
            committed_at=now,
        )
        .returning(stage.c.id)
    )
    return inserted.scalar_one()
