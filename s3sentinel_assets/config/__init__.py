"""The configuration: ``s3sentinel.yaml`` plus ``S3SENTINEL_…`` environment variables, validated before anything starts.

Belongs here: the shape of the configuration (``aws``, ``source``, ``sections``, ``model``), its checks, and reading it
(``loading``). Does not belong here: anything that opens a connection; the sections are handed to the parts that do.
"""

from s3sentinel_assets.config.aws import AssumedRole, AwsAccess, Service
from s3sentinel_assets.config.destination import (
    COMMON_TABLES,
    ENTITY_HOURS_TABLE,
    OVERFLOW_TABLE,
    PATTERNS_TABLE,
    Destination,
)
from s3sentinel_assets.config.loading import SENSORS_VARIABLE, config_path, load_config
from s3sentinel_assets.config.model import Config
from s3sentinel_assets.config.models import ModelSettings
from s3sentinel_assets.config.routing import RouteRule, Routing
from s3sentinel_assets.config.sections import AzureResources, Credential, LedgerSettings, Limits, SentinelSettings
from s3sentinel_assets.config.source import Digests, SourceSettings

__all__ = [
    "COMMON_TABLES",
    "ENTITY_HOURS_TABLE",
    "OVERFLOW_TABLE",
    "PATTERNS_TABLE",
    "SENSORS_VARIABLE",
    "AssumedRole",
    "AwsAccess",
    "AzureResources",
    "Config",
    "Credential",
    "Destination",
    "Digests",
    "LedgerSettings",
    "Limits",
    "ModelSettings",
    "RouteRule",
    "Routing",
    "SentinelSettings",
    "Service",
    "SourceSettings",
    "config_path",
    "load_config",
]
