"""Catalogues of patterns in the ledger: the newest one for a day, one a day, only under a lease that is held."""

import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.ledger.catalogues import catalogue_by_id, commit_catalogue, newest_catalogue
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.named_files import named_files


def values(day, **more):
    return {
        "source": "syslog",
        "day": day,
        "based_on": None,
        "uri": f"syslog/{day}.zip",
        "sha256": "0" * 64,
        "patterns": 3,
        "events": 40,
        "code_version": "patterns-1",
        "made_at": 1,
    } | more


def commit(ledger, held, day, **more):
    with ledger.write() as connection:
        return commit_catalogue(connection, held, values(day, **more))


@pytest.fixture
def held(ledger):
    return take_lease(ledger, "catalogue:syslog", "me", 60)


def test_events_of_a_day_get_the_newest_one_up_to_it(ledger, held):
    first = commit(ledger, held, "2026-11-20")
    second = commit(ledger, held, "2026-11-22", based_on=first)
    commit(ledger, held, "2026-11-21", source="other")
    with ledger.read() as connection:
        found = {day: newest_catalogue(connection, "syslog", day) for day in ("2026-11-19", "2026-11-21", "2026-11-22")}
        assert found["2026-11-19"] is None
        assert found["2026-11-21"].id == first
        assert found["2026-11-22"] == catalogue_by_id(connection, second)
        assert found["2026-11-22"].based_on == first
        assert "syslog/2026-11-22.zip" in named_files(connection)


def test_a_day_has_one(ledger, held):
    commit(ledger, held, "2026-11-20")
    with pytest.raises(sa.exc.IntegrityError):
        commit(ledger, held, "2026-11-20")


def test_a_lost_lease_commits_nothing(ledger, held):
    with ledger.write() as connection:
        connection.execute(sa.text("UPDATE lease SET epoch = epoch + 1, owner = 'another'"))
    with pytest.raises(LeaseLostError):
        commit(ledger, held, "2026-11-20")
    with ledger.read() as connection:
        assert newest_catalogue(connection, "syslog", "9999") is None
