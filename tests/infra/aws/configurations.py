"""Configurations that ask for something of AWS."""

from typing import Any

from s3sentinel_assets.config import Config

TRAIL = "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
FLOWS = "AWSLogs/{account}/vpcflowlogs/{region}/{yyyy}/{mm}/{dd}/"


def values(sources: dict[str, dict[str, Any]], **aws: Any) -> dict[str, Any]:
    """What stands in the file; each source has bucket ``logs`` and prefix ``p/`` unless it says otherwise."""
    whole = {name: {"bucket": "logs", "prefix": "p/", "format": "vpc_flow", **each} for name, each in sources.items()}
    sentinel = {"ingestion_endpoint": "https://x.invalid", "workspace_id": "w", "dcr_id": "d"}
    return {"aws": aws, "sentinel": sentinel, "sources": whole}


def configured(sources: dict[str, dict[str, Any]], **aws: Any) -> Config:
    """The configuration with these sources."""
    return Config.model_validate(values(sources, **aws))
