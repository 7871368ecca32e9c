"""Live logs: what AWS would write in a stretch of time that has just ended, under the keys a configuration expects.

Belongs here: objects as a function of seed, start and stretch. Does not belong here: the records themselves
(``generator``), the clock and the bucket (``cli.emit``).

One object a source and stretch, of one account and region, drawn by how busy it is; more where one would be too big.
"""

import gzip
import json
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.hours import hour_key, hour_start
from s3sentinel_assets.local.generator import Generator, SeedObject, SourceName, attack_story
from s3sentinel_assets.local.generator.cast import ACCOUNTS, REGIONS
from s3sentinel_assets.local.generator.cloudtrail import records_file
from s3sentinel_assets.local.generator.draws import rng_for, uuid_text
from s3sentinel_assets.local.generator.flows import HEADERS
from s3sentinel_assets.local.generator.layout import cloudtrail_key, flow_log_key, pack
from s3sentinel_assets.local.generator.network import FlowLog, flow_logs

__all__ = ["ATTACK_SECONDS", "Emitted", "Emitter"]

#: How long the attack takes from its first call to its last, at its own pace.
ATTACK_SECONDS = 1_300.0

_OBJECT_EVENTS = 20_000
_ORGANIZATION = "o-sample00000"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Emitted:
    """An object to write, with the source and bucket it is for."""

    source: str
    bucket: str
    item: SeedObject


@dataclass(frozen=True)
class _Deed:
    """One event of the attack: when it is due, and its record or flow line, with another time in it."""

    offset: float
    kind: SourceName
    place: str
    text: str


class _Draft(NamedTuple):
    """An object that is not packed yet: its key in AWS's layout, its flow log (None: CloudTrail) and its events."""

    source: SourceSettings
    kind: SourceName
    key: str
    body: tuple[FlowLog | None, Sequence[str]]
    note: str | None = None


