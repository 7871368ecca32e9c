"""A scenario: everything a demo or an end-to-end test seeds over some hours, and what a correct pipeline must count.

Belongs here: which unusual objects lie in which hour and the sums over them. Does not belong here: making them. The
expected numbers come from the generator alone; no part of the pipeline takes part in them.
"""

from collections.abc import Iterator, Sequence

from s3sentinel_assets.local.generator.attack import attack_story
from s3sentinel_assets.local.generator.generator import Generator
from s3sentinel_assets.local.generator.model import Expected, SeedObject, SourceName
from s3sentinel_assets.local.generator.oddities import (
    empty_object,
    late_object,
    malformed_objects,
    odd_key_object,
    regional_duplicates,
)

__all__ = ["SOURCES", "Scenario"]

SOURCES: tuple[SourceName, ...] = ("cloudtrail", "vpc_flow")


class Scenario:
    """The sample hours of a demo.

    With three hours or more: damaged objects in the first, empty and oddly named ones and events delivered twice in
    the second, the attack in the last, a late object for the first. With fewer, several of these fall into one hour.

    Args:
        generator: makes the objects.
        hours: hour keys in order.

    Attributes:
        attack_hour: the hour of the attack story.
        late_hour: the hour the late objects belong to.

    Raises:
        ValueError: no hours.
    """

    def __init__(self, generator: Generator, hours: Sequence[str]) -> None:
        if not hours:
            raise ValueError("a scenario needs at least one hour")
        self.generator = generator
        self.hours = tuple(hours)
        self.attack_hour = self.hours[-1]
        self.late_hour = self.hours[0]
        self._odd_hour = self.hours[min(1, len(self.hours) - 1)]

    def objects(self) -> Iterator[SeedObject]:
        """What lies in the bucket before the first run."""
        for hour in self.hours:
            for source in SOURCES:
                yield from self.generator.objects(source, hour)
                yield from self._odd_objects(source, hour)
            if hour == self.attack_hour:
                yield from attack_story(self.generator, hour)

    def _odd_objects(self, source: SourceName, hour: str) -> Iterator[SeedObject]:
        if hour == self.hours[0]:
            yield from malformed_objects(self.generator, hour, source)
        if hour == self._odd_hour:
            yield empty_object(self.generator, hour, source)
            yield odd_key_object(self.generator, hour, source)
            if source == "cloudtrail":
                yield from regional_duplicates(self.generator, hour)

    def late_objects(self) -> Iterator[SeedObject]:
        """What turns up after the hours were processed; its LastModified lies in `late_hour`."""
        for source in SOURCES:
            yield late_object(self.generator, self.late_hour, source)

    def expected(self, *, late: bool) -> dict[tuple[SourceName, str], Expected]:
        """What must be counted for each (source, hour).

        Args:
            late: whether the late objects have arrived.
        """
        sums: dict[tuple[SourceName, str], Expected] = {
            (source, hour): Expected() for hour in self.hours for source in SOURCES
        }
        for item in self.objects():
            sums[item.source, item.hour].add(item)
        if late:
            for item in self.late_objects():
                sums[item.source, item.hour].add(item)
        return sums
