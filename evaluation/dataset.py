"""Data sets: a background, who is who in it, and the attacks that are put into it.

Belongs here: the generated one and one from folders, both in the same form; which hours are for what. Does not belong
here: how either is made (``background``, ``attacks``), replaying it (``seed``).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ml.evaluation.transplant import SEQUENCE_SCHEMA

if TYPE_CHECKING:
    from evaluation import attacks

__all__ = ["LABELLED", "OWN_STORIES", "VICTIM_KINDS", "Dataset", "Plan", "Window", "open_dataset", "shared_labelled"]

#: Whose names are used: neither services nor scanners sign in with credentials that somebody could steal one by one.
VICTIM_KINDS = ("human", "admin", "workload", "ci")
#: Beside the project: labelled attacks that others published.
LABELLED = Path("data") / "labelled"
#: Origin of the attacks where nobody else's are there.
OWN_STORIES = "own stories"
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Window:
    """How many days are for what, in this order."""

    history: int = 3
    training: int = 7
    test: int = 4

    @property
    def days(self) -> int:
        """All of them."""
        return self.history + self.training + self.test

    def split(self, hours: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        """Hours of history, training and test: the last days are for the test, those before them for training.

        Raises:
            UserError: there are fewer than three days.
        """
        if len(hours) < 72:
            raise UserError(f"the background spans {len(hours)} hours; an evaluation needs 72 or more, better 14 days")
        training, test = self.training * 24, self.test * 24
        if len(hours) < self.days * 24:
            test = max(len(hours) * self.test // self.days, 24)
            training = max(len(hours) * self.training // self.days, 24)
        begin, end = len(hours) - test - training, len(hours) - test
        return list(hours[:begin]), list(hours[begin:end]), list(hours[end:])


@dataclass(frozen=True)
class Plan:
    """What is evaluated; plain values, so that it can be handed to another process.

    Attributes:
        seeds: of the generated backgrounds and of all draws.
        window: days.
        scale: size of the generated background; 1 is about 75,000 events a day.
        copies: incidents of each recorded sequence.
        background: folder of CloudTrail logs instead of a generated background.
        attacks: folder of labelled attacks instead of the shared one.
        models_dir: the models as shipped.
        poisoning: seeds for which the replays with a poisoned history are made.
        supervised: whether models that learn from labels are compared.
        part_minutes: arrival time that a part of the test days covers.
    """

    seeds: tuple[int, ...]
    window: Window
    models_dir: Path
    scale: float = 1.0
    copies: int = 3
    background: Path | None = None
    attacks: Path | None = None
    poisoning: tuple[int, ...] = ()
    supervised: bool = True
    part_minutes: int = 5


@dataclass(frozen=True)
class Dataset:
    """What one seed is evaluated on.

    Attributes:
        name: for people.
        hours: hour keys without gaps.
        background: hour key → its events by their own time: ``ENTITY_SCHEMA``, ``arrival`` and maybe ``habit``.
        kinds: ``account``, ``principal``, ``victim`` (kind of principal).
        attacks: recorded sequences, ``SEQUENCE_SCHEMA``.
        origin: where the attacks come from, for people.
    """

    name: str
    hours: tuple[str, ...]
    background: Callable[[str], pl.DataFrame]
    kinds: pl.DataFrame
    attacks: pl.DataFrame
    origin: str


def shared_labelled() -> Path | None:
    """The folder of labelled attacks beside the project, if there is one."""
    shared = Path(os.environ.get("S3SENTINEL_SHARED") or _ROOT.parent / "shared")
    folder = shared / LABELLED
    return folder if folder.is_dir() else None


def open_dataset(plan: Plan, seed: int) -> Dataset:
    """The data set of a seed.

    Raises:
        UserError: a folder holds nothing that can be evaluated.
    """
    from evaluation.background import make_world, read_background

    attacks, origin = _attacks(plan)
    if plan.background is not None:
        world, name = read_background(plan.background), str(plan.background)
    else:
        world, name = make_world(seed, plan.window.days, scale=plan.scale), f"generated, seed {seed}"
    kinds = world.principals.select("account", "principal", pl.col("kind").alias("victim"))
    return Dataset(name, tuple(world.hours), world.frame, kinds, attacks, origin)


def _attacks(plan: Plan) -> tuple[pl.DataFrame, str]:
    from evaluation.attacks import own_stories, read_folder, read_labelled

    if plan.attacks is not None:
        return _as_frame(read_folder(plan.attacks, _labels(plan.attacks))), str(plan.attacks)
    folder = shared_labelled()
    if folder is None:
        return _as_frame(own_stories()), OWN_STORIES
    return _as_frame(read_labelled(folder)), "labelled attacks"


def _labels(folder: Path) -> Path:
    """The CSV that says which events are attacks."""
    found = sorted(folder.glob("*.csv"))
    if len(found) != 1:
        raise UserError(
            f"{folder}: holds {len(found)} CSV files; it needs one, with a column eventID for the events of attacks"
        )
    return found[0]


def _as_frame(sequences: Sequence["attacks.Sequence"]) -> pl.DataFrame:
    """Sequences as ``SEQUENCE_SCHEMA``."""
    columns = [pl.col(name).cast(kind) for name, kind in SEQUENCE_SCHEMA.items()]
    return pl.concat(
        [
            each.events.with_columns(sequence=pl.lit(each.id), technique=pl.lit(each.technique)).select(columns)
            for each in sequences
        ]
    )
