"""The chains of digests that the ledger holds for a time, and the holes in them.

Belongs here: from rows to links and gaps, for verification and for the account of an hour alike.
"""

import itertools
from collections.abc import Iterator, Sequence

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.integrity import Gap, Link, find_gaps
from s3sentinel_assets.ledger.digests import DigestRow, digest_rows
from s3sentinel_assets.ledger.engine import Ledger, to_micros
from s3sentinel_assets.pipeline.digest_reading import DIGEST_DELAY

__all__ = ["HOUR", "chains_between", "gaps_of", "link_of", "settled"]

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


def chains_between(ledger: Ledger, source: str, first: int, last: int) -> Iterator[tuple[str, list[DigestRow]]]:
    """Chain by chain the digests that may cover a time or stand beside it."""
    with ledger.read() as connection:
        rows = digest_rows(connection, source, first - HOUR, last + _DELAY)
        for chain, same in itertools.groupby(rows, key=lambda row: row.chain):
            yield chain, list(same)


def settled(last: int) -> int:
    """The end of the time for which every digest should have arrived."""
    return min(last, to_micros(utc_now()) - _DELAY)


def gaps_of(chain: str, links: Sequence[Link], first: int, last: int) -> list[Gap]:
    """The holes in a chain between two instants, as far as every digest should have arrived."""
    if chain == "?":  # digests with strange names have no chain
        return []
    return find_gaps(links, first, settled(last), backfill=chain.endswith("/backfill"))