class Emitter:
    """Makes the objects of one stretch of time after the other.

    Args:
        sources: what to write for; each by its own format, bucket and prefix.
        seed: another seed is another company.
        start: first instant of the first stretch, aware. Equal arguments and stretches give equal bytes.
        rate: events a second and source.
        attack: seconds over which the attack story is spread, from ``start`` on; None: no attack.

    Raises:
        ConfigurationError: the logs of a source cannot be invented.
    """

    def __init__(
        self, sources: Sequence[SourceSettings], *, seed: int, start: datetime, rate: float, attack: float | None = None
    ) -> None:
        self._sources: list[tuple[SourceSettings, SourceName]] = [(source, _kind(source)) for source in sources]
        self._seed = seed
        self._start = start.astimezone(UTC)
        self._rate = rate
        self._generator = Generator(seed)
        self._places = _trail_places(self._generator)
        self._logs = flow_logs(seed)
        self._deeds = [] if attack is None else _deeds(self._generator, seed, self._start, attack)

    def stretch(self, begin: datetime, seconds: float, most: int | None = None) -> Iterator[Emitted]:
        """The objects of a stretch, as they arrive when it ends.

        Args:
            begin: its first instant, aware.
            seconds: its length.
            most: no more events than this.
        """
        left = most
        for source, kind, key, body, note in self._objects(begin.astimezone(UTC), seconds):
            texts = body[1] if left is None else body[1][:left]
            if not texts:
                return
            left = None if left is None else left - len(texts)
            end = (begin.astimezone(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
            packed = pack(records_file(texts) if body[0] is None else _flow_text(body[0], texts))
            item = SeedObject(kind, _key_in(source.prefix, key, end), packed, end, len(texts), note=note)
            yield Emitted(source.name, source.bucket, item)

    def _objects(self, begin: datetime, seconds: float) -> Iterator[_Draft]:
        end = begin + timedelta(seconds=seconds)
        for source, kind in self._sources:
            # The fractions of an event add up: 0.3 events a stretch are three in ten stretches.
            due = [int(self._rate * max(0.0, (at - self._start).total_seconds()) + 1e-6) for at in (begin, end)]
            rng = rng_for(self._seed, "emit", source.name, self._start.isoformat(), begin.isoformat())
            for first in range(due[0], due[1], _OBJECT_EVENTS):
                label = f"{source.name} {self._start.isoformat()} {first}"
                count = min(_OBJECT_EVENTS, due[1] - first)
                if kind == "cloudtrail":
                    (account, region), *_ = rng.choices(list(self._places), list(self._places.values()))
                    length = max(1, int(seconds))
                    records = self._generator.records(account, region, begin, length, count, label)
                    yield _Draft(source, kind, cloudtrail_key(account, region, end, rng), (None, records))
                else:
                    log, *_ = rng.choices(self._logs, [log.weight for log in self._logs])
                    # A flow log line covers a minute, which has to be over.
                    lines = self._generator.lines(log, end - timedelta(seconds=60), count, label)
                    yield _Draft(source, kind, self._flow_key(log, end, rng), (log, lines))
            yield from self._attack(source, kind, begin, end)

    def _attack(self, source: SourceSettings, kind: SourceName, begin: datetime, end: datetime) -> Iterator[_Draft]:
        """The deeds of the stretch, an object for each place."""
        since, until = ((at - self._start).total_seconds() for at in (begin, end))
        deeds: dict[str, list[str]] = {}
        for deed in self._deeds:
            if deed.kind == kind and since <= deed.offset < until:
                deeds.setdefault(deed.place, []).append(self._dated(deed, source.name))
        for place, texts in deeds.items():
            rng = rng_for(self._seed, "emit attack", source.name, place, begin.isoformat())
            if kind == "cloudtrail":
                account, region = place.split("|")
                yield _Draft(source, kind, cloudtrail_key(account, region, end, rng), (None, texts), "attack")
            else:
                log = next(log for log in self._logs if log.name == place)
                yield _Draft(source, kind, self._flow_key(log, end, rng), (log, texts), "attack")

    def _flow_key(self, log: FlowLog, end: datetime, rng: random.Random) -> str:
        return flow_log_key(log.account, log.region, log.name, end, rng)

    def _dated(self, deed: _Deed, source: str) -> str:
        """The deed's text at its real time and, for a record, with an id that no other story or source used."""
        when = self._start + timedelta(seconds=deed.offset)
        if deed.kind == "vpc_flow":
            header = HEADERS[next(log.version for log in self._logs if log.name == deed.place)].split(" ")
            fields = dict(zip(header, deed.text.split(" "), strict=True))
            length = int(fields["end"]) - int(fields["start"])
            fields |= {"start": str(int(when.timestamp()) - length), "end": str(int(when.timestamp()))}
            return " ".join(fields.values())
        record = json.loads(deed.text)
        record["eventTime"] = when.strftime(_TIME)
        record["eventID"] = uuid_text(rng_for(self._seed, "emit", source, self._start.isoformat(), record["eventID"]))
        attributes = record["userIdentity"].get("sessionContext", {}).get("attributes", {})
        if "creationDate" in attributes:
            attributes["creationDate"] = self._start.strftime(_TIME)
        return json.dumps(record, separators=(",", ":"))


def _kind(source: SourceSettings) -> SourceName:
    family = source.format
    if family not in ("cloudtrail", "vpc_flow"):
        raise ConfigurationError(
            f"sources.{source.name}: logs of format {family} cannot be invented; name a source with format "
            "cloudtrail or vpc_flow with --source"
        )
    return cast("SourceName", family)


def _trail_places(generator: Generator) -> Mapping[tuple[str, str], float]:
    """Account and region → how busy it is."""
    places = {(account, region): 0.0 for account in ACCOUNTS for region in REGIONS}
    for who in generator.cast:
        for region, share in who.regions.items():
            places[who.account, region] += who.rate * share
    return {place: weight for place, weight in places.items() if weight > 0}


def _flow_text(log: FlowLog, lines: Sequence[str]) -> str:
    return "\n".join([HEADERS[log.version], *lines, ""])


def _key_in(template: str, key: str, when: datetime) -> str:
    """The key of AWS's own layout, moved to where the source's prefix template looks."""
    _, account, _, region, *_, name = key.split("/")
    fields = {
        "account": account,
        "region": region,
        "organization": _ORGANIZATION,
        **{field: when.strftime(code) for field, code in _DATES.items()},
    }
    return string.Formatter().vformat(template, (), fields) + name


_DATES = {"yyyy": "%Y", "mm": "%m", "dd": "%d", "hh": "%H"}


def _deeds(generator: Generator, seed: int, start: datetime, seconds: float) -> list[_Deed]:
    """The attack story, deed by deed, spread over so many seconds."""
    hour = hour_key(start)
    begin = hour_start(hour)
    found: list[_Deed] = []
    for item in attack_story(generator, hour):
        text = gzip.decompress(item.body).decode()
        _, account, _, region, *_, name = item.key.split("/")
        if item.source == "cloudtrail":
            for record in json.loads(text)["Records"]:
                when = datetime.strptime(record["eventTime"], _TIME).replace(tzinfo=UTC)
                found.append(
                    _Deed((when - begin).total_seconds(), item.source, f"{account}|{region}", json.dumps(record))
                )
        else:
            header, *lines = text.splitlines()
            column = header.split(" ").index("end")
            log = next(log.name for log in flow_logs(seed) if log.name in name)
            for line in lines:
                offset = int(line.split(" ")[column]) - begin.timestamp()
                found.append(_Deed(offset, item.source, log, line))
    found.sort(key=lambda deed: deed.offset)
    first, last = found[0].offset, found[-1].offset
    factor = min(1.0, seconds / (last - first + 1))
    return [replace(deed, offset=(deed.offset - first) * factor) for deed in found]
