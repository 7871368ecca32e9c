"""The notebooks run from beginning to end on generated logs, and what they say is right."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from s3sentinel_assets.local.generator import ATTACKER_ADDRESS, BACKDOOR_USER, VICTIM_USER

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("investigate_hour", "compare_models", "tune_priorities_and_cost")
_TELL = "tests_tell"


class ThisInterpreter(AsyncKernelManager):
    """Kernels of the Python that runs the tests, whatever is installed for the user."""

    @property
    def kernel_spec(self):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="tests", language="python")


def execute(name, folder, asked, **settings):
    """Runs a notebook in an empty folder with small data; gives its output and the values of the expressions."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    questions = ", ".join(f"{key!r}: {expression}" for key, expression in asked.items())
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint('{_TELL}' + json.dumps({{{questions}}}))"))
    variables = {name: value for name, value in os.environ.items() if not name.startswith("S3SENTINEL_NOTEBOOK_")}
    variables |= {"S3SENTINEL_NOTEBOOK_" + key.upper(): str(value) for key, value in settings.items()}
    variables |= {"PYTHONPATH": str(NOTEBOOKS.parent), "IPYTHONDIR": str(folder), "MPLCONFIGDIR": str(folder)}
    client = NotebookClient(
        notebook,
        timeout=220,
        kernel_manager_class=ThisInterpreter,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=variables)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    plots = sum("image/png" in output.get("data", {}) for output in outputs)
    told, _, answers = text.rpartition(_TELL)
    return told, plots, json.loads(answers)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_stored_without_outputs(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert "S3SENTINEL_NOTEBOOK_" in code[0].source  # the first cell is the parameters


@pytest.mark.slow
def test_investigate_hour_finds_the_story(tmp_path):
    asked = {
        "top": "hours['principal'].head(2).to_list()",
        "principal": "principal",
        "urgent": "within.filter(pl.col('priority') == 'critical')['action'].to_list()",
        "new_addresses": "new.filter(pl.col('what') == 'source_ip')['value'].to_list()",
        "others": "by_address['principal'].to_list()",
    }
    told, plots, found = execute("investigate_hour", tmp_path, asked, history_hours=86, scale=0.2)
    assert found["principal"].endswith(f"/{VICTIM_USER}")
    assert found["top"][0] == found["principal"]
    assert "iam:CreateUser" in found["urgent"]
    assert found["new_addresses"] == [ATTACKER_ADDRESS]
    assert {name.rpartition("/")[2] for name in found["others"]} == {VICTIM_USER, BACKDOOR_USER}
    assert plots == 2
    assert "AWSCloudTrail_Latest" in told
    assert "EntityHours" in told


@pytest.mark.slow
def test_compare_models_tells_what_each_finds(tmp_path):
    asked = {
        "recall": "dict(figures.select('model', 'recall').iter_rows())",
        "incidents": "attacks['incident'].n_unique()",
        "techniques": "techniques.height",
        "moved": "{name: table.height for name, table in moved.items()}",
    }
    settings = {"history_hours": 30, "fitting_hours": 8, "judging_hours": 6, "scale": 0.2}
    told, plots, found = execute("compare_models", tmp_path, asked, **settings)
    assert list(found["recall"]) == ["champion", "rarity sum", "ECOD, fitted here"]
    assert found["recall"]["champion"] > 0.8
    assert found["incidents"] > 30
    assert found["techniques"] > 10
    assert min(found["moved"].values()) > 0
    assert plots == 3
    assert "no tracking store" in told  # nothing is logged unless somebody says where


@pytest.mark.slow
def test_tune_priorities_and_cost_tells_alerts_volume_and_money(tmp_path):
    asked = {
        "events": "figures['events_per_day'].to_list()",
        "medium": "figures['medium_share'].to_list()",
        "found": "figures['found_medium'].to_list()",
        "shares": "volumes.group_by('table').agg(pl.col('share').sum())['share'].to_list()",
        "saved": "costs.select('table', 'guards', 'saved a month').rows()",
    }
    settings = {"history_hours": 76, "judging_hours": 6, "scale": 0.2, "factors": "0.25 1 20", "gb_per_day": 50}
    told, plots, found = execute("tune_priorities_and_cost", tmp_path, asked, **settings)
    assert len(found["events"]) == 3
    # A larger budget never brings less to look at, and never finds less.
    for figures in (found["events"], found["medium"], found["found"]):
        assert figures == sorted(figures)
    assert found["medium"][0] < found["medium"][-1]
    assert all(share == pytest.approx(1) for share in found["shares"])
    assert all(saved >= 0 for _, _, saved in found["saved"])
    assert max(saved for _, how, saved in found["saved"] if how == "no rule needs rows") > 0
    assert plots >= 4
    assert "estimate" in told
