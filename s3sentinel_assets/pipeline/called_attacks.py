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
        and not any(later.verdict is not Word.ATTACK and later.covers(one) for later in given[place + 1 :])
        and not _left_out(one, known)
    ]


def _left_out(one: RecordedVerdict, known: Sequence[RecordedVerdict]) -> bool:
    """Whether all that a verdict is about was an attack by what was known."""
    for earlier in reversed(known):
        if earlier.verdict is not Word.ATTACK and earlier.touches(one):
            return False
        if earlier.verdict is Word.ATTACK and earlier.covers(one):
            return True
    return False
