"""The workspace that guards are compared with, once for the folder."""

from collections.abc import Iterator

import pytest

from tests.sentinel.guards.worlds import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made, storage = make_world(tmp_path_factory.mktemp("guards"))
    yield made
    storage.close()
