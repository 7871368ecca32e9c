"""One local workspace for the tests of this folder, and the commands against it: real credential, real TLS."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from click.testing import Result
from typer.testing import CliRunner

from s3sentinel_assets.cli.infra_azure import azure, diff
from s3sentinel_assets.local.workspace import LocalWorkspace, start_workspace
from s3sentinel_assets.local.workspace.management import MANAGEMENT_FILE
from s3sentinel_assets.tables import load_schema, table_names
from tests.infra.azure.configurations import AZURE, source
from tests.infra.azure.deployment import Deployment, as_azure_tells

#: Azure tables come with these columns.
STANDARD = {name: load_schema(name).columns for name in table_names() if not name.endswith("_CL")}
app = typer.Typer()
app.command()(azure)
app.command()(diff)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkspace]:
    with start_workspace(tmp_path_factory.mktemp("workspace")) as workspace:
        yield workspace


@dataclass
class Laptop:
    """A configuration file, the commands, and what the stand-in for Azure says."""

    folder: Path
    workspace: LocalWorkspace

    @property
    def config(self) -> Path:
        return self.folder / "s3sentinel.yaml"

    @property
    def azure_file(self) -> Path:
        return self.workspace.data_dir / MANAGEMENT_FILE

    def configure(self, sentinel: dict[str, Any] | None = None, **sources: Any) -> None:
        named = sources or {"trail": source("cloudtrail"), "flows": source("vpc_flow")}
        section = {**self.workspace.sentinel_settings(), "management_endpoint": self.workspace.url, "azure": AZURE}
        document = {"data_dir": str(self.folder), "sentinel": section | (sentinel or {}), "sources": named}
        self.config.write_text(yaml.safe_dump(document))

    def run(self, command: str, *arguments: str) -> Result:
        return CliRunner().invoke(app, [command, "--config", str(self.config), *arguments])

    def deploy(self, *arguments: str) -> Deployment:
        """Does what a deployment of the template would do."""
        printed = self.run("azure", *arguments)
        assert printed.exit_code == 0, printed.output
        made = Deployment(json.loads(printed.stdout), {})
        self.told = as_azure_tells(made, AZURE["workspace_name"], STANDARD)
        self.save()
        return made

    def save(self) -> None:
        self.azure_file.write_text(json.dumps(self.told))

    def body(self, ending: str) -> dict[str, Any]:
        """What Azure says of the resource whose id ends so; changes are seen after `save`."""
        (name,) = [name for name in self.told if name.endswith(ending)]
        return self.told[name]

    def settle(self, made: Deployment) -> None:
        """Copies the outputs into the configuration, as a user would."""
        told = made.outputs["s3sentinel"]["sentinel"]
        self.configure(sentinel={"dcr_id": told["dcr_id"], "workspace_id": told["workspace_id"]})

    def differences(self, *arguments: str) -> list[tuple[str, str, str]]:
        done = self.run("diff", "--json", *arguments)
        document = json.loads(done.stdout)
        assert done.exit_code == (0 if document["equal"] else 1)
        return [(one["where"], one["part"], one["kind"]) for one in document["differences"]]


@pytest.fixture
def laptop(tmp_path: Path, running: LocalWorkspace) -> Iterator[Laptop]:
    made = Laptop(tmp_path, running)
    made.configure()
    yield made
    made.azure_file.unlink(missing_ok=True)


@pytest.fixture
def deployed(laptop: Laptop) -> Laptop:
    """A laptop whose template is deployed and whose configuration knows it."""
    laptop.settle(laptop.deploy())
    return laptop
