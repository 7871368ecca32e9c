"""A local AWS for the tests of this folder."""

from collections.abc import Iterator

import pytest

from s3sentinel_assets.local.aws import LocalAws, start_aws


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with start_aws(tmp_path_factory.mktemp("aws")) as server:
        yield server
