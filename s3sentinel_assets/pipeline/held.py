"""What history does not learn at once: urgent events wait some days for an analyst's word.

Belongs here: which events of an hour wait, and which of those that wait are learned now. Does not belong here: the
ledger's rows (`ledger.held`), what analysts said (`ledger.verdicts`), when a state is made (``states``).

An attacker whose calls are learned becomes ordinary. So events that went out as critical or high are left out of the
state of their hour and kept in files of their own. They are learned by a later state: as soon as an analyst finds them
benign, or ``feedback.hold_days`` later unless one says attack. Events that nobody scored are learned.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.held import HeldEvents, NewHeld, Outcome, held_now, settle_held, split_held
from s3sentinel_assets.ledger.parts import Part
from s3sentinel_assets.ledger.stages import StageFile, StageResult
from s3sentinel_assets.ledger.states import SealedState
from s3sentinel_assets.ledger.verdicts import RecordedVerdict, Word, verdicts
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["URGENT", "Holding", "LeftOut", "Release", "hold_urgent", "left_out_of", "read_held", "release_due"]

#: Priorities that wait.
URGENT = ("critical", "high")
_WHO = ("account", "principal")
_ORDINAL, _ROW = "_ordinal", "_row"
_ACCOUNT_LENGTH = 255
#: An incident's verdict bears the time at which it was closed and is read later; so late at most, in microseconds.
_TOLD_LATE = 7 * 86_400_000_000

#: Part and ordinal of an entity file → its rows that are left out (UInt32).
LeftOut = Mapping[tuple[int, int], pl.Series]
_Who = tuple[str | None, str | None]


@dataclass
class Holding:
    """What an hour's state leaves out.

    Attributes:
        left_out: of which files which rows.
        rows: for the ledger.
    """

    left_out: dict[tuple[int, int], pl.Series] = field(default_factory=dict)
    rows: list[NewHeld] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many events are left out."""
        return sum(row.events for row in self.rows)


def hold_urgent(
    runtime: Runtime,
    hour: str,
    parts: Iterable[Part],
    parsed: Mapping[int, StageResult],
    scored: Mapping[int, StageResult],
    families: Collection[str],
) -> Holding:
    """Finds the urgent events of the parts and keeps their rows, one file for a part and format.

    Args:
        runtime: the runtime.
        hour: whose state is made.
        parts: what it learns.
        parsed: their entity files.
        scored: their scores, as recorded; a part without any is learned whole.
        families: the formats that are learned.
    """
    holding = Holding()
    if runtime.config.feedback.hold_days == 0:
        return holding
    for part in parts:
        if part.id not in parsed or part.id not in scored:
            continue
        scores = {file.ordinal: file for file in scored[part.id].files_of("scores")}
        urgent: dict[str, list[pl.DataFrame]] = defaultdict(list)
        for file in parsed[part.id].files_of("entities"):
            if file.format is None or file.format not in families or file.ordinal not in scores:
                continue
            rows = _urgent_rows(runtime, scores[file.ordinal])
            if rows.len():
                holding.left_out[part.id, file.ordinal] = rows
                urgent[file.format].append(_rows_of(runtime, file, rows))
        for log_format, frames in sorted(urgent.items()):
            holding.rows += _keep(runtime, f"{part.source}/{hour}/held", part.id, log_format, pl.concat(frames))
    return holding


def _urgent_rows(runtime: Runtime, scores: StageFile) -> pl.Series:
    path = runtime.store.checked_path(scores.uri, scores.sha256)
    return pl.read_parquet(path, columns=["Priority_CF"])["Priority_CF"].is_in(URGENT).arg_true()


def _rows_of(runtime: Runtime, file: StageFile, rows: pl.Series) -> pl.DataFrame:
    """The rows with their place. Names are as the ledger can keep them, so that both agree."""
    entities = pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256))[rows]
    account = pl.col("account").str.slice(0, _ACCOUNT_LENGTH)
    names = [
        value.str.replace_all("\0", "\N{REPLACEMENT CHARACTER}", literal=True).replace("", None).alias(name)
        for name, value in zip(_WHO, (account, pl.col("principal")), strict=True)
    ]
    return entities.with_columns(
        *names, pl.lit(file.ordinal, pl.Int32()).alias(_ORDINAL), rows.cast(pl.UInt32).alias(_ROW)
    )


def _keep(runtime: Runtime, folder: str, part_id: int, log_format: str, events: pl.DataFrame) -> list[NewHeld]:
    """Writes events of one part and format to a file; a row for each principal in it."""
    with runtime.store.create(folder, ".parquet") as writer:
        events.write_parquet(writer.path, compression="zstd", statistics=False)
    stored = writer.finished
    counted = events.group_by(_WHO).len().sort(_WHO, nulls_last=True)
    return [
        NewHeld(part_id, log_format, account, principal, count, stored.uri, stored.sha256)
        for account, principal, count in counted.iter_rows()
    ]


def left_out_of(runtime: Runtime, rows: Sequence[HeldEvents]) -> LeftOut:
    """What a state left out, from the ledger's rows."""
    found: dict[tuple[int, int], list[pl.Series]] = defaultdict(list)
    for row in rows:
        events = read_held(runtime, row, [_ORDINAL, _ROW])
        for (ordinal,), group in events.group_by(_ORDINAL):
            found[row.part_id, int(str(ordinal))].append(group[_ROW])
    return {place: pl.concat(series).sort() for place, series in found.items()}


