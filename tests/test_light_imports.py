"""What is asked for often and needs little must not load much: the help, and what each Dagster process loads first."""

import subprocess
import sys
from pathlib import Path

import pytest

#: Loaded by the stage that needs them, when it runs.
HEAVY = (
    *("alembic", "azure", "boto3", "botocore", "duckdb", "honcho", "isal", "matplotlib", "mlflow", "moto", "msal"),
    *("msgspec", "numpy", "pandas", "polars", "psycopg", "pyarrow", "scipy", "sklearn", "sqlalchemy", "uvicorn"),
)
#: The help does not even need Dagster and the configuration.
HEAVIER = (*HEAVY, "dagster", "yaml", "rich.progress")
REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = """
from s3sentinel_assets.config import load_config
from s3sentinel_assets.definitions import build_defs
build_defs(load_config("s3sentinel.yaml")).get_repository_def()
"""
COMMAND = """
from s3sentinel_assets.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
"""


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        pytest.param("import s3sentinel_assets.definitions", HEAVY, id="definitions"),
        pytest.param(BUILD, HEAVY, id="definitions, built"),
        pytest.param("import s3sentinel_assets.pipeline.runtime, s3sentinel_assets.resources", HEAVY, id="runtime"),
        *(
            pytest.param(
                COMMAND.format(arguments=arguments),
                HEAVIER,
                id=" ".join(arguments),
            )
            for arguments in (["--help"], ["version"], ["dev", "--help"], ["emit", "--help"], ["latency", "--help"])
        ),
    ],
)
def test_a_light_path_loads_nothing_heavy(code: str, heavy: tuple[str, ...]) -> None:
    code += f"\nimport sys; print('HEAVY', sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
