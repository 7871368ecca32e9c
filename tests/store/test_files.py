"""Stage files: whole or absent, verifiable, and swept only when nobody needs them."""

import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def write(store: Store, body: bytes = b"body", folder: str = "s/2026-11-01-00:00/parsed"):
    with store.create(folder, ".bin") as writer:
        writer.file.write(body)
    return writer.stored


def files(store: Store) -> list[str]:
    return [path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if path.is_file()]


def test_a_file_is_named_checksummed_and_readable(store: Store) -> None:
    stored = write(store, b"some bytes")
    assert stored.size == 10
    assert stored.sha256 == hashlib.sha256(b"some bytes").hexdigest()
    assert ":" not in stored.uri
    assert stored.uri.endswith(".bin")
    assert store.path(stored.uri).read_bytes() == b"some bytes"
    assert store.verify(stored.uri, stored.sha256)
    assert store.read_range(stored.uri, 5, 5) == b"bytes"


def test_writing_by_path(store: Store) -> None:
    with store.create("f", ".txt") as writer:
        writer.path.write_text("x")
        assert writer.stored is None
    assert files(store) == [writer.stored.uri]


def test_an_empty_file_is_a_file(store: Store) -> None:
    assert write(store, b"").size == 0


def test_nothing_is_visible_before_it_is_whole(store: Store) -> None:
    with store.create("f", ".parquet") as writer:
        writer.file.write(b"half")
        assert not any(name.endswith(".parquet") for name in files(store))


def test_nothing_remains_of_a_failure(store: Store) -> None:
    def fail() -> None:
        with store.create("f", ".bin") as writer:
            writer.file.write(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert files(store) == []


def test_writers_never_meet(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda n: write(store, bytes([n])), range(64)))
    assert len({entry.uri for entry in stored}) == 64
    assert all(store.verify(entry.uri, entry.sha256) for entry in stored)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.create("f", ".bin") as writer:
            writer.file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match=r"stage file .* cannot be written: No space left on device"):
        fail()
    assert files(store) == []


def test_a_lost_connection_inside_the_block_is_not_blamed_on_the_disk(store: Store) -> None:
    def fail() -> None:
        with store.create("f", ".bin"):
            raise ConnectionResetError(errno.ECONNRESET, "reset by peer")

    with pytest.raises(ConnectionResetError):
        fail()


def test_a_store_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"store folder .* cannot be made"):
        write(Store(tmp_path / "file"))


def test_missing_damaged_and_short_files_are_noticed(store: Store) -> None:
    stored = write(store, b"0123456789")
    with pytest.raises(UserError, match="is missing though the ledger names it"):
        store.path("no/such.bin")
    with pytest.raises(UserError, match="is cut short"):
        store.read_range(stored.uri, 5, 6)
    store.path(stored.uri).write_bytes(b"012345678?")
    assert not store.verify(stored.uri, stored.sha256)


def test_a_store_may_be_moved(store: Store, tmp_path) -> None:
    stored = write(store)
    store.root.rename(tmp_path / "elsewhere")
    assert Store(tmp_path / "elsewhere").verify(stored.uri, stored.sha256)


def test_the_sweep_takes_old_orphans_only(store: Store) -> None:
    known, orphan, young = write(store), write(store), write(store)
    torn = store.root / "f" / "x.parquet.unfinished"
    torn.parent.mkdir()
    torn.write_bytes(b"half")
    for name in (known.uri, orphan.uri, "f/x.parquet.unfinished"):
        os.utime(store.root / name, (0, 0))
    assert store.sweep(lambda: [known.uri], 3600) == sorted([orphan.uri, "f/x.parquet.unfinished"])
    assert sorted(files(store)) == sorted([known.uri, young.uri])
    assert Store(store.root / "absent").sweep(list, 0) == []
