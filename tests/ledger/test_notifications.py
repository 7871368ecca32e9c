"""Kept notifications: each once, counted, and out of the way only when somebody says so."""

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.notifications import (
    KeptNotification,
    drop_notification,
    keep_notifications,
    kept_notifications,
    open_notifications,
)

QUEUE = "https://sqs/q"


def keep(ledger, *entries) -> None:
    with ledger.write() as connection:
        keep_notifications(connection, entries, ledger.now())


def kept(ledger, **options):
    with ledger.read() as connection:
        return kept_notifications(connection, **options)


def test_what_comes_again_is_counted(ledger):
    for _ in range(3):
        keep(ledger, KeptNotification(QUEUE, "m1", "not_json", "d", "text"))
    keep(ledger, KeptNotification(QUEUE, "m1", "not_json", "d", "another record of it"))
    assert [(entry["body"], entry["times"]) for entry in kept(ledger)] == [("text", 3), ("another record of it", 1)]


def test_one_entry_stands_for_a_bucket(ledger):
    keep(ledger, *(KeptNotification(QUEUE, "bucket b", "foreign_bucket", "d", f"k{n}", once=True) for n in range(500)))
    (entry,) = kept(ledger)
    assert (entry["body"], entry["times"]) == ("k0", 500)
    with ledger.read() as connection:
        assert open_notifications(connection, QUEUE) == {"foreign_bucket": 1}


def test_text_that_no_database_takes_is_kept_readable(ledger):
    keep(ledger, KeptNotification(QUEUE, "m", "not_json", None, "a\0b"))
    assert kept(ledger)[0]["body"] == "a�b"


def test_dropping_says_why_and_keeps_the_text(ledger):
    keep(ledger, KeptNotification(QUEUE, "m", "not_json", None, "x"))
    (entry,) = kept(ledger)
    with ledger.write() as connection:
        drop_notification(connection, entry["id"], "a test", ledger.now())
    assert kept(ledger) == []
    assert kept(ledger, dropped=True)[0]["dropped_because"] == "a test"
    with pytest.raises(UserError, match="no open notification"), ledger.write() as connection:
        drop_notification(connection, entry["id"], "again", ledger.now())
