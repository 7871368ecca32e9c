"""Claims: which part owns the events of an hour."""

import sqlalchemy as sa

from s3sentinel_assets.ledger import claims
from s3sentinel_assets.ledger.claims import Claim, claims_of_others, record_claims
from s3sentinel_assets.ledger.schema import part

TABLE = "AWSCloudTrail"


def a_part(ledger) -> int:
    values = {"source": "s", "hour": "2026-11-20-10:00", "created_at": 0, "late": False, "objects": 1, "bytes": 1}
    with ledger.write() as connection:
        return connection.execute(sa.insert(part).values(values).returning(part.c.id)).scalar_one()


def claim(ledger, part_id: int, *wanted: tuple[str, str, str]) -> None:
    with ledger.write() as connection:
        record_claims(connection, part_id, dict.fromkeys(wanted, 1))


def of_others(ledger, hours, part_id: int, after: int = 0) -> list[Claim]:
    with ledger.read() as connection:
        return claims_of_others(connection, TABLE, hours, part_id, after)


def test_others_claims_on_these_hours_and_no_more(ledger):
    mine, other = a_part(ledger), a_part(ledger)
    ten, eleven = "2026-11-20-10:00", "2026-11-20-11:00"
    claim(ledger, mine, (TABLE, ten, "mine"))
    claim(ledger, other, (TABLE, eleven, "a"), (TABLE, ten, "b"), ("AWSGuardDuty", ten, "c"), (TABLE, "2026", "d"))
    found = of_others(ledger, {ten, eleven}, mine)
    assert [(each.event_hour, each.part_id, each.uri) for each in found] == [(ten, other, "b"), (eleven, other, "a")]
    assert of_others(ledger, {ten, eleven}, mine, after=found[0].id) == found[1:]
    assert of_others(ledger, set(), mine) == []
    claim(ledger, other, (TABLE, ten, "e"))  # read again
    assert [each.uri for each in of_others(ledger, {ten, eleven}, mine)] == ["e"]


def test_events_of_more_hours_than_a_query_takes(ledger, monkeypatch):
    monkeypatch.setattr(claims, "_HOURS_PER_QUERY", 2)
    mine, other = a_part(ledger), a_part(ledger)
    claim(ledger, other, (TABLE, "h4", "a"), (TABLE, "h0", "b"), (TABLE, "h9", "c"))
    assert [each.uri for each in of_others(ledger, ["h4", "h3", "h2", "h1", "h0"], mine)] == ["b", "a"]
