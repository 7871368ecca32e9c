"""Objects that are not as they should be, and what a correct pipeline makes of each.

Belongs here: malformed, empty, duplicated, late and oddly named objects. Does not belong here: the attack
(``attack``) and which of them a demo contains (``scenario``).

How records are counted: every whole record counts; what is left after the last whole record of a cut or unreadable
object counts as one quarantined record; an empty object has none.
"""

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.local.generator.cast import PROD, REGIONS
from s3sentinel_assets.local.generator.cloudtrail import records_file
from s3sentinel_assets.local.generator.draws import rng_for
from s3sentinel_assets.local.generator.flows import HEADERS
from s3sentinel_assets.local.generator.generator import Generator
from s3sentinel_assets.local.generator.layout import cloudtrail_key, flow_log_key, pack
from s3sentinel_assets.local.generator.model import SeedObject, SourceName
from s3sentinel_assets.local.generator.network import FlowLog, flow_logs

__all__ = ["empty_object", "late_object", "malformed_objects", "odd_key_object", "regional_duplicates"]

_HOME, _OTHER = REGIONS
_INTACT = 9


def malformed_objects(generator: Generator, hour: str, source: SourceName) -> Iterator[SeedObject]:
    """Damaged objects of one source: cut text, cut gzip, content that is something else, lines with too few fields."""
    if source == "cloudtrail":
        whole = records_file(_records(generator, hour, _INTACT + 1, "cut"))
        last = whole.rindex('{"eventVersion"')
        cut = whole[: last + 400]
        yield _trail(generator, hour, "json cut in half", pack(cut), events=_INTACT, quarantined=1)
        page = "<html><body><h1>503 Service Unavailable</h1></body></html>\n"
        yield _trail(generator, hour, "not a log", pack(page), events=0, quarantined=1)
        return
    log = _log(generator)
    lines = generator.lines(log, hour_start(hour) + timedelta(minutes=10), 40, "short lines")
    for index in (5, 17, 30):
        lines[index] = " ".join(lines[index].split(" ")[:6])
    text = "\n".join([HEADERS[log.version], *lines, ""])
    yield _flow(generator, hour, "lines with too few fields", pack(text), events=37, quarantined=3)
    text = "\n".join([HEADERS[log.version], *generator.lines(log, hour_start(hour), _INTACT, "gzip cut"), ""])
    yield _flow(generator, hour, "gzip cut off", _unfinished_gzip(text), events=_INTACT, quarantined=1)


def empty_object(generator: Generator, hour: str, source: SourceName) -> SeedObject:
    """An object of 0 bytes."""
    make = _trail if source == "cloudtrail" else _flow
    return make(generator, hour, "empty", b"", events=0)


def regional_duplicates(generator: Generator, hour: str) -> Iterator[SeedObject]:
    """Events of a global service in the files of two regions: the same event ids twice."""
    both = _records(generator, hour, 14, "global")
    own = _records(generator, hour, 6, "regional")
    yield _trail(generator, hour, "first copy", pack(records_file(both)), events=len(both))
    yield _trail(
        generator,
        hour,
        "events delivered twice",
        pack(records_file([*own, *both])),
        events=len(own),
        filtered=len(both),
        region=_OTHER,
    )


def late_object(generator: Generator, hour: str, source: SourceName) -> SeedObject:
    """An object of the hour's last minutes that turns up only after the hour was processed; the caller puts it late."""
    if source == "cloudtrail":
        return _trail(generator, hour, "late", pack(records_file(_records(generator, hour, 25, "late"))), events=25)
    log = _log(generator)
    lines = generator.lines(log, hour_start(hour) + timedelta(minutes=50), 60, "late")
    return _flow(generator, hour, "late", pack("\n".join([HEADERS[log.version], *lines, ""])), events=60)


def odd_key_object(generator: Generator, hour: str, source: SourceName) -> SeedObject:
    """An object whose key holds spaces, ``+``, ``%`` and letters beyond ASCII."""
    if source == "cloudtrail":
        return _trail(generator, hour, "odd key", pack(records_file(_records(generator, hour, 7, "odd"))), events=7)
    log = _log(generator)
    lines = generator.lines(log, hour_start(hour) + timedelta(minutes=12), 11, "odd")
    return _flow(generator, hour, "odd key", pack("\n".join([HEADERS[log.version], *lines, ""])), events=11)


def _log(generator: Generator) -> FlowLog:
    return flow_logs(generator.seed)[0]


def _records(generator: Generator, hour: str, count: int, label: str) -> list[str]:
    return generator.records(PROD, _HOME, hour_start(hour) + timedelta(minutes=15), 240, count, label)


def _unfinished_gzip(text: str) -> bytes:
    """A gzip file that stops after ``text``: everything of it can be decoded, the end mark and checksum are missing."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    # A full flush ends on a byte, so that every decoder gets exactly this much and no half line more.
    return packer.compress(text.encode()) + packer.flush(zlib.Z_FULL_FLUSH)


def _arrival(hour: str, note: str) -> datetime:
    return hour_start(hour) + timedelta(minutes=59 if note == "late" else 33, seconds=len(note))


def _name(key: str, note: str) -> str:
    """The key with the last part of its name made odd, where the note asks for it."""
    if note != "odd key":
        return key
    folder, _, name = key.rpartition("/")
    return f"{folder}/copy of 100%+ (é, %2B) {name}"


def _trail(
    generator: Generator,
    hour: str,
    note: str,
    body: bytes,
    *,
    events: int,
    quarantined: int = 0,
    filtered: int = 0,
    region: str = _HOME,
) -> SeedObject:
    rng = rng_for(generator.seed, "oddity", note, hour)
    stamp = hour_start(hour) + timedelta(minutes=55 if note == "late" else 20)
    key = _name(cloudtrail_key(PROD, region, stamp, rng), note)
    return SeedObject("cloudtrail", key, body, _arrival(hour, note), events, quarantined, filtered, note)


def _flow(generator: Generator, hour: str, note: str, body: bytes, *, events: int, quarantined: int = 0) -> SeedObject:
    log = _log(generator)
    rng = rng_for(generator.seed, "oddity", note, hour)
    stamp = hour_start(hour) + timedelta(minutes=55 if note == "late" else 20)
    key = _name(flow_log_key(log.account, log.region, log.name, stamp, rng), note)
    return SeedObject("vpc_flow", key, body, _arrival(hour, note), events, quarantined, 0, note)
