"""Files of history: the entity states or the in-hour counters of every log family that a source is scored by.

A state's file is whole, or says what changed since a whole one; it is read from two files at most.

Belongs here: how several families share one file, so that the ledger names one file a state and one a pin. Does not
belong here: what a snapshot holds (``ml``), or when one is made (``states``, ``scoring``).

A source of one format has a plain Parquet file. One whose objects are recognised by content has a zip file with one
Parquet file a family in it, named ``<family>.parquet``.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.states import SealedState, state_by_id
from s3sentinel_assets.store import Store

if TYPE_CHECKING:
    from s3sentinel_assets.ml import Counters, EntityState
    from s3sentinel_assets.ml.history.deltas import StateChanges

__all__ = [
    "History",
    "joint_version",
    "read_counters",
    "read_history",
    "read_states",
    "scored_families",
    "suffix_of",
    "write_histories",
]

_ZIPPED = b"PK"
_SUFFIX = ".parquet"


class _Snapshot(Protocol):
    def to_parquet(self, path: IO[bytes]) -> None: ...


_Read = TypeVar("_Read")


def scored_families(source: SourceSettings) -> tuple[str, ...]:
    """The formats of the source that there are scoring models for."""
    from s3sentinel_assets.ml.history.keys import FORMATS

    return tuple(name for name in FORMATS if name in source.formats)


def joint_version(versions: Iterable[str]) -> str:
    """One word for the versions of several models, short enough for the ledger; of one it is its own."""
    each = tuple(versions)
    if len(each) < 2:
        return "".join(each)
    return f"several-{hashlib.sha256(' '.join(each).encode()).hexdigest()[:12]}"


def suffix_of(source: SourceSettings) -> str:
    """The file name suffix of the source's histories."""
    return _SUFFIX if len(source.formats) == 1 else ".zip"


def write_histories(path: Path, source: SourceSettings, snapshots: Mapping[str, _Snapshot]) -> None:
    """Writes the snapshots of the source's families; equal snapshots give equal bytes.

    Args:
        path: the file; its suffix should be that of `suffix_of`.
        source: whose they are.
        snapshots: family → states or counters; for a source of one format exactly one.
    """
    if suffix_of(source) == _SUFFIX:
        (snapshot,) = snapshots.values()
        with path.open("wb") as plain:
            snapshot.to_parquet(plain)
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
        for family, snapshot in sorted(snapshots.items()):
            data = io.BytesIO()
            snapshot.to_parquet(data)
            bundle.writestr(zipfile.ZipInfo(family + _SUFFIX), data.getvalue())  # such an entry has no time


def read_states(path: Path) -> "dict[str, EntityState]":
    """Family → entity state.

    Raises:
        ScoringUnavailable: the file is damaged or something else.
    """
    from s3sentinel_assets.ml import EntityState

    return {state.format: state for _, state in _read(path, EntityState.from_parquet)}


@dataclass(frozen=True)
class History:
    """A sealed state as it was read.

    Attributes:
        states: by log family.
        whole: the whole states that ``states`` were read from, by log family; the same if the file itself is whole.
    """

    states: "Mapping[str, EntityState]" = field(default_factory=dict)
    whole: "Mapping[str, EntityState]" = field(default_factory=dict)


def read_history(ledger: Ledger, store: Store, sealed: SealedState) -> History:
    """Reads a sealed state, with the whole one that it builds on.

    Raises:
        ScoringUnavailable: a file is damaged, something else, or was given up by housekeeping.
        UserError: a file is missing, or its checksum is not the recorded one.
    """
    from s3sentinel_assets.ml.history.deltas import StateChanges, with_changes

    if sealed.whole_id is None:
        states = read_states(_checked(store, sealed))
        return History(states, states)
    with ledger.read() as connection:
        base = state_by_id(connection, sealed.whole_id)
    assert base is not None  # noqa: S101 - a foreign key
    whole = read_states(_checked(store, base))
    states = {}
    for _, read in _read(_checked(store, sealed), _state_or_changes):
        if isinstance(read, StateChanges):
            if read.format not in whole:
                raise _damaged(f"the state of {base.hour} lacks the history of {read.format} that {sealed.hour} needs")
            states[read.format] = with_changes(whole[read.format], read)
        else:
            states[read.format] = read
    return History(states, whole)


def _state_or_changes(data: bytes) -> "EntityState | StateChanges":
    """A family that the whole state does not know yet is whole in a file of changes, too."""
    from s3sentinel_assets.ml import EntityState, ScoringUnavailable
    from s3sentinel_assets.ml.history.deltas import StateChanges

    try:
        return StateChanges.from_parquet(data)
    except ScoringUnavailable:
        return EntityState.from_parquet(data)


def _checked(store: Store, sealed: SealedState) -> Path:
    if not sealed.uri:
        raise _damaged(f"the state of {sealed.hour} was deleted by housekeeping")
    return store.checked_path(sealed.uri, sealed.sha256)


def _damaged(why: str) -> Exception:
    from s3sentinel_assets.ml import ScoringUnavailable

    return ScoringUnavailable(why)


def read_counters(path: Path, families: Sequence[str]) -> "dict[str, Counters]":
    """Family → in-hour counters.

    Args:
        path: the file.
        families: of the source. A plain file does not name its family: it counts for the source's only one, and for
            none if the source got several since.

    Raises:
        ScoringUnavailable: the file is damaged or something else.
    """
    from s3sentinel_assets.ml import Counters

    found = dict(_read(path, Counters.from_parquet))
    if "" in found:
        return {families[0]: found[""]} if len(families) == 1 else {}
    return found


def _read(path: Path, read: Callable[[bytes], _Read]) -> list[tuple[str, _Read]]:
    """Family and snapshot of each; the family is empty for a plain file."""
    from s3sentinel_assets.ml import ScoringUnavailable

    data = path.read_bytes()
    if not data.startswith(_ZIPPED):
        return [("", read(data))]
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            return [(name.removesuffix(_SUFFIX), read(bundle.read(name))) for name in bundle.namelist()]
    except zipfile.BadZipFile as error:
        raise ScoringUnavailable(f"the history {path.name} is damaged: {error}") from None
