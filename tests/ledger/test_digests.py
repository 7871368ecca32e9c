"""Digests and the integrity of objects in the ledger, on both databases."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.integrity import judge_log
from s3sentinel_assets.ledger.digests import (
    DigestRecord,
    ProblemTexts,
    change_digest,
    count_digests,
    count_integrity,
    digest_rows,
    digests_beside,
    expected_content,
    judge_listed,
    known_digests,
    missing_files,
    record_digest,
    set_integrity,
    unlisted_objects,
)
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.objects import SeenObject
from s3sentinel_assets.ledger.schema import DigestState, Integrity, digest_file, objects
from s3sentinel_assets.ledger.seen import record_seen

AT = datetime(2024, 11, 20, 7, 5, tzinfo=UTC)
HOUR = hour_key(AT)
MICROS = to_micros(AT)
TEXTS = ProblemTexts(changed="changed", disagree="disagree", not_hashed="not hashed")
SHA, OTHER = "a" * 64, "b" * 64


def record(key="d", etag="e", state=DigestState.VERIFIED, **other):
    usual = {
        "source": "s",
        "bucket": "b",
        "chain": "c",
        "start_at": MICROS,
        "end_at": MICROS + 3_600_000_000,
        "reason": None,
        "note": None,
        "content_sha256": SHA,
        "signature": "00",
        "previous_key": None,
        "previous_sha256": None,
        "previous_signature": None,
    }
    return DigestRecord(**{**usual, "key": key, "etag": etag, "state": state, **other})


def put(ledger, key, content: str | None = SHA, state="read", integrity=None, source="s"):
    record_seen(ledger, source, [SeenObject("b", key, "1", "1", 1, AT)])
    with ledger.write() as connection:
        connection.execute(
            objects.update()
            .where(objects.c.key == key, objects.c.source == source)
            .values(content_sha256=content, state=state, integrity=integrity)
        )


def statuses(ledger):
    with ledger.read() as connection:
        rows = connection.execute(sa.select(objects.c.key, objects.c.integrity, objects.c.integrity_note))
        return {row.key: (row.integrity, row.integrity_note) for row in rows}


def test_a_digest_is_recorded_once_with_its_files(ledger):
    for _ in range(2):
        record_digest(ledger, record(), [("b", f"k{n}", SHA) for n in range(1_200)])
    with ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(digest_file)).scalar_one() == 1_200
        known = known_digests(connection, "s", "b", ["d", "x"])
        assert set(known) == {("d", "e")}
        assert known["d", "e"].state is DigestState.VERIFIED
        assert known_digests(connection, "other", "b", ["d"]) == {}


def test_only_an_unproved_verdict_is_replaced(ledger):
    record_digest(ledger, record(state=DigestState.UNPROVED, reason="unknown_key"), [])
    record_digest(ledger, record(), [("b", "k", SHA)])
    record_digest(ledger, record(state=DigestState.FAILED, reason="bad_signature"), [])
    with ledger.read() as connection:
        known = known_digests(connection, "s", "b", ["d"])["d", "e"]
        assert (known.state, known.reason) == (DigestState.VERIFIED, None)
        assert expected_content(connection, "s", "b", ["k"]) == {"k": [(SHA, DigestState.VERIFIED)]}
    with ledger.write() as connection:
        change_digest(connection, known.id, DigestState.FAILED, "wrong_link", "why")
    with ledger.read() as connection:
        (row,) = digest_rows(connection, "s", 0, MICROS * 2)
    assert (row.state, row.reason, row.note) == (DigestState.FAILED, "wrong_link", "why")


def test_the_nearest_verified_digests_of_each_chain_are_found_however_far(ledger):
    for chain, source in (("x", "s"), ("y", "s"), ("z", "other")):
        for number, state in enumerate(
            [DigestState.VERIFIED] * 2 + [DigestState.FAILED] * 4 + [DigestState.VERIFIED] * 2
        ):
            end = MICROS + number * 10**12
            record_digest(ledger, record(f"{chain}{number}", chain=chain, source=source, end_at=end, state=state), [])
    record_digest(ledger, record("w7", chain="w", end_at=MICROS + 7 * 10**12), [])
    with ledger.read() as connection:
        found = sorted(row.key for row in digests_beside(connection, "s", MICROS + 3 * 10**12, MICROS + 4 * 10**12))
        assert found == ["w7", "x1", "x6", "y1", "y6"]
        assert list(digests_beside(connection, "nobody", 0, 1)) == []


def test_digests_come_chain_by_chain_in_order_of_time(ledger):
    for number, chain in itertools.product(range(3), ("y", "x")):
        end = MICROS + number
        record_digest(ledger, record(f"{chain}{2 - number}", chain=chain, end_at=end), [])
    with ledger.read() as connection:
        rows = [(row.chain, row.end_at - MICROS) for row in digest_rows(connection, "s", MICROS, MICROS + 1)]
        assert rows == [("x", 0), ("x", 1), ("y", 0), ("y", 1)]
        assert count_digests(connection, "s", MICROS, MICROS + 2) == {DigestState.VERIFIED: 4}


#: What digests list for a log file whose content hashes to SHA, None: not hashed.
CASES = [
    [(SHA, DigestState.VERIFIED)],
    [(OTHER, DigestState.VERIFIED)],
    [(SHA, DigestState.VERIFIED), (OTHER, DigestState.VERIFIED)],
    [(SHA, DigestState.VERIFIED), (OTHER, DigestState.UNPROVED)],
    [(OTHER, DigestState.VERIFIED), (SHA, DigestState.UNPROVED)],
    [(SHA, DigestState.UNPROVED)],
    [(SHA, DigestState.FAILED), (OTHER, DigestState.UNPROVED)],
]


def test_judging_in_bulk_gives_what_judging_one_by_one_gives(ledger):
    wanted = {}
    for number, (case, content) in enumerate(itertools.product(CASES, (SHA, None))):
        key = f"k{number}"
        put(ledger, key, content)
        for other, (sha256, state) in enumerate(case):
            record_digest(ledger, record(f"d{number}-{other}", state=state), [("b", key, sha256)])
        proved = any(state is DigestState.VERIFIED for _, state in case)
        wanted[key] = judge_log(case, content)[0].value if proved else None
    put(ledger, "unlisted")
    judge_listed(ledger, "s", HOUR, TEXTS)
    assert {key: found[0] for key, found in statuses(ledger).items()} == {**wanted, "unlisted": None}
    with ledger.read() as connection:
        page = unlisted_objects(connection, "s", HOUR, 0)
    assert {entry.key for entry in page} == {key for key, status in wanted.items() if status is None} | {"unlisted"}
    assert [entry.key for entry in page if not entry.named] == ["unlisted"]
    assert judge_listed(ledger, "s", HOUR, TEXTS) == {}


def test_only_read_objects_with_an_open_status_are_judged(ledger):
    record_digest(ledger, record(), [("b", key, SHA) for key in ("new", "listed", "failed", "open", "elsewhere")])
    put(ledger, "new")
    put(ledger, "listed", state="listed")
    put(ledger, "failed", integrity="failed")
    put(ledger, "open", integrity="uncovered")
    put(ledger, "elsewhere", source="other")
    assert judge_listed(ledger, "s", HOUR, TEXTS) == {Integrity.VERIFIED: 2}
    assert {key: status for key, (status, _) in statuses(ledger).items()} == {
        "new": "verified",
        "listed": None,
        "failed": "failed",
        "open": "verified",
        "elsewhere": None,
    }


def test_unlisted_objects_come_in_pages_and_get_their_status_unless_it_is_final(ledger):
    for number in range(5):
        put(ledger, f"k{number}")
    record_digest(ledger, record(), [("b", "k3", SHA)])
    after, keys = 0, []
    while True:
        with ledger.read() as connection:
            page = unlisted_objects(connection, "s", HOUR, after, limit=2)
        if not page:
            break
        after = page[-1].id
        keys += [entry.key for entry in page]
    assert keys == ["k0", "k1", "k2", "k4"]
    put(ledger, "k0", integrity="failed")
    with ledger.read() as connection:
        ids = connection.execute(sa.select(objects.c.id)).scalars().all()
    set_integrity(ledger, Integrity.UNCOVERED, "why", ids)
    assert statuses(ledger)["k0"] == ("failed", None)
    assert statuses(ledger)["k1"] == ("uncovered", "why")
    with ledger.read() as connection:
        assert count_integrity(connection, "s", HOUR) == {Integrity.FAILED: 1, Integrity.UNCOVERED: 4}


@pytest.mark.parametrize("state", list(DigestState))
def test_what_a_verified_digest_lists_and_nobody_has_is_missing(ledger, state):
    record_digest(ledger, record(state=state), [("b", key, SHA) for key in ("here", "gone", "vanished")])
    record_digest(ledger, record("d2", state=state), [("b", "gone", SHA)])
    put(ledger, "here")
    put(ledger, "vanished", state="vanished")
    end = MICROS + int(timedelta(hours=1).total_seconds() * 1e6)
    with ledger.read() as connection:
        found = [file.key for file in missing_files(connection, "s", MICROS, end)]
        assert list(missing_files(connection, "s", end, end + 1)) == []
    assert found == (["gone", "vanished"] if state is DigestState.VERIFIED else [])
