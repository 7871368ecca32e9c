"""Values of dynamic columns: what is JSON stays so, all else becomes a JSON string; always one readable line."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.sentinel.json_values import MOST_LEVELS, as_json
from s3sentinel_assets.sentinel.packing import ROW_OPENING

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    scalars | st.text(max_size=5) | st.sampled_from(["\n", '"', "\\", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def written(*texts: str | None) -> list[str | None]:
    return as_json(pl.Series("x", texts, dtype=pl.String)).to_list()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(documents, st.sampled_from([None, 1]), st.booleans()), min_size=1, max_size=8))
def test_json_keeps_its_meaning_on_one_line(values):
    texts = [json.dumps(value, indent=indent, ensure_ascii=ascii_only) for value, indent, ascii_only in values]
    for line, (value, *_) in zip(written(*texts), values, strict=True):
        assert (line is None) == (value is None)
        if line is not None:
            assert min(line) >= " "
            found = json.loads(line)
            assert found == value and type(found) is type(value)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=12) | st.text('{}[]",:0e-\\\n ', max_size=6), min_size=1, max_size=8))
def test_any_text_gives_readable_json(texts):
    for line, text in zip(written(*texts), texts, strict=True):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        assert (line is None) == (value is None)
        assert line is None or (min(line) >= " " and json.loads(line) == value)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", "}", "{}}", "1,2", "'a'", '"a', "nul", "NaN", "1e999", "01", "[1,]", "{a:1}", ',"Uri":1'),
        *(r'"\q"', r'"\ud800"', "{}\x00", '"a\nb"', "\ufeff{}", '{"a":"b"', "[" * 2_000, "1" * 5_000),
    ],
)
def test_what_is_no_json_is_a_string(text):
    [line] = written(text)
    assert line is not None and min(line) >= " "
    assert json.loads(line) == text


def test_depth_is_bounded():
    deepest = "[" * MOST_LEVELS + "]" * MOST_LEVELS
    wide = "[" + ",".join(['{"a":[]}'] * MOST_LEVELS) + "]"
    deeper = f'{{"a":{deepest}}}'
    assert written(deepest, wide) == [deepest, wide]
    assert written(deeper) == [json.dumps(deeper)]


def test_nothing_looks_like_the_beginning_of_a_row():
    spaced = '[{},{"BatchId_CF" : "x"}]'
    split = '[{},{"BatchId_CF"\n:"x"}]'
    inside_text = json.dumps(ROW_OPENING)
    assert written(spaced, inside_text) == [spaced, inside_text]
    for text in (split, split.replace("\n", ""), f'{ROW_OPENING}x"}}'):
        [line] = written(text)
        assert line is not None and ROW_OPENING not in line
        assert json.loads(line) == text


def test_equal_values_are_written_alike_and_nulls_stay():
    assert written("{}", None, "x", "{}", "null", "x") == ["{}", None, '"x"', "{}", None, '"x"']
    assert written(None) == [None]
