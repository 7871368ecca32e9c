"""The stand-ins that all scenarios of this folder share."""

import pytest

from chaos.world import stand_ins


@pytest.fixture(scope="session")
def shaken(tmp_path_factory):
    """Running local AWS and local workspace."""
    with stand_ins(tmp_path_factory.mktemp("chaos")) as running:
        yield running
