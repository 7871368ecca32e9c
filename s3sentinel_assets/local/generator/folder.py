"""Generated logs as files of a folder, laid out like a bucket: for notebooks and trials without any S3.

Belongs here: writing them. Does not belong here: making objects, or putting them into a bucket (``seeding``).
"""

from collections.abc import Iterator
from pathlib import Path

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_range, hour_start, shift_hour
from s3sentinel_assets.local.generator.attack import attack_story
from s3sentinel_assets.local.generator.generator import Generator
from s3sentinel_assets.local.generator.model import SeedObject, SourceName

__all__ = ["write_logs"]


def write_logs(
    folder: Path,
    first: str,
    hours: int,
    *,
    seed: int = 7,
    scale: float = 1.0,
    sources: tuple[SourceName, ...] = ("cloudtrail",),
    attack_hour: str | None = None,
) -> int:
    """Writes the logs of some hours.

    Args:
        folder: is made when missing.
        first: hour key.
        hours: how many.
        seed: another seed is another company.
        scale: factor on the number of events; 1 is about 1,000 CloudTrail events an hour.
        sources: which kinds of logs.
        attack_hour: the hour in which a stolen key is used (`attack_story`); None: nothing happens.

    Returns:
        How many events were written.

    Raises:
        UserError: the folder cannot be written.
    """
    events = 0
    try:
        for item in _objects(Generator(seed, scale), first, hours, sources, attack_hour):
            path = folder / item.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.body)
            events += item.events
    except OSError as error:
        raise UserError(f"generated logs cannot be written to {folder} ({error.strerror}); name another one") from error
    return events


def _objects(
    generator: Generator, first: str, hours: int, sources: tuple[SourceName, ...], attack_hour: str | None
) -> Iterator[SeedObject]:
    for hour in hour_range(first, shift_hour(first, hours - 1)):
        for source in sources:
            # One file an hour and place: thousands of small ones take longer to read than what is in them.
            yield from generator.live(source, hour_start(hour), 3_600)
        if hour == attack_hour:
            yield from (item for item in attack_story(generator, hour) if item.source in sources)
