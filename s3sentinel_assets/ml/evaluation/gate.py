"""The gate: whether a challenger may take the champion's place, as a table of figures, limits and reasons.

Belongs here: the limits, and the verdict on evidence that is handed in. Does not belong here: gathering the evidence
(``pipeline.evidence``), carrying a promotion out (``pipeline.champions``).

Each line of the table stands for a way in which a model can be worse than the one it replaces, or was fitted on events
that should not decide what is normal. A line that cannot be judged is not passed: nothing is let through unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "BUDGET_HOURS_PER_DAY",
    "BUDGET_SHARE",
    "UNUSUAL_PER_DAY",
    "Check",
    "Evidence",
    "GateLimits",
    "GateReport",
    "judge_challenger",
]

#: Benign principal-hours a day that an analyst looks at: where recall is compared.
BUDGET_HOURS_PER_DAY = 20.0
#: At most this share of all benign principal-hours, so that a small account is not looked at whole.
BUDGET_SHARE = 0.05
#: A principal-hour that the champion expects this often a day, or less, is an unusual one.
UNUSUAL_PER_DAY = 0.1


@dataclass(frozen=True)
class GateLimits:
    """Where the lines are drawn.

    Attributes:
        recall_loss: incident recall that a slice may lose, as a share (0.02 = 2 points).
        least_incidents: a slice with fewer transplanted incidents is told of and not judged.
        medium_volume: share of benign events at medium or above.
        psi: population stability index of the score.
        least_days: days that the model was fitted on.
        least_principals: principals among the events it was fitted on.
        most_of_one: share of the events that one principal may have.
        least_terms: terms that say something about some of the events.
        unusual_excess: unusual principal-hours (see `UNUSUAL_PER_DAY`) among the training events, as a multiple of
            how many the champion expects.
    """

    recall_loss: float = 0.02
    least_incidents: int = 10
    medium_volume: float = 0.03
    psi: float = 0.2
    least_days: float = 5.0
    least_principals: int = 10
    most_of_one: float = 0.8
    least_terms: int = 4
    unusual_excess: float = 3.0


@dataclass(frozen=True)
class Evidence:
    """What is known of a challenger. None: could not be found out, and ``missing`` may say why.

    Attributes:
        days: days of events it was fitted on; a stretch of more than a day without any is not among them.
        principals: principals among them.
        events: how many.
        top_share: share of the events that one principal has.
        top_principal: which.
        informative_terms: terms that are above 0 and not all the same over the events.
        attacks_left_in: events among them that an analyst called an attack.
        urgent_left_in: events among them that were delivered as high or critical and nobody cleared.
        unusual_hours: principal-hours among them that the champion finds unusual; see `UNUSUAL_PER_DAY`.
        expected_unusual_hours: how many of those so many days would bring.
        champion_calibrated: whether the champion knows what to expect; the plain sum that ships first does not.
        recall: slice → (incidents, recall of the champion, recall of the challenger) at ``budget``; None: there
            are no stories for this log family, so recall is not judged.
        budget: benign principal-hours a day: `BUDGET_HOURS_PER_DAY`, or fewer where there are few at all.
        medium_volume: share of benign events of the last days at medium or above.
        score_psi: of the challenger's score, from its training days to the last days.
        champion_psi: of the champion's score, between the same days (or from its own training days).
        replay_identical: whether shuffled events, and the model read back from its files, give the same scores.
        load_error: what went wrong when it was loaded from the registry; "" for nothing.
        missing: name of a check → why it could not be made.
    """

    days: float
    principals: int
    events: int
    top_share: float
    top_principal: str
    informative_terms: int
    attacks_left_in: int
    urgent_left_in: int
    unusual_hours: int | None = None
    expected_unusual_hours: float | None = None
    champion_calibrated: bool = True
    recall: Mapping[str, tuple[int, float, float]] | None = field(default_factory=dict)
    budget: float = BUDGET_HOURS_PER_DAY
    medium_volume: float | None = None
    score_psi: float | None = None
    champion_psi: float | None = None
    replay_identical: bool | None = None
    load_error: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One line of the table: ``value`` and ``limit`` as people read them, ``why`` in one sentence."""

    name: str
    value: str
    limit: str
    passed: bool
    why: str
    figure: float | None = None


