"""The inputs: one hour of log objects per source as files, made once and kept.

Belongs here: choosing, varying and caching objects. Does not belong here: what is done with them.
"""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import s3sentinel_assets
from benchmarks.variation import varied
from s3sentinel_assets.local.generator import Generator, SeedObject

__all__ = ["HISTORY", "HOUR", "SOURCES", "InputObject", "InputSet", "Source", "code_digest", "make_inputs"]

Source = Literal["cloudtrail", "vpc_flow"]
SOURCES: tuple[Source, ...] = ("cloudtrail", "vpc_flow")
#: The hour that is measured: a working day's morning.
HOUR = "2026-11-20-10:00"
#: The hours that the state has learnt, old enough that principals are no newcomers.
HISTORY = ("2026-11-16-10:00", "2026-11-17-10:00", "2026-11-18-10:00", "2026-11-19-10:00", "2026-11-20-09:00")

#: Raised when the variation gives other bytes; the generator is told by its code.
_VERSION = 3
#: Raw bytes an hour at scale 1, low: the hour is then full before its last window.
_HOURLY_BYTES: dict[Source, float] = {"cloudtrail": 1_350_000, "vpc_flow": 280_000}
#: Most events in one object: keeps it below 5 MB and 4 MB raw.
_OBJECT_EVENTS: dict[Source, int] = {"cloudtrail": 3_000, "vpc_flow": 32_000}
#: Above this scale objects stop growing, and an hour gets more objects instead.
_TOP_SCALE: dict[Source, float] = {"cloudtrail": 120.0, "vpc_flow": 260.0}


@dataclass(frozen=True)
class InputObject:
    """One object: a file and what S3 would say about it."""

    file: str
    key: str
    size: int
    etag: str
    last_modified: str
    events: int
    raw_bytes: int


@dataclass(frozen=True)
class InputSet:
    """The objects of one source and hour."""

    source: Source
    hour: str
    folder: Path
    objects: tuple[InputObject, ...]

    @property
    def events(self) -> int:
        """Records in all objects."""
        return sum(entry.events for entry in self.objects)

    @property
    def raw_bytes(self) -> int:
        """Bytes of all objects once decompressed."""
        return sum(entry.raw_bytes for entry in self.objects)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all objects as stored."""
        return sum(entry.size for entry in self.objects)

    @property
    def largest(self) -> int:
        """Raw bytes of the largest object."""
        return max(entry.raw_bytes for entry in self.objects)


def make_inputs(
    work: Path, source: Source, size: int, *, seed: int = 7, hour: str = HOUR, made: Callable[[int], object] = id
) -> InputSet:
    """The objects of an hour with at least ``size`` raw bytes together, from the cache where they were made before.

    Args:
        work: folder of the cache.
        source: which logs.
        size: raw bytes; the last object may go beyond.
        seed: another seed gives other logs.
        hour: the hour in which the objects arrive.
        made: called with the raw bytes of every object made.
    """
    name = f"{source}-{hour.replace(':', '')}-{size}-seed{seed}-v{_VERSION}-{code_digest('local/generator')}"
    folder = work / "inputs" / name
    manifest = folder / "manifest.json"
    if manifest.is_file():
        entries = json.loads(manifest.read_text(encoding="utf-8"))
        return InputSet(source, hour, folder, tuple(InputObject(**entry) for entry in entries))
    unfinished = folder.with_name(f"{name}.{os.getpid()}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    entries, total = [], 0
    for entry in _objects(unfinished, source, size, seed, hour):
        entries.append(entry)
        total += entry.raw_bytes
        made(entry.raw_bytes)
        if total >= size:
            break
    (unfinished / "manifest.json").write_text(json.dumps([asdict(entry) for entry in entries]), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return InputSet(source, hour, folder, tuple(entries))


def _objects(folder: Path, source: Source, size: int, seed: int, hour: str) -> Iterator[InputObject]:
    """Objects of the hour without end: when the hour of one company is through, another company's begins."""
    scale = min(max(size / _HOURLY_BYTES[source], 0.1), _TOP_SCALE[source])
    count = 0
    for company in range(seed, seed + 1_000):
        generator = Generator(company, scale, object_events=_OBJECT_EVENTS[source])
        for item in generator.objects(source, hour):
            if item.events:
                yield _write(folder, count, item, company)
                count += 1


def _write(folder: Path, number: int, item: SeedObject, seed: int) -> InputObject:
    raw = varied(item.source, gzip.decompress(item.body).decode(), seed, item.key).encode()
    body = gzip.compress(raw, compresslevel=6, mtime=0)
    file = f"{number:05d}.gz"
    (folder / file).write_bytes(body)
    return InputObject(
        file=file,
        key=item.key,
        size=len(body),
        etag=hashlib.md5(body, usedforsecurity=False).hexdigest(),
        last_modified=item.last_modified.isoformat(),
        events=item.events,
        raw_bytes=len(raw),
    )


def code_digest(*packages: str) -> str:
    """Ten digits that change with the code of these packages of the product: what they made is then made anew."""
    digest = hashlib.sha256()
    root = Path(s3sentinel_assets.__file__).parent
    for package in packages:
        for file in sorted((root / package).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:10]
