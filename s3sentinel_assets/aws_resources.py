"""dagster-aws resources for every source, offered without loading boto3.

Belongs here: names and lazy definitions of the resources. Does not belong here: the resources (``source_s3``), which
load boto3 when a run first needs one.
"""

from typing import TYPE_CHECKING

import dagster as dg

from s3sentinel_assets.config import Config

if TYPE_CHECKING:
    from s3sentinel_assets.source_s3 import SourceS3

__all__ = ["source_resources"]


def source_resources(config: Config) -> dict[str, dg.ResourceDefinition]:
    """``<source>_s3`` for each enabled source: an `s3sentinel_assets.source_s3.SourceS3`, made when a run needs it.

    Its configuration is empty: nothing of the access is shown by Dagster.
    """
    return {
        f"{source.name}_s3": _source_s3(source.name, config) for source in config.sources.values() if source.enabled
    }


def _source_s3(source: str, config: Config) -> dg.ResourceDefinition:
    def make(_context: dg.InitResourceContext) -> "SourceS3":
        from s3sentinel_assets.source_s3 import SourceS3

        return SourceS3.of(source, config)

    return dg.ResourceDefinition(
        make,
        description=f"S3 with the access of source {source} (aws in s3sentinel.yaml), as dagster-aws's S3Resource.",
    )
