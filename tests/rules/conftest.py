"""A workspace that holds the demo's attack and the hours before it, filled by the pipeline itself."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3sentinel_assets.hours import hour_end, hour_key, hour_start, shift_hour, utc_now
from s3sentinel_assets.local.generator import SOURCES, Generator, attack_story, seed
from s3sentinel_assets.local.laptop import BUCKET, start_laptop
from s3sentinel_assets.pipeline import delivery, discovery, parsing, scoring, states
from s3sentinel_assets.pipeline.runtime import Runtime

REPOSITORY = Path(__file__).resolve().parents[2]
QUIET_HOURS = 3


@dataclass(frozen=True)
class AttackedWorkspace:
    """A served workspace: ``ask`` goes through the query API.

    Attributes:
        quiet: beginning and end of the hours of ordinary activity.
        attack: beginning and end of the hour with the attack in it.
        config: the configuration file that reaches it.
        folder: its data directory.
    """

    runtime: Runtime
    quiet: tuple[datetime, datetime]
    attack: tuple[datetime, datetime]
    config: Path
    folder: Path

    def ask(self, kql: str, span: tuple[datetime, datetime]) -> list[dict[str, Any]]:
        return self.runtime.query.run(kql, span)


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedWorkspace]:
    # Yesterday by day, whatever the time is now: people work then. Older rows would lose their TimeGenerated.
    last = hour_key((utc_now() - timedelta(days=1)).replace(hour=14))
    hours = [shift_hour(last, -back) for back in range(QUIET_HOURS, -1, -1)]
    generator = Generator()
    with contextlib.ExitStack() as stack:
        home = tmp_path_factory.mktemp("rules")
        laptop = stack.enter_context(
            start_laptop(
                home, start=hour_start(hours[0]).isoformat(), grace_minutes=0, models_dir=str(REPOSITORY / "models")
            )
        )
        objects = [item for hour in hours for source in SOURCES for item in generator.objects(source, hour)]
        seed(laptop.aws.client(), BUCKET, [*objects, *attack_story(generator, hours[-1])])
        runtime = Runtime(laptop.config())
        stack.callback(runtime.close)
        for source in SOURCES:
            for hour in hours:
                discovery.discover(runtime, source, [hour])
                parsing.parse_hour(runtime, source, hour)
                scoring.score_hour(runtime, source, hour)
                delivery.deliver_hour(runtime, source, hour)
                states.seal_hour(runtime, source, hour)
                states.advance_state(runtime, source, hour)
        # The first files of an hour hold the last minutes of the hour before.
        quiet = (hour_start(shift_hour(hours[0], -1)), hour_start(hours[-1]))
        attack = (hour_start(hours[-1]), hour_end(hours[-1]))
        yield AttackedWorkspace(runtime, quiet, attack, laptop.config_file, laptop.workspace.data_dir)
