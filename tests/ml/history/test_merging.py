"""Rows put into a sorted state, against what joins and sorts would make of them."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.ml.history.merging import KEY, merged, places
from s3sentinel_assets.ml.history.state import STATE_SCHEMA

_ROWS = st.dictionaries(
    st.tuples(st.sampled_from(["account", "peer", "peer/action", "principal"]), st.text("aäz\x1f~", max_size=3)),
    st.tuples(st.floats(0, 1_000), st.integers(0, 9), st.integers(10, 19)),
    max_size=12,
)


def frame(rows: dict) -> pl.DataFrame:
    named = [(*key, *values) for key, values in rows.items()]
    return pl.DataFrame(named, schema=STATE_SCHEMA, orient="row").sort(KEY)


@given(_ROWS, _ROWS)
def test_rows_replace_their_like_and_the_others_find_their_place(base, rows):
    assert merged(frame(base), frame(rows)).equals(frame(base | rows))


@given(_ROWS, _ROWS)
def test_a_key_is_found_where_it_is_or_would_be(base, rows):
    state, wanted = frame(base), frame(rows)
    ordered = list(state.select(KEY).iter_rows())
    place, known = places(state, wanted)
    for key, at, there in zip(wanted.select(KEY).iter_rows(), place, known, strict=True):
        assert there == (key in ordered)
        assert at == sum(each < tuple(key) for each in ordered)
