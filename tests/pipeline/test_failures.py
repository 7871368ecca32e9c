"""Which failures end a block and which end the run."""

import polars as pl
import pytest
from sqlalchemy.exc import OperationalError

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.ml.parameters import ScoringUnavailable
from s3sentinel_assets.pipeline.failures import tolerated


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UserError("the disk is full"), "the disk is full"),
        (ScoringUnavailable("no history"), "no history"),
        (UserError(""), "UserError: "),
        (KeyError(), "KeyError: "),
        (pl.exceptions.PanicException("index out of bounds\nnote: run with RUST_BACKTRACE=1"), "PanicException: index"),
    ],
)
def test_a_failure_is_always_told(error, told):
    with tolerated() as trouble:
        raise error
    assert trouble.why.startswith(told)
    assert "\n" not in trouble.why


@pytest.mark.parametrize("error", [LeaseLostError("taken over"), OperationalError("", {}, Exception()), SystemExit(1)])
def test_what_is_not_the_models_ends_the_run(error):
    with pytest.raises(type(error)), tolerated():
        raise error


def test_nothing_is_told_of_a_block_that_works():
    with tolerated() as trouble:
        pass
    assert trouble.why == ""
