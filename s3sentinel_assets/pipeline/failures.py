"""What may go wrong in a model without stopping what it is there for.

Belongs here: which exceptions those are. Does not belong here: what then goes on without the model (``scoring``,
``roll_up``, ``patterns``).

An unscored event that arrives beats one that does not, so whatever a model raises counts, also what nobody has thought
of. What the ledger raises, and a lease that was lost, end the run: they are not the model's.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from sqlalchemy.exc import SQLAlchemyError

from s3sentinel_assets.errors import LeaseLostError, UserError

__all__ = ["Trouble", "tolerated"]

#: Polars' panics are no ``Exception``.
_MODEL = (Exception, pl.exceptions.PanicException)
_NOT_THE_MODELS = (LeaseLostError, SQLAlchemyError)
_LENGTH = 300


@dataclass
class Trouble:
    """What went wrong in a block, in one line, which is empty only if nothing did."""

    why: str = ""


@contextlib.contextmanager
def tolerated() -> Iterator[Trouble]:
    """Ends the block, and not the run, whatever is raised in it; what was raised is noted."""
    trouble = Trouble()
    try:
        yield trouble
    except _NOT_THE_MODELS:
        raise
    except _MODEL as error:
        trouble.why = _in_words(error)


def _in_words(error: BaseException) -> str:
    from s3sentinel_assets.ml.parameters import ScoringUnavailable

    if isinstance(error, ScoringUnavailable | UserError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0][:_LENGTH]
