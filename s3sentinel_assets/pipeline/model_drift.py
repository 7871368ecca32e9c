"""Drift of a log family: how far the last days are from those that its models were fitted on.

Belongs here: which days are compared, what is said of it, and whether a new model would help. Does not belong here: the
index (``ml.evaluation.drift``), when the schedule trains (``assets.models``).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.training_data import Span, events_in, matrices, read_parts, span_of, thinning
from s3sentinel_assets.pipeline.trainings import newest_challengers, reference_of

if TYPE_CHECKING:
    from s3sentinel_assets.ml.anomaly.detector import Detector
    from s3sentinel_assets.ml.evaluation.drift import Histograms

__all__ = ["Drift", "drift_of"]


@dataclass(frozen=True)
class Drift:
    """How far the last days are from those that the champion was fitted on.

    Attributes:
        champion: version.
        since: what is compared with: the champion's training days, or earlier days where it keeps no record of those.
        span: the last days.
        psi: term or ``score`` → population stability index; empty where there are too few events to judge.
        limit: from which on it is drift.
        events: how many events ``since`` and ``span`` have.
        challenger: version of the newest challenger, where it is newer than the champion and keeps a record; else "".
        challenger_psi: as ``psi``, from the challenger's training days.
    """

    format: str
    champion: str
    since: str
    span: str
    psi: dict[str, float]
    limit: float
    events: tuple[int, int] = (0, 0)
    challenger: str = ""
    challenger_psi: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def drifted(self) -> dict[str, float]:
        """What is at the limit or above, the most first."""
        above = {name: value for name, value in self.psi.items() if value >= self.limit}
        return dict(sorted(above.items(), key=lambda item: -item[1]))

    @property
    def training_due(self) -> bool:
        """Whether something drifted that the newest challenger has not learned already."""
        learned = bool(self.challenger_psi) and max(self.challenger_psi.values()) < self.limit
        return bool(self.drifted) and not learned

    @property
    def sentence(self) -> str:
        """For people."""
        from s3sentinel_assets.ml.evaluation.drift import LEAST_EVENTS

        if not self.psi:
            before, after = self.events
            return (
                f"drift is not judged: {self.span} has {after:,} events, {self.since} {before:,}, and with fewer than "
                f"{LEAST_EVENTS} on either side chance alone looks like drift"
            )
        if not self.drifted:
            most = max(self.psi.values())
            return f"{self.span} is like {self.since} (PSI {most:.3f} at most, limit {self.limit:g})"
        told = ", ".join(f"{name} {value:.2f}" for name, value in list(self.drifted.items())[:5])
        follows = (
            "a new model is due"
            if self.training_due
            else f"the challenger {self.challenger} was fitted on days like these, so no other is due"
        )
        return f"{self.span} differs from {self.since}: PSI of {told} (limit {self.limit:g}); {follows}"


def drift_of(runtime: Runtime, log_format: str) -> Drift:
    """Compares the last days with those that the champion was fitted on, and the newest challenger.

    Where there is no record of the champion's (it ships with the project), the days before the last stand in.

    Raises:
        UserError: too little history.
    """
    from s3sentinel_assets.ml.evaluation.drift import LEAST_EVENTS

    settings = runtime.config.models
    champion = runtime.model(log_format).detector
    latest = span_of(runtime, log_format, days=settings.evaluate_days)
    after = _benign_histograms(runtime, latest, champion)
    kept = reference_of(runtime, champion.version)
    if kept is not None:
        before, hours, _ = kept
        since = f"the training days of {champion.version} ({hours})"
    else:
        earlier = span_of(
            runtime,
            log_format,
            days=settings.train_days - settings.evaluate_days,
            skip_days=settings.evaluate_days,
        )
        before, since = _benign_histograms(runtime, earlier, champion), f"the days before ({earlier})"
    challenger, theirs = _challenger(runtime, log_format, champion.version)
    return Drift(
        format=log_format,
        champion=champion.version,
        since=since,
        span=str(latest),
        psi=before.drift_to(after, least=LEAST_EVENTS),
        limit=settings.drift_psi,
        events=(before.events, after.events),
        challenger=challenger,
        challenger_psi=theirs.drift_to(after, least=LEAST_EVENTS),
    )


def _challenger(runtime: Runtime, log_format: str, champion: str) -> "tuple[str, Histograms]":
    """The newest challenger and the histograms of its days, the score's by the champion; "" where there is none."""
    from s3sentinel_assets.ml.evaluation.drift import CHAMPION_SCORE, SCORE, Histograms

    versions = [row["version"] for row in newest_challengers(runtime, log_format)]
    kept = reference_of(runtime, versions[0]) if versions and champion not in versions else None
    if kept is None:
        return "", Histograms()
    found, _, then = kept
    # Its own score is another model's; the champion's of that time compares if that is the champion still.
    terms = {name: counts for name, counts in found.counts.items() if name not in (SCORE, CHAMPION_SCORE)}
    score = found.named(CHAMPION_SCORE, SCORE).counts if then == champion else {}
    return versions[0], Histograms({**terms, **score}, found.events)


def _benign_histograms(runtime: Runtime, span: Span, champion: "Detector") -> "Histograms":
    from s3sentinel_assets.ml.evaluation.drift import Histograms

    every = thinning(events_in(runtime, span), runtime.config.models.max_training_events)
    total = Histograms()
    for _, matrix in matrices(runtime, read_parts(runtime, span), every=every):
        benign = matrix.filter(pl.col("benign"))
        total = total.plus(Histograms.of(benign, champion.score(champion.raw(benign))))
    return total
