"""Copies: the same bytes under the same unique name, or under the same key."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from s3sentinel_assets.ledger.copies import Candidate, find_copies
from s3sentinel_assets.ledger.objects import SeenObject
from s3sentinel_assets.ledger.schema import ObjectState, objects
from s3sentinel_assets.ledger.seen import record_seen

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
UNIQUE = "111122223333_CloudTrail_us-east-1_20261120T1005Z_2wZzx8OUg2hsjQBq.json.gz"


def read(
    ledger, key: str, sha256: str, *, source="s", etag="e", state=ObjectState.READ, bucket="logs", records=9, bad=0
) -> Candidate:
    record_seen(ledger, source, [SeenObject(bucket, key, etag, etag, 1, START)])
    with ledger.write() as connection:
        mine = sa.and_(objects.c.key == key, objects.c.etag == etag, objects.c.source == source)
        connection.execute(
            sa.update(objects).where(mine).values(sha256=sha256, state=state.value, records=records, quarantined=bad)
        )
        return Candidate(
            connection.execute(sa.select(objects.c.id).where(mine)).scalar_one(), bucket, key, sha256, records, bad
        )


def copies(ledger, *candidates: Candidate, sources=("s",)) -> dict[int, int]:
    with ledger.read() as connection:
        return find_copies(connection, sources, candidates)


def test_the_same_key_with_the_same_bytes_is_a_copy_whatever_its_name(ledger):
    first = read(ledger, "2026/app.log", "aa")
    again = read(ledger, "2026/app.log", "aa", etag="other", state=ObjectState.LISTED)
    assert copies(ledger, again) == {again.object_id: first.object_id}


@pytest.mark.parametrize(
    "name",
    [
        UNIQUE,
        "111122223333_vpcflowlogs_us-east-1_fl-0423f9d865f3db23b_20261123T0920Z_9325aa8e.log.gz",
        "2026-11-20-10-21-15-7A8B9CDEF0123456",
        "E2EXAMPLE1.2026-11-20-10.a103fd5a.gz",
    ],
)
def test_a_unique_name_elsewhere_with_the_same_bytes_is_a_copy(ledger, name):
    first = read(ledger, f"AWSLogs/{name}", "aa")
    again = read(ledger, f"backup/{name}", "aa", state=ObjectState.LISTED)
    assert copies(ledger, again) == {again.object_id: first.object_id}


@pytest.mark.parametrize(
    "name", ["app.log", "messages", "2026-11-20.log", "part-00000.gz", "app_20261120T100500Z.log", "heartbeat"]
)
def test_a_plain_name_elsewhere_is_another_log_even_with_the_same_bytes(ledger, name):
    read(ledger, f"10/{name}", "aa")
    again = read(ledger, f"11/{name}", "aa", state=ObjectState.LISTED)
    assert copies(ledger, again) == {}


def test_other_bytes_or_another_source_or_an_object_not_read_make_no_copy(ledger):
    read(ledger, f"a/{UNIQUE}", "aa")
    read(ledger, f"b/{UNIQUE}", "bb", state=ObjectState.LISTED)
    again = read(ledger, f"c/{UNIQUE}", "bb", state=ObjectState.LISTED)
    elsewhere = read(ledger, f"d/{UNIQUE}", "aa", source="t", state=ObjectState.LISTED)
    assert copies(ledger, again) == {}
    assert copies(ledger, elsewhere, sources=("t",)) == {}
    assert set(copies(ledger, elsewhere, sources=("s", "t"))) == {elsewhere.object_id}


def test_of_several_in_one_part_the_first_read_is_none_and_no_copy_is_of_a_copy(ledger):
    three = [read(ledger, f"{folder}/{UNIQUE}", "aa", state=ObjectState.LISTED) for folder in "cba"]
    assert copies(ledger, *three) == dict.fromkeys((entry.object_id for entry in three[1:]), three[0].object_id)
    read(ledger, f"c/{UNIQUE}", "aa")
    read(ledger, f"b/{UNIQUE}", "aa", state=ObjectState.COPY)
    late = read(ledger, f"z/{UNIQUE}", "aa", state=ObjectState.LISTED)
    assert copies(ledger, late) == {late.object_id: three[0].object_id}


def test_one_that_gave_less_does_not_stand_for_one_that_gives_more(ledger):
    """It was read under a lower limit, or by a parser that knew less; what it lacks is nowhere else."""
    read(ledger, "k", "aa", records=5, etag="1")
    read(ledger, "k", "aa", bad=3, etag="2")
    read(ledger, "k", "aa", state=ObjectState.PARTLY_READ, etag="3")
    again = read(ledger, "k", "aa", state=ObjectState.LISTED, etag="4")
    assert copies(ledger, again) == {}
    whole = read(ledger, "k", "aa", etag="5")
    assert copies(ledger, again) == {again.object_id: whole.object_id}