@dataclass(frozen=True)
class GateReport:
    """The table."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every line is passed."""
        return all(check.passed for check in self.checks)

    @property
    def refusals(self) -> list[str]:
        """Why not, a sentence for each line that is not passed."""
        return [check.why for check in self.checks if not check.passed]

    def rows(self) -> list[dict[str, object]]:
        """Name, value, limit, passed and why of each line."""
        return [
            {"name": one.name, "value": one.value, "limit": one.limit, "passed": one.passed, "why": one.why}
            for one in self.checks
        ]


def judge_challenger(evidence: Evidence, limits: GateLimits | None = None) -> GateReport:
    """The verdict on a challenger; it may be promoted only where every line is passed."""
    limits = limits or GateLimits()
    return GateReport(
        (
            *_enough(evidence, limits),
            *_degenerate(evidence, limits),
            *_poisoned(evidence, limits),
            *_recall(evidence, limits),
            _volume(evidence, limits),
            _stable(evidence, limits),
            _replay(evidence),
            _loads(evidence),
        )
    )


def _enough(evidence: Evidence, limits: GateLimits) -> list[Check]:
    days, principals = evidence.days, evidence.principals
    few_days, few = days < limits.least_days, principals < limits.least_principals
    return [
        Check(
            "training days",
            f"{days:.1f}",
            f"≥ {limits.least_days:g}",
            not few_days,
            f"fitted on {days:.1f} days of events"
            + (
                f" (days without any are not counted), and {limits.least_days:g} are needed; wait, or lower "
                "models.min_training_days"
                if few_days
                else ""
            ),
            days,
        ),
        Check(
            "principals",
            f"{principals:,}",
            f"≥ {limits.least_principals:,}",
            not few,
            f"fitted on events of {principals:,} principals"
            + (f", and {limits.least_principals:,} are needed to know what is usual" if few else ""),
            float(principals),
        ),
    ]


def _degenerate(evidence: Evidence, limits: GateLimits) -> list[Check]:
    terms, share = evidence.informative_terms, evidence.top_share
    flat, lopsided = terms < limits.least_terms, share > limits.most_of_one
    return [
        Check(
            "informative terms",
            str(terms),
            f"≥ {limits.least_terms}",
            not flat,
            f"{terms} terms differ between events"
            + ("; the others are constant, so the training events are degenerate" if flat else ""),
            float(terms),
        ),
        Check(
            "share of one principal",
            f"{share:.0%}",
            f"≤ {limits.most_of_one:.0%}",
            not lopsided,
            f"{evidence.top_principal or 'nobody'} has {share:.0%} of the training events"
            + ("; a model of one principal says nothing about the others" if lopsided else ""),
            share,
        ),
    ]


def _poisoned(evidence: Evidence, limits: GateLimits) -> list[Check]:
    attacks, urgent = evidence.attacks_left_in, evidence.urgent_left_in
    checks = [
        Check(
            "attacks left in",
            f"{attacks:,}",
            "0",
            not attacks,
            f"{attacks:,} training events are part of what analysts called an attack"
            + ("; leave them out and train again" if attacks else ""),
            float(attacks),
        ),
        Check(
            "urgent events left in",
            f"{urgent:,}",
            "0",
            not urgent,
            f"{urgent:,} training events were delivered as high or critical and never cleared"
            + ("; give verdicts with `s3sentinel feedback`, or leave them out" if urgent else ""),
            float(urgent),
        ),
    ]
    unusual, expected = evidence.unusual_hours, evidence.expected_unusual_hours
    if not evidence.champion_calibrated:
        why = "the champion is a plain sum that does not say how many unusual hours it expects"
        return [*checks, Check("unusual training hours", "not judged", "not judged", True, why)]
    if unusual is None or expected is None:
        return [*checks, _unknown("unusual training hours", evidence)]
    limit = limits.unusual_excess * expected + 3  # a few are chance, however few are expected
    many = unusual > limit
    why = f"the champion finds {unusual} principal-hours of the training days very unusual and expects {expected:.1f}"
    if many:
        why += "; attacks may have been left in, or the account has changed: look at them, give verdicts, train again"
    checks.append(Check("unusual training hours", str(unusual), f"≤ {limit:.0f}", not many, why, float(unusual)))
    return checks


