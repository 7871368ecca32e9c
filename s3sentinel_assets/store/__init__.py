"""The store: stage files, uniquely named and written whole before the ledger names them.

Belongs here: where files lie, atomic writing, checksums, sweeping what the ledger does not know.
Does not belong here: what the files mean.
"""

from s3sentinel_assets.store.files import Store, StoredFile, StoreWriter

__all__ = ["Store", "StoreWriter", "StoredFile"]