def read_held(runtime: Runtime, row: HeldEvents, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The events of a row; all columns of the entity view and their places, or only ``columns``."""
    frame = pl.read_parquet(runtime.store.checked_path(row.uri, row.sha256))
    mine = frame.filter(pl.col("account").eq_missing(row.account) & pl.col("principal").eq_missing(row.principal))
    return mine if columns is None else mine.select(columns)


_Piece = tuple[NewHeld, Outcome | None]


@dataclass
class Release:
    """What is done about events that are held.

    Attributes:
        learned: the rows to learn, whole or in pieces: format → rows.
        counts: events by outcome.
    """

    learned: dict[str, list[HeldEvents]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=dict)
    _settled: list[tuple[HeldEvents, Outcome | None]] = field(default_factory=list)
    _split: list[tuple[HeldEvents, list[_Piece]]] = field(default_factory=list)

    def batches(self, runtime: Runtime, log_format: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The events to learn of one format."""
        for row in self.learned.get(log_format, ()):
            yield read_held(runtime, row, columns)

    def settle(self, row: HeldEvents, outcome: Outcome | None, pieces: list[_Piece] | None = None) -> None:
        """Notes the outcome of a row, or of its pieces."""
        for piece, each in pieces or [(row, outcome)]:
            if each is not None:
                self.counts[each.value] = self.counts.get(each.value, 0) + piece.events
            if each in (Outcome.WAITED, Outcome.CLEARED):
                learned = row if piece is row else replace(row, uri=piece.uri, sha256=piece.sha256, events=piece.events)
                self.learned[row.format].append(learned)
        if pieces:
            self._split.append((row, pieces))
        else:
            self._settled.append((row, outcome))

    def commit(self, connection, state_id: int) -> None:
        """Records the outcomes, in the transaction that commits the state."""

        def by(outcome: Outcome | None) -> int | None:
            return state_id if outcome in (Outcome.WAITED, Outcome.CLEARED) else None

        for row, outcome in self._settled:
            settle_held(connection, [row.id], outcome, by(outcome))
        for row, pieces in self._split:
            split_held(connection, row, [(piece, outcome, by(outcome)) for piece, outcome in pieces])


def release_due(
    runtime: Runtime, source: str, hour: str, newest: SealedState | None, families: Collection[str]
) -> Release:
    """What the state of ``hour`` does about events that earlier states left out: verdicts as they are known now.

    Args:
        runtime: the runtime.
        source: the source's name.
        hour: whose state is made.
        newest: the state before it; what was called an attack is looked at again if a verdict came since.
        families: the formats that are learned.
    """
    release, now = Release(), runtime.ledger.now()
    with runtime.ledger.read() as connection:
        since = newest.sealed_at - _TOLD_LATE if newest else 0
        spoken = bool(verdicts(connection, since=since, until=now, source=source, limit=1))
        rows = [row for row in held_now(connection, source, attacks=spoken) if row.format in families]
        if not rows:
            return release
        oldest = to_micros(hour_start(min(row.part_hour for row in rows)))
        given = _Given(verdicts(connection, since=oldest, until=now, source=source))
    due = shift_hour(hour, -24 * runtime.config.feedback.hold_days)
    for row in rows:
        _decide(runtime, release, row, given, over=row.hour <= due)
    return release


class _Given:
    """Verdicts, the later ones last."""

    def __init__(self, given: Sequence[RecordedVerdict]) -> None:
        self.about_hours = [one for one in given if one.event_id is None]
        self.about_events = {one.event_id: one for one in given if one.event_id is not None}

    def about_hour(self, row: HeldEvents) -> RecordedVerdict | None:
        """The newest verdict about what the principal did in the part's hour."""
        mine = [
            one
            for one in self.about_hours
            if (one.principal, one.hour) == (row.principal, row.part_hour) and one.account in (None, row.account)
        ]
        return mine[-1] if mine else None


def _decide(runtime: Runtime, release: Release, row: HeldEvents, given: _Given, *, over: bool) -> None:
    """Settles a row; where its events were judged differently it is split."""
    general = given.about_hour(row)
    words = {_outcome(general, over): row.events}
    if given.about_events:
        events = read_held(runtime, row)
        outcomes = [
            _outcome(_later(general, given.about_events.get(event_id)), over) for event_id in events["event_id"]
        ]
        words = {outcome: outcomes.count(outcome) for outcome in outcomes}
        if len(words) > 1:
            _split(runtime, release, row, events, outcomes)
            return
    (outcome,) = words
    if (outcome.value if outcome else None) != row.outcome:
        release.settle(row, outcome)


def _split(
    runtime: Runtime, release: Release, row: HeldEvents, events: pl.DataFrame, outcomes: Sequence[Outcome | None]
) -> None:
    told = pl.Series("outcome", [outcome.value if outcome else "" for outcome in outcomes], dtype=pl.String)
    pieces: list[_Piece] = []
    for name in sorted(set(told)):
        folder = f"{row.source}/{row.hour}/held"
        (piece,) = _keep(runtime, folder, row.part_id, row.format, events.filter(told == name))
        pieces.append((piece, Outcome(name) if name else None))
    release.settle(row, None, pieces)


def _later(first: RecordedVerdict | None, second: RecordedVerdict | None) -> RecordedVerdict | None:
    if first is None or second is None:
        return first or second
    return max(first, second, key=lambda one: (one.at, one.id))


def _outcome(verdict: RecordedVerdict | None, over: bool) -> Outcome | None:
    word = verdict.verdict if verdict else Word.UNSURE
    if word is Word.ATTACK:
        return Outcome.ATTACK
    if word is Word.BENIGN:
        return Outcome.CLEARED
    return Outcome.WAITED if over else None
