"""Housekeeping: stage files that no commit ever named are deleted.

They are left by killed workers and by files that were rewritten before their commit.
"""

from s3sentinel_assets.ledger.named_files import named_files
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["sweep_store"]

# A part's files wait for its one commit; nothing that is worked on is ever this old.
_ORPHAN_SECONDS = 24 * 3_600


def sweep_store(runtime: Runtime, older_than_seconds: float = _ORPHAN_SECONDS) -> list[str]:
    """Deletes orphaned stage files.

    Args:
        runtime: the runtime.
        older_than_seconds: age from which a file that the ledger does not name is an orphan.

    Returns:
        The uris deleted.
    """

    def known() -> set[str]:
        with runtime.ledger.read() as connection:
            return named_files(connection)

    return runtime.store.sweep(known, older_than_seconds)
