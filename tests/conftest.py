"""Fixtures for every test: no ambient AWS or project settings, and the folder of shared sample data, if any."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _no_ambient_settings() -> None:
    """Tests see no credentials, endpoints, profiles or settings of the machine they run on."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "S3SENTINEL_")) and name != "S3SENTINEL_SHARED":
            del os.environ[name]
    # Neither ~/.aws nor the metadata service of a cloud machine may answer.
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Loopback must never go through a proxy.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared sample data; the test is skipped where there is none."""
    folder = Path(os.environ.get("S3SENTINEL_SHARED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no shared sample data (set S3SENTINEL_SHARED)")
    return folder
