"""Files are replaced whole, and only if they are ours."""

from pathlib import Path

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.infra.azure.files import GENERATOR, is_ours, sealed, write_files

ONE, OTHER = sealed(f"// {GENERATOR}\none\n"), sealed(f"// {GENERATOR}\nother\n")


def listed(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_the_seal() -> None:
    assert is_ours(ONE)
    assert not is_ours(ONE.replace("one", "two"))
    assert not is_ours("one\n")
    assert not is_ours(f"// {GENERATOR}\none\n")


def test_new_same_and_changed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert write_files(folder, {"a": ONE, "b": OTHER}) == {"a": True, "b": True}
    assert write_files(folder, {"a": ONE, "b": ONE}) == {"a": False, "b": True}
    assert (folder / "b").read_text() == ONE
    assert listed(folder) == ["a", "b"]


@pytest.mark.parametrize("foreign", [b"mine", ONE.replace("one", "two").encode(), b"\xff\xfe"])
def test_a_file_of_somebody_else(tmp_path: Path, foreign: bytes) -> None:
    (tmp_path / "b").write_bytes(foreign)
    with pytest.raises(UserError, match=r"b was not written by this command.*--force"):
        write_files(tmp_path, {"a": ONE, "b": ONE})
    assert listed(tmp_path) == ["b"]
    assert (tmp_path / "b").read_bytes() == foreign
    write_files(tmp_path, {"a": ONE, "b": ONE}, force=True)
    assert (tmp_path / "b").read_text() == ONE


def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a": ONE, "b": ONE})
    synced = iter([None, OSError(28, "No space left on device")])

    def full(_descriptor: int) -> None:
        if (error := next(synced)) is not None:
            raise error

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_files(tmp_path, {"a": OTHER, "b": OTHER})
    assert listed(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == ONE


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="choose another folder"):
        write_files(tmp_path / "file", {"a": ONE})
