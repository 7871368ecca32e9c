"""The chains of digests that the ledger holds for a time, and the holes in them.

Belongs here: from rows to links and gaps, for verification and for the account of an hour alike.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.integrity import Gap, Link, find_gaps
from s3sentinel_assets.ledger.digests import DigestRow, digest_rows, digests_beside
from s3sentinel_assets.ledger.engine import Ledger, to_micros
from s3sentinel_assets.ledger.schema import DigestState
from s3sentinel_assets.pipeline.digest_reading import DIGEST_DELAY

__all__ = ["HOUR", "ChainRows", "chains_between", "gaps_of", "link_of", "settled"]

#: Microseconds.
HOUR = 3_600_000_000
_DELAY = int(DIGEST_DELAY.total_seconds()) * 1_000_000


def link_of(row: DigestRow) -> Link:
    """What a digest's neighbours need to know of it."""
    return Link(
        id=row.id,
        key=row.key,
        start=row.start_at,
        end=row.end_at,
        state=row.state,
        content_sha256=row.content_sha256,
        signature=row.signature,
        previous_key=row.previous_key,
        previous_sha256=row.previous_sha256,
        previous_signature=row.previous_signature,
    )


@dataclass(frozen=True, slots=True)
class ChainRows:
    """What the ledger holds of one chain around a time.

    Attributes:
        chain: the chain.
        rows: digests that may cover the time or stand right beside it.
        before: the last verified digest before these, however long before.
        after: the first verified one after these, however long after.
    """

    chain: str
    rows: list[DigestRow]
    before: DigestRow | None = None
    after: DigestRow | None = None

    @property
    def all_rows(self) -> list[DigestRow]:
        """All of them that tell something of the time.

        A chain that ended long before or began long after does not: there need not have been a trail then.
        """
        before = [self.before] if self.before and (self.rows or self.after) else []
        after = [self.after] if self.after and (self.rows or self.before) else []
        return [*before, *self.rows, *after]

    def goes_on_after(self, row: DigestRow) -> bool:
        """Whether a verified digest of the chain follows on this one, sooner or later."""
        later = (each for each in (*self.rows, self.after) if each is not None and each.state is DigestState.VERIFIED)
        return any(each.end_at > row.end_at for each in later)


def chains_between(ledger: Ledger, source: str, first: int, last: int) -> Iterator[ChainRows]:
    """Chain by chain the digests that may cover a time or stand beside it."""
    with ledger.read() as connection:
        beside: dict[str, list[DigestRow]] = {}
        for row in digests_beside(connection, source, first - HOUR, last + _DELAY):
            beside.setdefault(row.chain, []).append(row)
        rows = digest_rows(connection, source, first - HOUR, last + _DELAY)
        for chain, same in itertools.groupby(rows, key=lambda row: row.chain):
            yield _chain_rows(chain, list(same), beside.pop(chain, ()), first)
        for chain, alone in beside.items():
            yield _chain_rows(chain, [], alone, first)


def _chain_rows(chain: str, rows: list[DigestRow], beside: Sequence[DigestRow], first: int) -> ChainRows:
    before = next((row for row in beside if row.end_at < first), None)
    return ChainRows(chain, rows, before, next((row for row in beside if row is not before), None))


def settled(last: int) -> int:
    """The end of the time for which every digest should have arrived."""
    return min(last, to_micros(utc_now()) - _DELAY)


def gaps_of(chain: str, links: Sequence[Link], first: int, last: int) -> list[Gap]:
    """The holes in a chain between two instants, as far as every digest should have arrived."""
    if chain == "?":  # digests with strange names have no chain
        return []
    return find_gaps(links, first, settled(last), backfill=chain.endswith("/backfill"))
