"""Files come whole, and nobody else's are replaced."""

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.infra.aws import folder as folder_module
from s3sentinel_assets.infra.aws.folder import write_files


def test_what_is_as_it_was_is_left_alone_and_what_changed_is_replaced(tmp_path):
    target = tmp_path / "a" / "b"
    assert write_files(target, {"x": "1", "y": "1"}).changed == ("x", "y")
    before = (target / "x").stat().st_mtime_ns
    written = write_files(target, {"x": "1", "y": "2"})
    assert (written.changed, written.kept) == (("y",), ("x",))
    assert (target / "x").stat().st_mtime_ns == before
    assert (target / "y").read_text() == "2"


@pytest.mark.parametrize("earlier", ["never", "changed since"])
def test_a_file_of_somebody_else_stops_all_until_it_is_forced(tmp_path, earlier):
    if earlier != "never":
        write_files(tmp_path, {"x": "0"})
    (tmp_path / "x").write_text("mine")
    with pytest.raises(UserError, match=r"x was not written by this command, or was changed since"):
        write_files(tmp_path, {"a": "1", "x": "1"})
    assert (tmp_path / "x").read_text() == "mine"
    assert not (tmp_path / "a").exists()
    write_files(tmp_path, {"a": "1", "x": "1"}, force=True)
    assert write_files(tmp_path, {"a": "1", "x": "2"}).changed == ("x",)


def test_what_is_no_longer_made_is_told_for_as_long_as_it_lies_there(tmp_path):
    write_files(tmp_path, {"x": "1", "y": "1"})
    assert write_files(tmp_path, {"x": "1"}).left == ("y",)
    assert write_files(tmp_path, {"x": "1"}).left == ("y",)
    (tmp_path / "y").unlink()
    assert write_files(tmp_path, {"x": "1"}).left == ()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_files(tmp_path, {"x": "old"})

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module.os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_files(tmp_path, {"x": "new"})
    assert (tmp_path / "x").read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == [folder_module.MANIFEST, "x"]


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match="f cannot be used"):
        write_files(tmp_path / "f", {"x": "1"})


def test_a_damaged_list_makes_every_file_foreign(tmp_path):
    write_files(tmp_path, {"x": "1"})
    (tmp_path / folder_module.MANIFEST).write_text("{")
    with pytest.raises(UserError, match="--force"):
        write_files(tmp_path, {"x": "2"})
