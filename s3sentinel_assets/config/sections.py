"""The sections of the configuration: what can be set, its default and its bounds.

Belongs here: one model a section, and checks that need that section alone. Does not belong here: the ``aws`` section
(``aws``), sources (``source``), reading files or variables (``loading``).
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from s3sentinel_assets.config.section import Section

__all__ = ["AzureResources", "Credential", "LedgerSettings", "Limits", "SentinelSettings"]


class Credential(Section):
    """Which azure-identity credential signs in; ``default`` is DefaultAzureCredential. Secrets: files or variables."""

    kind: Literal["default", "client_secret", "certificate", "workload_identity", "managed_identity"] = "default"
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    certificate_file: Path | None = None
    token_file: Path | None = None


class AzureResources(Section):
    """The Azure resources behind the workspace: named in what ``infra azure`` writes and ``infra diff`` compares."""

    subscription_id: str | None = None
    resource_group: str | None = None
    workspace_name: str | None = None
    location: str | None = Field(default=None, description="Region of workspace and data collection rules.")
    dcr_name: str = Field(default="dcr-s3sentinel", description="Rules are called so, with -1, -2 … behind it.")
    principal_id: str | None = Field(default=None, description="Object id of the identity that sends and queries.")


class SentinelSettings(Section):
    """The Log Analytics workspace behind Sentinel, its ingestion endpoint and how to sign in."""

    ingestion_endpoint: str
    query_endpoint: str = "https://api.loganalytics.io"
    workspace_id: str
    dcr_id: str
    cloud: Literal["public", "usgov", "china"] = "public"
    authority: str | None = None
    ca_file: Path | None = None
    instance_discovery: bool = True
    credential: Credential = Credential()
    keep_long_values: bool = Field(
        default=True, description="Texts over 64 KB, which a field cannot hold, go whole to S3Overflow_CL as well."
    )
    max_batch_bytes: int = Field(default=1_000_000, ge=10_000, le=1_048_576)
    upload_threads: int = Field(default=4, ge=1, le=64)
    max_attempts: int = Field(default=6, ge=1, le=50)
    backoff_seconds: float = Field(default=0.8, ge=0)
    backoff_limit_seconds: float = Field(default=60, gt=0)
    connect_timeout_seconds: float = Field(default=10, gt=0)
    read_timeout_seconds: float = Field(default=60, gt=0)
    unknown_bound_minutes: float = Field(default=30, ge=0)
    dcr_bytes_per_minute: int = Field(
        default=2_000_000_000, ge=1_048_576, description="What a data collection rule takes: uncompressed bytes."
    )
    dcr_requests_per_minute: int = Field(default=12_000, ge=1)
    proxy: SecretStr | None = Field(
        default=None, description="Proxy for all calls to Azure; by default the environment's."
    )
    management_endpoint: str | None = Field(default=None, description="Azure Resource Manager; by default the cloud's.")
    azure: AzureResources = AzureResources()
    prices_file: Path | None = Field(
        default=None,
        description="Your own prices per GB, in the form of the shipped prices.json; default: list prices.",
    )

    @field_validator("ingestion_endpoint", "query_endpoint", "authority", "management_endpoint")
    @classmethod
    def _https_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith("https://"):
            raise ValueError("must start with https:// (tokens are never sent over plain http)")
        return value.rstrip("/")


class LedgerSettings(Section):
    """The database that knows what is done. Empty: SQLite in ``data_dir``. PostgreSQL: ``postgresql://user@host/db``."""

    url: SecretStr | None = None


class Limits(Section):
    """Bounds that keep memory and work per part flat."""

    part_compressed_bytes: int = Field(default=64 << 20, ge=1 << 10)
    part_objects: int = Field(default=2_000, ge=1)
    listing_threads: int = Field(default=8, ge=1, le=64)
    read_ahead_objects: int = Field(default=8, ge=1, le=256)
    read_ahead_bytes: int = Field(default=64 << 20, ge=1 << 20)
    file_decoded_bytes: int = Field(default=128 << 20, ge=1 << 16)
    object_decoded_bytes: int = Field(default=8 << 30, ge=1 << 20)
    decompression_ratio: int = Field(default=1_000, ge=10)
    lease_seconds: float = Field(default=120, gt=0)
    state_keys: int = Field(
        default=4_000_000,
        ge=1_000,
        description="Keys a source's history may have, about 120 bytes each; the faintest are dropped first.",
    )
    hour_keys: int = Field(
        default=2_000_000,
        ge=1_000,
        description="Keys that are counted within an hour, about 80 bytes each; those counted least are dropped first.",
    )
