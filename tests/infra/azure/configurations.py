"""Configurations for these tests."""

from typing import Any

from s3sentinel_assets.config import Config

QUIET = {
    "name": "quiet",
    "table": "AWSVPCFlow",
    "priority": ["low", "unknown"],
    "to": {"table": "AWSVPCFlow_Auxiliary_CL"},
}
AZURE = {
    "subscription_id": "11111111-2222-4333-8444-555555555555",
    "resource_group": "rg-sentinel",
    "workspace_name": "law-sentinel",
    "location": "westeurope",
    "principal_id": "99999999-2222-4333-8444-555555555555",
}


def source(log_format: str, **more: Any) -> dict[str, Any]:
    return {"bucket": "logs", "prefix": "p/{yyyy}/{mm}/{dd}/", "format": log_format, **more}


def configured(
    *, azure: dict[str, Any] | None = None, sentinel: dict[str, Any] | None = None, **sources: Any
) -> Config:
    """A configuration with these sources; a text is a source of that format."""
    section = {
        "ingestion_endpoint": "https://x.invalid",
        "workspace_id": "00000000-0000-4000-8000-000000000001",
        "dcr_id": "dcr-1",
        "azure": AZURE if azure is None else azure,
        **(sentinel or {}),
    }
    named = {name: source(value) if isinstance(value, str) else value for name, value in sources.items()}
    return Config(sentinel=section, sources=named)  # type: ignore[arg-type]
