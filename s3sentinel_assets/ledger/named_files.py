"""Every stage file the ledger names, wherever it names it: what a sweep of the store must leave alone."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import (
    batch,
    catalogue,
    claim,
    dead_letter,
    held,
    quarantine,
    score_pin,
    stage,
    state,
)

__all__ = ["named_files"]

_COLUMNS = (
    batch.c.uri,
    catalogue.c.uri,
    claim.c.uri,
    dead_letter.c.uri,
    held.c.uri,
    quarantine.c.uri,
    score_pin.c.counters_uri,
    state.c.uri,
)


def named_files(connection: Connection) -> set[str]:
    """The uris of all files that the rows of any table name."""
    named = {uri for column in _COLUMNS for uri in connection.execute(sa.select(column).distinct()).scalars() if uri}
    for files in connection.execute(sa.select(stage.c.files)).scalars():
        named.update(file["uri"] for file in files)
    return named
