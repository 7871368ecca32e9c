"""One JSON object of many columns: what is null is left out, what is odd is escaped."""

import json

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats.extra_fields import json_object, with_named_extra

names = st.text('ab_,:"\\ é{}', min_size=0, max_size=4)
texts = st.none() | st.text('ab,:"\\{}é\n nul', max_size=12) | st.just('","b":null')


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, st.lists(texts, min_size=3, max_size=3), min_size=1, max_size=5), st.booleans())
def test_objects_hold_what_is_not_null(columns, nested):
    frame = pl.DataFrame({f"c{at}": pl.Series(values, dtype=pl.String) for at, values in enumerate(columns.values())})
    members: dict[str, str | pl.Expr] = {name: f"c{at}" for at, name in enumerate(columns)}
    expected = [{name: values[row] for name, values in columns.items() if values[row] is not None} for row in range(3)]
    if nested:
        members["nested member"] = pl.lit(pl.Series([[1], None, [None]]))
        expected[0]["nested member"], expected[2]["nested member"] = [1], [None]
    made = frame.select(json_object(members).alias("made"))["made"].to_list()
    assert [{} if text is None else json.loads(text) for text in made] == expected
    assert "{}" not in made


def test_numbers_and_truths_keep_their_type_and_members_their_order():
    frame = pl.DataFrame({"b": [1, None], "a": [True, False], "c": [1.5, None]})
    made = frame.select(json_object({"b": "b", "a": "a", "c": pl.col("c") * 2}).alias("made"))["made"].to_list()
    assert made == ['{"b":1,"a":true,"c":3.0}', '{"a":false}']
    assert frame.select(json_object({}).alias("made"))["made"].to_list() == [None]


def test_fields_are_moved_aside_beside_what_is_there():
    frame = pl.DataFrame({"x": ["1", None, None], "y": [None, None, "2"], "_extra": ['{"z":0}', '{"z":1}', None]})
    moved = with_named_extra(frame, ["x", "y", "missing"])
    assert moved.columns == ["_extra"]
    assert moved["_extra"].to_list() == ['{"z":0,"x":"1"}', '{"z":1}', '{"y":"2"}']
    assert with_named_extra(frame.drop("_extra"), ["x", "y"])["_extra"].to_list() == ['{"x":"1"}', None, '{"y":"2"}']
    assert with_named_extra(frame.clear(), ["x"]).columns == ["y", "_extra"]
