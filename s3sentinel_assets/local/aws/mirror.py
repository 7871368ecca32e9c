"""The disk mirror: every bucket and object version that moto holds in memory, as files that are read back at start.

Belongs here: the file layout and the two directions, memory → disk after a change and disk → memory at start. Does not
belong here: deciding when something changed (``server``).

Layout: ``s3/<bucket>/bucket.json`` and ``s3/<bucket>/<sha256 of key>/<version>.object``; an object file is one line of
JSON (key, ETag, LastModified, metadata …) followed by the body. Keys may hold anything, file names may not: hence the
hash.
"""

import contextlib
import datetime
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from s3sentinel_assets.errors import UserError

__all__ = ["Mirror"]

_ACCOUNT = "123456789012"
_PARTITION = "aws"
#: Attributes of moto's key that are kept beside the body.
_KEPT = (
    *("encryption", "kms_key_id", "sse_customer_key_md5"),
    *("checksum_algorithm", "checksum_value", "checksum_type", "checksum_parts"),
)


class Mirror:
    """Keeps a folder equal to moto's S3. Not thread-safe: the server calls it under its own lock.

    Args:
        folder: where the files lie; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder / "s3"
        self._root.mkdir(parents=True, exist_ok=True)
        self._written: dict[tuple[str, str], dict[str, tuple[Any, ...]]] = {}
        self._sequence = 0

    def load(self) -> int:
        """Reads every file into moto.

        Returns:
            The number of object versions read.

        Raises:
            UserError: a file is damaged; it names the file.
        """
        return sum(self._load_bucket(folder) for folder in sorted(self._root.iterdir()) if folder.is_dir())

    def _load_bucket(self, folder: Path) -> int:
        from moto.s3.models import s3_backends

        try:
            about = json.loads((folder / "bucket.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0  # the bucket's creation never got as far as its commit
        except ValueError as error:
            raise UserError(f"{folder / 'bucket.json'}: is damaged ({error}); delete the folder {folder}") from None
        backend = s3_backends[about["account"]][_PARTITION]
        bucket = backend.create_bucket(about["name"], about["region"])
        if about["versioning"]:
            backend.put_bucket_versioning(about["name"], about["versioning"])
        versions = []
        for path in folder.glob("*/*.object"):
            with path.open("rb") as file:
                header, body = file.readline(), file.read()
            versions.append((_checked_header(path, header, len(body)), body))
        versions.sort(key=lambda pair: pair[0]["sequence"])
        for header, body in versions:
            key = _restore(header, body, about["account"], about["region"], bool(about["versioning"]))
            bucket.keys.setlist(header["key"], [*bucket.keys.getlist(header["key"], []), key])
            self._written.setdefault((about["name"], header["key"]), {})[header["version"]] = _fingerprint(key)
            self._sequence = max(self._sequence, header["sequence"])
        return len(versions)

    def sync_bucket(self, name: str) -> None:
        """Makes the bucket's own file, or removes the whole folder when the bucket is gone."""
        if not name:
            raise ValueError("a bucket without a name would be the folder of all buckets")
        bucket = _find_bucket(name)
        folder = self._root / name
        if bucket is None:
            if folder.is_dir():
                (folder / "bucket.json").unlink(missing_ok=True)  # first: without it the folder counts for nothing
                shutil.rmtree(folder)
            for entry in [entry for entry in self._written if entry[0] == name]:
                del self._written[entry]
            return
        about = {
            "name": name,
            "account": bucket.account_id,
            "region": bucket.region_name,
            "versioning": bucket.versioning_status,
        }
        folder.mkdir(exist_ok=True)
        _write(folder / "bucket.json", [json.dumps(about).encode()])

    def sync_key(self, bucket_name: str, name: str) -> None:
        """Makes the files of one key equal to what moto holds: writes new versions, removes deleted ones."""
        bucket = _find_bucket(bucket_name)
        if bucket is None:
            return
        folder = self._root / bucket_name / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        written = self._written.setdefault((bucket_name, name), {})
        present = {str(key.version_id): key for key in bucket.keys.getlist(name, [])}
        for version, key in present.items():
            if written.get(version) != _fingerprint(key):
                folder.mkdir(exist_ok=True)
                self._sequence += 1
                _write(folder / f"{version}.object", _serialise(key, name, version, self._sequence))
                written[version] = _fingerprint(key)
        for version in set(written) - set(present):
            (folder / f"{version}.object").unlink(missing_ok=True)
            del written[version]
        if not present:
            del self._written[bucket_name, name]
            with contextlib.suppress(OSError):  # never written, or not empty: both are fine
                folder.rmdir()

    def sync_keys(self, bucket_name: str) -> None:
        """`sync_key` for every key that memory or disk knows in a bucket."""
        bucket = _find_bucket(bucket_name)
        names = {key for name, key in self._written if name == bucket_name}
        for name in sorted(names | set(dict.keys(bucket.keys) if bucket else ())):
            self.sync_key(bucket_name, name)


def _checked_header(path: Path, line: bytes, size: int) -> dict[str, Any]:
    problem = "its first line is not what was written"
    try:
        header = json.loads(line)
        if header["size"] == size:
            return header
        problem = f"{size} bytes instead of {header['size']}"
    except (ValueError, KeyError, TypeError):
        pass  # said below
    raise UserError(f"{path}: is damaged ({problem}); delete this file to start without it")


def _find_bucket(name: str) -> Any:
    from moto.s3.models import s3_backends

    for account in list(s3_backends.values()):
        buckets = account[_PARTITION].buckets
        if name in buckets:
            return buckets[name]
    return None


def _fingerprint(key: Any) -> tuple[Any, ...]:
    if not hasattr(key, "etag"):
        return ("delete marker", key.last_modified)
    return key.etag, key.last_modified, key.size, tuple(sorted(dict(key.metadata).items()))


def _serialise(key: Any, name: str, version: str, sequence: int) -> list[bytes]:
    """The pieces of an object file."""
    header: dict[str, Any] = {
        "key": name,
        "version": version,
        "sequence": sequence,
        "last_modified": key.last_modified.isoformat(),
        "delete_marker": not hasattr(key, "etag"),
    }
    body = b""
    if not header["delete_marker"]:
        body = key.value
        header |= {"etag": key.etag.strip('"'), "storage": key.storage_class, "metadata": dict(key.metadata)}
        header |= {attribute: getattr(key, attribute, None) for attribute in _KEPT}
    return [json.dumps(header | {"size": len(body)}).encode(), b"\n", body]


def _restore(header: dict[str, Any], body: bytes, account: str, region: str, versioned: bool) -> Any:
    from moto.s3.models import FakeDeleteMarker, FakeKey

    key: Any = FakeKey(
        name=header["key"],
        value=body,
        account_id=account,
        region_name=region,
        storage=header.get("storage"),
        etag=header.get("etag"),
        is_versioned=versioned,
        version_id=header["version"],
    )
    if header["delete_marker"]:
        key = FakeDeleteMarker(key)
        key._version_id = header["version"]
    else:
        key.set_metadata(header["metadata"], replace=False)
        for attribute in _KEPT:
            setattr(key, attribute, header.get(attribute))
    key.last_modified = datetime.datetime.fromisoformat(header["last_modified"])
    return key


def _write(path: Path, pieces: list[bytes]) -> None:
    """Whole or not at all: a killed server leaves either the old file or the new one."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.writelines(pieces)
    temporary.replace(path)
