"""The log of rejects, whether few or many."""

import pytest

from s3sentinel_assets.formats import rejects
from s3sentinel_assets.formats.rejects import REJECT_SCHEMA, RejectLog


@pytest.mark.parametrize("gathered", [1, 3, 100])
def test_rejects_come_back_in_order_and_without_those_of_objects_given_up(gathered, monkeypatch):
    monkeypatch.setattr(rejects, "_GATHERED", gathered)
    log = RejectLog()
    assert log.frame().schema == REJECT_SCHEMA
    for object_id, position in ((2, 0), (1, 4), (2, 1), (3, 0), (1, 2), (2, 2), (1, 3)):
        log.add(object_id, position, None, "why", "a sentence", b"data", b"header" * position)
    log.drop(2)
    assert len(log) == 4
    assert log.frame().select("object_id", "position").rows() == [(1, 2), (1, 3), (1, 4), (3, 0)]
    assert log.frame().schema == REJECT_SCHEMA
    assert log.frame()["header"].to_list() == [b"header" * 2, b"header" * 3, b"header" * 4, None]


def test_headers_kept_with_rejects_are_bounded_in_all(monkeypatch):
    monkeypatch.setattr(rejects, "_HEADER_BYTES", 15)
    log = RejectLog()
    for position in range(3):
        log.add(1, position, None, "why", "a sentence", b"data", b"header")
    assert log.frame().select("header", "truncated").rows() == [(b"header", False), (b"header", False), (None, True)]
