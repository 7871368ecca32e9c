"""Rejected records are taken up once, wait for a part of their hour, and count once whatever becomes of them."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from s3sentinel_assets.ledger.accounts import account_of_hour
from s3sentinel_assets.ledger.copies import Candidate, find_copies
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.objects import ObjectOutcome, SeenObject, integrity_of_part, settle_object
from s3sentinel_assets.ledger.parts import assign_parts
from s3sentinel_assets.ledger.progress import records_by_hour
from s3sentinel_assets.ledger.quarantine import (
    QuarantineEntry,
    open_quarantine,
    quarantine_of_hour,
    record_quarantine,
)
from s3sentinel_assets.ledger.retries import Rejected, RetryOrder, TakenUp, retries_of_part, take_up
from s3sentinel_assets.ledger.schema import ObjectState, objects, quarantine_retry, stage
from s3sentinel_assets.ledger.seen import record_seen

HOUR = "2026-11-20-10:00"
START = datetime(2026, 11, 20, 10, tzinfo=UTC)
KEY = "AWSLogs/111122223333_x_20261120T1005Z_0a1b2c3d.log.gz"


def settle(ledger: Ledger, *, rows: int, rejected: dict[str, int], state: str = "read", counted: int | None = None):
    """Puts what waits into a part and commits it; returns part and object row."""
    (part_id,) = assign_parts(ledger, "s", HOUR, max_bytes=1 << 30, max_objects=10)
    quarantined = sum(rejected.values())
    with ledger.write() as connection:
        object_id = connection.execute(sa.select(objects.c.id).where(objects.c.part_id == part_id)).scalar_one()
        values = {"code_version": "", "files": [], "counts": {}, "seconds": 0.0, "committed_at": 0}
        stage_id = connection.execute(
            sa.insert(stage).values(part_id=part_id, stage="parsed", generation=1, **values).returning(stage.c.id)
        ).scalar_one()
        outcome = ObjectOutcome(
            object_id,
            ObjectState(state),
            "vpc_flow",
            rows + quarantined,
            rows,
            quarantined,
            0,
            0,
            "hash" if counted is None else "",
            "no time: \0",
            counted=counted,
            integrity="verified" if counted is None else None,
        )
        settle_object(connection, outcome, ledger.now())
        entries = [
            QuarantineEntry(
                "s", HOUR, part_id, object_id, reason, count, 3, "no time: \0", "a\0b", f"rejects-{object_id}"
            )
            for reason, count in rejected.items()
        ]
        record_quarantine(connection, stage_id, entries, ledger.now())
    return part_id, object_id


@pytest.fixture
def rejecting(ledger: Ledger) -> int:
    """An object of ten records, of which three are in quarantine."""
    record_seen(ledger, "s", [SeenObject("logs", KEY, "e", "e", 1, START)])
    return settle(ledger, rows=7, rejected={"bad": 2, "worse": 1}, state="partly_read")[1]


def figures(ledger: Ledger) -> tuple[int, int, int, int, int]:
    with ledger.read() as connection:
        account = account_of_hour(connection, "s", HOUR)
        assert account.balanced
        assert records_by_hour(connection, "s", HOUR, HOUR) == {HOUR: account.records}
        assert sum(records for _, _, records, _ in quarantine_of_hour(connection, "s", HOUR)) == account.quarantined
    return account.objects, account.unread_objects, account.records, account.rows, account.quarantined


def test_records_move_from_quarantine_when_their_retry_is_settled(ledger, rejecting):
    assert figures(ledger) == (1, 0, 10, 7, 3)
    dry = take_up(ledger, RetryOrder("s"), "me", dry_run=True)
    assert (dry.records, dry.objects, dry.hours) == (3, 1, {HOUR})
    assert take_up(ledger, RetryOrder("s"), "me") == dry
    assert take_up(ledger, RetryOrder("s"), "me") == TakenUp()
    assert figures(ledger) == (1, 1, 10, 7, 3)
    with ledger.read() as connection:
        assert [entry.waits for entry in open_quarantine(connection)] == [True, True]
        assert [row.records for row in connection.execute(sa.select(quarantine_retry))] == [3]
    part_id, _ = settle(ledger, rows=2, rejected={"bad": 1}, counted=10)
    assert figures(ledger) == (1, 0, 10, 9, 1)
    with ledger.read() as connection:
        (entry,) = open_quarantine(connection, "s", HOUR, "bad", KEY)
        assert (entry.records, entry.waits) == (1, False)
        (order,) = retries_of_part(connection, part_id)
        assert [each.reason for each in order.rejected] == ["bad", "worse"]
        assert (order.counted, order.lost_tail, order.format, order.copy_of) == (10, True, "vpc_flow", None)
        # What goes out of it is marked with what is known of the object.
        assert list(integrity_of_part(connection, part_id).values()) == ["verified"]
    # What failed again may be tried again.
    take_up(ledger, RetryOrder("s", reason="bad"), "me")
    _, last = settle(ledger, rows=1, rejected={}, counted=10)
    assert figures(ledger) == (1, 0, 10, 10, 0)
    with ledger.read() as connection:
        versions = list(connection.execute(sa.select(objects.c.version).order_by(objects.c.id)).scalars())
        roots = connection.execute(sa.select(objects.c.retry_of).where(objects.c.id == last)).scalar_one()
    assert (versions, roots) == (["e", "e~1", "e~2"], rejecting)


def test_only_what_the_order_is_for_and_only_what_can_be_read(ledger, rejecting):
    for order in (
        RetryOrder("other"),
        RetryOrder("s", hour="2026-11-20-11:00"),
        RetryOrder("s", first_hour="2026-11-20-11:00"),
        RetryOrder("s", key="another"),
        RetryOrder("s", reason="fine"),
    ):
        assert take_up(ledger, order, "me") == TakenUp()
    assert take_up(ledger, RetryOrder("s"), "me", lost={f"rejects-{rejecting}"}) == TakenUp(lost=3)
    with ledger.read() as connection:
        assert connection.execute(sa.select(quarantine_retry)).all() == []
    take_up(ledger, RetryOrder("s", HOUR, "worse", KEY), "me")
    take_up(ledger, RetryOrder("s", HOUR, "bad", KEY), "you")
    with ledger.read() as connection:
        new = connection.execute(sa.select(objects.c.id).where(objects.c.retry_of == rejecting)).scalars().all()
    assert len(new) == 2
    (part_id,) = assign_parts(ledger, "s", HOUR, max_bytes=1 << 30, max_objects=10)
    with ledger.read() as connection:
        orders = retries_of_part(connection, part_id)
        assert [each.rejected for each in orders] == [
            (Rejected(rejecting, "worse", f"rejects-{rejecting}", 1),),
            (Rejected(rejecting, "bad", f"rejects-{rejecting}", 2),),
        ]
        assert [
            (row.requested_by, row.reason, row.records) for row in connection.execute(sa.select(quarantine_retry))
        ] == [
            ("me", "worse", 1),
            ("you", "bad", 2),
        ]


def test_formats_survive_a_migration(ledger, rejecting):
    from alembic import command

    from s3sentinel_assets.ledger.migrate import alembic_config, upgrade

    config = alembic_config()
    with ledger.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    upgrade(ledger.engine)
    assert figures(ledger) == (1, 0, 10, 7, 3)
    with ledger.read() as connection:
        assert connection.execute(sa.select(objects.c.format)).scalars().all() == ["vpc_flow"]


def test_a_copy_that_comes_later_is_held_against_what_is_in_quarantine_now(ledger):
    record_seen(ledger, "s", [SeenObject("logs", KEY, "e", "e", 1, START)])
    _, first = settle(ledger, rows=7, rejected={"bad": 3})
    copy = Candidate(99, "logs", f"backup/{KEY}", "hash", 10, 0)
    with ledger.read() as connection:
        assert find_copies(connection, ["s"], [copy]) == {}
    take_up(ledger, RetryOrder("s"), "me")
    settle(ledger, rows=3, rejected={}, counted=10)
    with ledger.read() as connection:
        assert find_copies(connection, ["s"], [copy]) == {99: first}
