"""The generator: an hour of log files for a source, as a function of the seed and the hour alone.

Belongs here: how many events a window has, when they happen and into which files they go. Does not belong here: the
texts (``cloudtrail``, ``flows``), the keys (``layout``), the unusual objects (``attack``, ``oddities``).
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.local.generator.calls import CALLS
from s3sentinel_assets.local.generator.cast import ACCOUNTS, REGIONS, Principal, build_cast
from s3sentinel_assets.local.generator.cloudtrail import Scribe, records_file
from s3sentinel_assets.local.generator.draws import poisson, rng_for
from s3sentinel_assets.local.generator.flows import HEADERS, format_line, nodata_line, window_flows
from s3sentinel_assets.local.generator.layout import (
    WINDOW_SECONDS,
    cloudtrail_key,
    delivery,
    flow_log_key,
    pack,
    windows_of_hour,
)
from s3sentinel_assets.local.generator.model import SeedObject, SourceName
from s3sentinel_assets.local.generator.network import FlowLog, flow_logs

__all__ = ["Generator"]

#: Events an hour at scale 1, averaged over a working day: what ``event_rate`` is measured against.
_EVENTS_PER_HOUR: dict[SourceName, float] = {"cloudtrail": 1_000, "vpc_flow": 2_500}
_GLOBAL_REGION = REGIONS[0]
_Place = tuple[str, str] | FlowLog


class Generator:
    """Makes log files. Two generators with the same arguments make the same bytes.

    Args:
        seed: another seed is another company: other identifiers, other habits.
        scale: factor on the number of events. At 1 an hour has about 500 to 1,500 CloudTrail events (people work by
        day)
            and 2,500 flow log lines.
        event_rate: events a second and source instead of a scale.
        object_events: most events in one file; a busier window becomes several files.

    Raises:
        ValueError: both scale and rate given, or one that is not positive.
    """

    def __init__(
        self,
        seed: int = 7,
        scale: float | None = None,
        *,
        event_rate: float | None = None,
        object_events: int = 20_000,
    ) -> None:
        if scale is not None and event_rate is not None:
            raise ValueError("give either scale or event_rate, not both")
        if min(value for value in (scale, event_rate, object_events) if value is not None) <= 0:
            raise ValueError("scale, event_rate and object_events must be positive")
        self.seed = seed
        self.cast = build_cast(seed)
        self.scribe = Scribe(seed)
        self._scale: dict[SourceName, float] = {
            source: event_rate * 3600 / usual if event_rate is not None else (scale or 1.0)
            for source, usual in _EVENTS_PER_HOUR.items()
        }
        self._object_events = object_events
        self._habits = {(person, region): _Habit(person, region) for person in self.cast for region in REGIONS}

    def objects(self, source: SourceName, hour: str) -> Iterator[SeedObject]:
        """Every ordinary object that arrives in an hour.

        Args:
            source: ``cloudtrail`` or ``vpc_flow``.
            hour: hour key; the hour of arrival, so the first files hold events of the hour before.

        Yields:
            Objects, window by window.
        """
        for start in windows_of_hour(source, hour):
            for place in self._places(source):
                end = start + timedelta(seconds=WINDOW_SECONDS)
                arrival = delivery(source, end, rng_for(self.seed, "delivery", source, place, end.isoformat()))
                if hour_key(arrival) == hour:
                    yield from self._window(place, start, WINDOW_SECONDS, arrival)

    def live(self, source: SourceName, start: datetime, seconds: int) -> Iterator[SeedObject]:
        """The objects of one stretch of time, delivered the moment it ends: for writing live.

        Args:
            source: ``cloudtrail`` or ``vpc_flow``.
            start: first instant, aware, in whole seconds.
            seconds: length of the stretch.
        """
        start = start.astimezone(UTC)
        for place in self._places(source):
            yield from self._window(place, start, seconds, start + timedelta(seconds=seconds))

    def records(self, account: str, region: str, start: datetime, seconds: int, count: int, label: str) -> list[str]:
        """Exactly ``count`` CloudTrail records of ordinary activity, in time order, for an object of one's own making.

        Args:
            account: whose activity.
            region: recorded where.
            start: first instant, aware.
            seconds: length of the stretch the events lie in.
            count: how many.
            label: another label gives other events of the same stretch.
        """
        rng = rng_for(self.seed, "records", label, account, region, start.isoformat())
        cast = [who for who in self.cast if who.account == account and who.active(start) and region in who.regions]
        chosen = rng.choices(cast, [who.rate for who in cast], k=count)
        records = []
        for principal, offset in zip(chosen, sorted(rng.random() for _ in range(count)), strict=True):
            when = start + timedelta(seconds=int(offset * seconds))
            name, error = self._habits[principal, region].draw(rng)
            session = self.scribe.session(principal, when, rng)
            records.append(self.scribe.write(principal, session, name, when, region, rng, error=error))
        return records

    def lines(self, log: FlowLog, start: datetime, count: int, label: str) -> list[str]:
        """Exactly ``count`` flow log lines of ordinary traffic in the minute from ``start``, without the header."""
        rng = rng_for(self.seed, "lines", label, log.name, start.isoformat())
        first = int(start.timestamp())
        return [format_line(log, flow, first, first + 58) for flow in window_flows(rng, log, count)]

    def _places(self, source: SourceName) -> Sequence[_Place]:
        """What delivers files of its own: an account's region, or a flow log."""
        if source == "cloudtrail":
            return [(account, region) for account in ACCOUNTS for region in REGIONS]
        return flow_logs(self.seed)

    def _window(self, place: _Place, start: datetime, seconds: int, arrival: datetime) -> Iterator[SeedObject]:
        if isinstance(place, FlowLog):
            return self._flow_window(place, start, seconds, arrival)
        return self._trail_window(*place, start, seconds, arrival)

    def _trail_window(
        self, account: str, region: str, start: datetime, seconds: int, arrival: datetime
    ) -> Iterator[SeedObject]:
        rng = rng_for(self.seed, "cloudtrail", account, region, start.isoformat(), seconds)
        end = start + timedelta(seconds=seconds)
        drawn: list[tuple[float, Principal, str, str | None]] = []
        factor = self._scale["cloudtrail"] * seconds / 3600
        for principal in self.cast:
            if principal.account != account or not principal.active(start):
                continue
            share = principal.regions.get(region, 0)
            if principal.burst < 1 and rng.random() >= principal.burst:
                continue
            count = poisson(rng, principal.rate * share * factor / principal.burst)
            if count:
                habit = self._habits[principal, region]
                drawn.extend((rng.random() * seconds, principal, *habit.draw(rng)) for _ in range(count))
        drawn.sort(key=lambda item: item[0])
        write, session = self.scribe.write, self.scribe.session
        for first in range(0, len(drawn), self._object_events):
            records = []
            for offset, principal, name, error in drawn[first : first + self._object_events]:
                when = start + timedelta(seconds=int(offset))
                records.append(write(principal, session(principal, when, rng), name, when, region, rng, error=error))
            yield SeedObject(
                source="cloudtrail",
                key=cloudtrail_key(account, region, end, rng),
                body=pack(records_file(records)),
                last_modified=arrival,
                events=len(records),
            )

    def _flow_window(self, log: FlowLog, start: datetime, seconds: int, arrival: datetime) -> Iterator[SeedObject]:
        rng = rng_for(self.seed, "vpc_flow", log.name, start.isoformat(), seconds)
        end = start + timedelta(seconds=seconds)
        first = int(start.timestamp())
        minutes = max(1, seconds // 60)
        mean = _EVENTS_PER_HOUR["vpc_flow"] * log.weight * self._scale["vpc_flow"] * seconds / 3600
        count = poisson(rng, mean)
        lines: list[str] = []
        for minute in range(minutes):
            begin = first + minute * 60
            share = count * (minute + 1) // minutes - count * minute // minutes
            for flow in window_flows(rng, log, share):
                # A capture window opens some seconds after the minute, in steps the aggregation leaves visible.
                opened = begin + int(rng.random() * 6) * 5
                lines.append(format_line(log, flow, opened, opened + 58))
        lines.extend(nodata_line(log, idle, first, first + 60) for idle in log.interfaces["idle"] if rng.random() < 0.5)
        for offset in range(0, len(lines), self._object_events):
            yield self._flow_object(log, lines[offset : offset + self._object_events], end, arrival, rng)

    def _flow_object(
        self, log: FlowLog, lines: Sequence[str], end: datetime, arrival: datetime, rng: random.Random
    ) -> SeedObject:
        return SeedObject(
            source="vpc_flow",
            key=flow_log_key(log.account, log.region, log.name, end, rng),
            body=pack("\n".join([HEADERS[log.version], *lines, ""])),
            last_modified=arrival,
            events=len(lines),
        )


class _Habit:
    """A principal's choices in one region, ready to be drawn from."""

    def __init__(self, principal: Principal, region: str) -> None:
        calls = {
            name: weight
            for name, weight in principal.calls.items()
            if region == _GLOBAL_REGION or not CALLS[name].everywhere
        }
        self._names = list(calls)
        self._weights = list(accumulate(calls.values()))
        self._errors = principal.errors

    def draw(self, rng: random.Random) -> tuple[str, str | None]:
        """A call and the error it ends with, or None."""
        (name,) = rng.choices(self._names, cum_weights=self._weights)
        error = self._errors.get(name)
        return name, error[1] if error and rng.random() < error[0] else None