def _recall(evidence: Evidence, limits: GateLimits) -> list[Check]:
    if evidence.recall is None:
        why = "there are no attack stories of this log family to transplant"
        return [Check("incident recall", "not judged", "not judged", True, why)]
    if not any(incidents >= limits.least_incidents for incidents, _, _ in evidence.recall.values()):
        return [_unknown("incident recall", evidence)]
    checks = []
    for name, (incidents, champion, challenger) in evidence.recall.items():
        judged = incidents >= limits.least_incidents
        # Rounded, so that exactly two points are two points.
        worse = judged and round(champion - challenger, 9) > limits.recall_loss
        why = (
            f"of {incidents} transplanted incidents ({name}) it finds {challenger:.1%}, the champion {champion:.1%}, "
            f"at {evidence.budget:.3g} principal-hours a day"
        )
        if worse:
            why += f"; more than {limits.recall_loss * 100:g} points are lost"
        elif not judged:
            why += "; too few to judge"
        limit = f"≥ {champion - limits.recall_loss:.1%}" if judged else "not judged"
        checks.append(Check(f"incident recall, {name}", f"{challenger:.1%}", limit, not worse, why, challenger))
    return checks


def _volume(evidence: Evidence, limits: GateLimits) -> Check:
    share = evidence.medium_volume
    if share is None:
        return _unknown("benign volume at medium", evidence)
    much = share > limits.medium_volume
    why = f"{share:.2%} of the benign events of the last days would be medium or above"
    why += "; that is more than a cheap tier can be spared" if much else ""
    return Check("benign volume at medium", f"{share:.2%}", f"≤ {limits.medium_volume:.0%}", not much, why, share)


def _stable(evidence: Evidence, limits: GateLimits) -> Check:
    moved, before = evidence.score_psi, evidence.champion_psi
    if moved is None:
        return _unknown("score stability", evidence)
    limit = f"< {limits.psi:g}"
    why = f"from the training days to the last days its score moved by PSI {moved:.3f}"
    if moved < limits.psi:
        return Check("score stability", f"{moved:.3f}", limit, True, why, moved)
    # Both see it: the account has changed, and the challenger is no worse off than the model it would replace.
    explained = before is not None and before >= limits.psi and moved <= before
    if explained:
        why += f"; explained: the champion's moved by {before:.3f}, so it is the events that have changed"
    else:
        why += "; it does not describe the days it would be used in"
    return Check("score stability", f"{moved:.3f}", limit, explained, why, moved)


def _replay(evidence: Evidence) -> Check:
    same = evidence.replay_identical
    if same is None:
        return _unknown("replay", evidence)
    why = "scores are the same, bit for bit, " if same else "scores differ "
    why += "for shuffled events and for the model read back from its files"
    return Check("replay", "identical" if same else "differs", "identical", same, why, float(same))


def _loads(evidence: Evidence) -> Check:
    error = evidence.load_error
    if error is None:
        return _unknown("load test", evidence)
    why = f"it cannot be loaded from the registry: {error}" if error else "it loads from the registry and scores alike"
    return Check("load test", "failed" if error else "good", "good", not error, why, float(not error))


def _unknown(name: str, evidence: Evidence) -> Check:
    reason = evidence.missing.get(name, "there is nothing to judge it by")
    return Check(name, "not known", "known", False, f"{name} could not be judged: {reason}")
