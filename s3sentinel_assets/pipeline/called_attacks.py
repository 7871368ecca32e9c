"""Which verdicts say that a model was fitted on an attack that nobody knew of when it was trained.

Belongs here: comparing verdicts with each other. Does not belong here: laying verdicts beside events
(``training_data``), the gate's line (``ml.evaluation.gate``).

The clock does not help: an incident's verdict bears the instant at which the incident was closed, and is read later.
What a training knew is told by the number of the last verdict before it.
"""

from collections.abc import Sequence

from s3sentinel_assets.ledger.verdicts import RecordedVerdict, Word

__all__ = ["called_attack_since"]


def called_attack_since(given: Sequence[RecordedVerdict], last_known: int | None) -> list[RecordedVerdict]:
    """The verdicts that say "attack" of what a training took for benign.

    One that was taken back does not count, nor one about what the training left out as an attack already: an incident
    that is edited after it was closed says the same again.

    Args:
        given: all verdicts about the training's hours, in the order in which they were given.
        last_known: number of the last verdict that the training could know; None: there is no record of it, so that
            every verdict counts.
    """
    known = [one for one in given if last_known is not None and one.id <= last_known]
    return [
        one
        for place, one in enumerate(given)
        if one.verdict is Word.ATTACK
        and (last_known is None or one.id > last_known)
        and not any(later.verdict is not Word.ATTACK and _covers(later, one) for later in given[place + 1 :])
        and not _left_out(one, known)
    ]


def _left_out(one: RecordedVerdict, known: Sequence[RecordedVerdict]) -> bool:
    """Whether all that a verdict is about was an attack by what was known."""
    for earlier in reversed(known):
        if earlier.verdict is not Word.ATTACK and _touches(earlier, one):
            return False
        if earlier.verdict is Word.ATTACK and _covers(earlier, one):
            return True
    return False


def _covers(wide: RecordedVerdict, narrow: RecordedVerdict) -> bool:
    """Whether the one is about everything that the other is about."""
    if wide.event_id is not None:
        return wide.event_id == narrow.event_id
    return (wide.principal, wide.hour) == (narrow.principal, narrow.hour) and all(
        mine in (None, theirs) for mine, theirs in ((wide.account, narrow.account), (wide.source, narrow.source))
    )


def _touches(left: RecordedVerdict, right: RecordedVerdict) -> bool:
    """Whether some event may be what both are about."""
    if left.event_id is not None and right.event_id is not None:
        return left.event_id == right.event_id
    return (left.principal, left.hour) == (right.principal, right.hour) and all(
        None in pair or pair[0] == pair[1] for pair in ((left.account, right.account), (left.source, right.source))
    )
