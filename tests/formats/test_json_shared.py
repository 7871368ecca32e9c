"""Shared values: decoded once, found again by place, bounded in what they remember."""

import msgspec
import pytest

from s3sentinel_assets.formats.json_logs import shared as json_shared
from s3sentinel_assets.formats.json_logs.shared import SharedValues
from s3sentinel_assets.formats.json_logs.typed import NULL


class Inner(msgspec.Struct, gc=False):
    more: msgspec.Raw = NULL


class Thing(msgspec.Struct, gc=False):
    name: str | None = None
    inner: Inner | None = None


def raw(*texts: str) -> list[msgspec.Raw]:
    return [msgspec.Raw(text.encode()) for text in texts]


def things() -> SharedValues:
    return SharedValues(Thing, "thing.")


def test_the_same_text_has_one_place():
    shared = things()
    assert shared.places(raw('{"name":"a"}', '{"name":"b"}', '{"name":"a"}')) == [0, 1, 0]
    assert shared.places(raw('{"name":"b"}', '{"inner":{"more":[1, 2]}}')) == [1, 2]
    frame = shared.take()
    assert frame.to_dict(as_series=False) == {
        "thing.name": ["a", "b", None],
        "thing.inner.more": [None, None, "[1, 2]"],
    }


def test_the_text_beside_tells_values_apart():
    shared = SharedValues(Thing, "", beside="seen_by")
    assert shared.places(raw(*['{"name":"a"}'] * 4), ["1", "2", None, "1"]) == [0, 1, 2, 0]
    assert shared.take()["seen_by"].to_list() == ["1", "2", None]


def test_absent_and_null_are_values_without_anything():
    shared = things()
    assert shared.places([NULL, *raw("null", "{}")]) == [0, 0, 1]
    assert shared.take()["thing.name"].to_list() == [None, None]


@pytest.mark.parametrize("text", ['{"name":1}', "[]", '"a"'])
def test_what_does_not_fit_is_said_and_can_be_placed_by_hand(text):
    shared = things()
    with pytest.raises(msgspec.ValidationError):
        shared.places(raw('{"name":"a"}', text))
    assert shared.place(Thing("mended")) == 1
    assert shared.place(None) == 2
    assert shared.take()["thing.name"].to_list() == ["a", "mended", None]


def test_text_that_is_not_utf8_does_not_fit_wherever_it_is():
    with pytest.raises(UnicodeDecodeError):
        things().places([msgspec.Raw(b'{"inner":{"more":"\xff"}}')])


def test_places_begin_anew_after_a_take():
    shared = things()
    shared.places(raw('{"name":"a"}', '{"name":"b"}'))
    shared.take()
    assert shared.places(raw('{"name":"b"}')) == [0]
    assert shared.take()["thing.name"].to_list() == ["b"]


def test_what_is_held_is_bounded_when_all_values_differ(monkeypatch):
    monkeypatch.setattr(json_shared, "_STEP", 3)
    monkeypatch.setattr(json_shared, "_REMEMBERED", 4)
    shared = things()
    names = [str(n % 11) for n in range(40)]
    places = shared.places(raw(*(f'{{"name":"{name}"}}' for name in names)))
    assert len(shared._values) < 3
    assert len(shared._places) <= 4
    frame = shared.take()
    assert frame["thing.name"].gather(places).to_list() == names
    assert frame.height > 11
