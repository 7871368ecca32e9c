"""Listing = ledger: what agrees, what is gone, what would be a loss, and who found what."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from s3sentinel_assets.ledger.comparison import compare_listing, comparison_of_hour, found_by
from s3sentinel_assets.ledger.objects import SeenObject
from s3sentinel_assets.ledger.schema import objects
from s3sentinel_assets.ledger.seen import Tally, record_seen, states_of

HOUR = "2026-11-20-10:00"
START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def seen(number: int, etag: str = "e", hours: int = 0) -> SeenObject:
    return SeenObject("logs", f"k/{number:04}", etag, etag, 10, START + timedelta(hours=hours))


def listing(ledger, entries, hours=(HOUR,)):
    """A listing of some entries, compared; what the ledger says of the hour after it."""
    began = ledger.now()
    recorded = record_seen(ledger, "s", entries, began=began)
    compare_listing(ledger, "s", recorded.tallies, hours, began)
    with ledger.read() as connection:
        return comparison_of_hour(connection, "s", HOUR)


def backdate(ledger) -> None:
    """Puts all that is known a second before any listing to come."""
    with ledger.write() as connection:
        connection.execute(sa.update(objects).values(discovered_at=objects.c.discovered_at - 1_000_000))


def test_a_listing_agrees_with_what_it_recorded_itself_and_with_what_was_known(ledger):
    first = listing(ledger, [seen(1), seen(2)])
    assert (first.listed, first.held, first.gone, first.same, first.missing) == (2, 2, 0, True, 0)
    backdate(ledger)
    again = listing(ledger, [seen(2), seen(1), seen(3)])
    assert (again.listed, again.held, again.gone, again.same, again.missing) == (3, 3, 0, True, 0)
    assert again.at > first.at


def test_an_hour_without_objects_agrees_and_one_never_listed_says_so(ledger):
    with ledger.read() as connection:
        assert comparison_of_hour(connection, "s", HOUR).at is None
    empty = listing(ledger, [])
    assert (empty.listed, empty.held, empty.same) == (0, 0, True)


def test_objects_that_are_no_longer_listed_are_gone(ledger):
    listing(ledger, [seen(1), seen(2), seen(3)])
    backdate(ledger)
    found = listing(ledger, [seen(2)])
    assert (found.listed, found.held, found.gone, found.missing) == (1, 3, 2, 0)


def test_a_listed_object_that_the_ledger_lost_is_missing(ledger):
    listing(ledger, [seen(1), seen(2)])
    backdate(ledger)
    began = ledger.now()
    recorded = record_seen(ledger, "s", [seen(1), seen(2)], began=began)
    with ledger.write() as connection:
        connection.execute(sa.delete(objects).where(objects.c.key == "k/0002"))
    compare_listing(ledger, "s", recorded.tallies, [HOUR], began)
    with ledger.read() as connection:
        found = comparison_of_hour(connection, "s", HOUR)
    assert (found.missing, found.same) == (1, False)


def test_as_many_objects_but_other_ones_do_not_agree(ledger):
    listing(ledger, [seen(1)])
    backdate(ledger)
    began = ledger.now()
    other = Tally(objects=1, known_number=12345)
    compare_listing(ledger, "s", {HOUR: other}, [HOUR], began)
    with ledger.read() as connection:
        found = comparison_of_hour(connection, "s", HOUR)
    assert (found.missing, found.gone, found.same) == (0, 0, False)


def test_what_another_worker_recorded_meanwhile_is_neither_gone_nor_missing(ledger):
    listing(ledger, [seen(1)])
    backdate(ledger)
    began = ledger.now()
    mine = record_seen(ledger, "s", [seen(1)], began=began)
    record_seen(ledger, "s", [seen(2)])  # it came behind the page where it would have stood
    compare_listing(ledger, "s", mine.tallies, [HOUR], began)
    with ledger.read() as connection:
        found = comparison_of_hour(connection, "s", HOUR)
    assert (found.gone, found.missing, found.same) == (0, 0, True)


def test_an_object_copied_in_place_counts_for_the_hour_where_it_was_first_seen(ledger):
    listing(ledger, [seen(1)])
    backdate(ledger)
    moved = listing(ledger, [seen(1, hours=5)])
    assert (moved.listed, moved.gone, moved.same) == (1, 0, True)


def test_an_older_comparison_never_replaces_a_newer_one(ledger):
    newer = listing(ledger, [seen(1)])
    compare_listing(ledger, "s", {}, [HOUR], newer.at - 1)
    with ledger.read() as connection:
        assert comparison_of_hour(connection, "s", HOUR) == newer


@pytest.mark.parametrize("order", [("listing", "notification"), ("notification", "listing")])
def test_who_found_what(ledger, order):
    record_seen(ledger, "s", [seen(1), seen(2)], found_by=order[0])
    record_seen(ledger, "s", [seen(2), seen(3)], found_by=order[1])
    with ledger.read() as connection:
        found = found_by(connection, "s", HOUR)
    alone = {order[0]: 1, order[1]: 1}
    assert (found.both, found.listing, found.notification) == (1, alone["listing"], alone["notification"])


def test_states_are_those_of_the_newest_try(ledger):
    from s3sentinel_assets.ledger.refused import requeue_refused
    from s3sentinel_assets.ledger.schema import ObjectState

    record_seen(ledger, "s", [seen(1), seen(2)])
    with ledger.write() as connection:
        connection.execute(sa.update(objects).where(objects.c.key == "k/0001").values(state=ObjectState.DENIED.value))
    requeue_refused(ledger, "s", HOUR, at_once=True)
    with ledger.read() as connection:
        states = states_of(connection, "s", [seen(1), seen(2), seen(3)])
    assert {key[1]: (known.state, known.waits) for key, known in states.items()} == {
        "k/0001": (ObjectState.LISTED, True),
        "k/0002": (ObjectState.LISTED, True),
    }


def test_an_object_outside_the_listed_range_is_not_called_gone(ledger):
    listing(ledger, [seen(1), seen(2)])
    backdate(ledger)
    began = ledger.now()
    recorded = record_seen(ledger, "s", [seen(1)], began=began)
    compare_listing(ledger, "s", recorded.tallies, [HOUR], began, covers=lambda key: key == "k/0001")
    with ledger.read() as connection:
        found = comparison_of_hour(connection, "s", HOUR)
    assert (found.listed, found.held, found.gone, found.same) == (1, 1, 0, True)


def test_another_version_of_a_key_is_not_marked_as_listed(ledger):
    record_seen(ledger, "s", [seen(1, "old")], found_by="notification")
    record_seen(ledger, "s", [seen(1, "new")])
    with ledger.read() as connection:
        found = found_by(connection, "s", HOUR)
    assert (found.both, found.listing, found.notification) == (0, 1, 1)
