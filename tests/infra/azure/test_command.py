"""``infra azure``: what is printed and written."""

import json
from pathlib import Path

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.infra.azure.files import is_ours
from tests.infra.azure.configurations import AZURE, QUIET, source
from tests.infra.azure.conftest import Laptop


def test_a_template_on_stdout_and_nothing_else(laptop: Laptop) -> None:
    done = laptop.run("azure")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["$schema"].endswith("/2019-04-01/deploymentTemplate.json#")
    assert is_ours(done.stdout)
    assert done.stderr == ""
    assert laptop.run("azure", "-").stdout == done.stdout
    assert laptop.run("azure", "--format", "bicep").stdout.startswith("targetScope = 'resourceGroup'\n")


def test_both_files_in_a_folder(laptop: Laptop, tmp_path: Path) -> None:
    folder = tmp_path / "azure"
    done = laptop.run("azure", str(folder))
    assert done.exit_code == 0
    files = {"s3sentinel-azure.bicep", "s3sentinel-azure.json"}
    assert {each.name for each in folder.iterdir()} == files
    assert all(is_ours((folder / name).read_text()) for name in files)
    assert done.stdout.count("written") == 2
    assert "--resource-group rg-sentinel" in done.stdout
    assert laptop.run("azure", str(folder)).stdout.count("unchanged") == 2
    assert {each.name for each in folder.iterdir()} == files


def test_an_edited_file_stays(laptop: Laptop, tmp_path: Path) -> None:
    assert laptop.run("azure", str(tmp_path / "out"), "--format", "arm").exit_code == 0
    file = tmp_path / "out" / "s3sentinel-azure.json"
    edited = file.read_text().replace('"version": 2', '"version": 1')
    file.write_text(edited)
    done = laptop.run("azure", str(tmp_path / "out"))
    assert isinstance(done.exception, UserError)
    assert file.read_text() == edited
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert laptop.run("azure", str(tmp_path / "out"), "--force").exit_code == 0
    assert is_ours(file.read_text())


def test_the_template_needs_no_azure(laptop: Laptop) -> None:
    laptop.configure(sentinel={"azure": {}, "management_endpoint": "https://127.0.0.1:1"})
    assert laptop.run("azure").exit_code == 0


def test_split_says_what_it_costs(laptop: Laptop) -> None:
    laptop.configure(flows=source("vpc_flow", routing={"rules": [QUIET]}))
    done = laptop.run("azure", "--split")
    assert done.exit_code == 0
    assert "docs/azure.md" in done.stderr
    json.loads(done.stdout)


def test_no_secret_is_in_it(laptop: Laptop) -> None:
    laptop.configure(sentinel={"azure": AZURE})
    secret = laptop.workspace.client_secret_file.read_text().strip()
    both = laptop.run("azure").stdout + laptop.run("azure", "--format", "bicep").stdout
    assert secret not in both
    assert laptop.workspace.client_id not in both
