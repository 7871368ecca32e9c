"""The whole configuration, put together from its sections.

Belongs here: top-level settings, which source of values wins, and what is derived from several sections. Does not
belong here: the sections themselves (``sections``), reading and error sentences (``loading``).
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from s3sentinel_assets.config.aws import AwsAccess
from s3sentinel_assets.config.feedback import FeedbackSettings
from s3sentinel_assets.config.models import ModelSettings
from s3sentinel_assets.config.sections import LedgerSettings, Limits, SentinelSettings
from s3sentinel_assets.config.source import SourceSettings
from s3sentinel_assets.errors import ConfigurationError

__all__ = ["ENV_PREFIX", "Config"]

#: What the names of all environment variables of the configuration start with.
ENV_PREFIX = "S3SENTINEL_"

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Config(BaseSettings):
    """Everything the project needs to know. Build it with `load_config`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Path = Path(".s3sentinel")
    models_dir: Path = Path("models")
    start: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    grace_minutes: float = Field(default=15, ge=0)
    deep_look_back_days: int = Field(default=14, ge=1, le=400)
    look_back_hours: int = Field(default=48, ge=1, le=24 * 366)
    sensor_interval_seconds: int = Field(default=30, ge=1)
    aws: AwsAccess = AwsAccess()
    sentinel: SentinelSettings
    ledger: LedgerSettings = LedgerSettings()
    limits: Limits = Limits()
    models: ModelSettings = ModelSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    sources: dict[str, SourceSettings] = Field(min_length=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment variables win over the file (which arrives as init arguments)."""
        return env_settings, init_settings

    @field_validator("start")
    @classmethod
    def _start_in_utc(cls, value: datetime) -> datetime:
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if value != value.replace(minute=0, second=0, microsecond=0):
            raise ValueError("must be a full hour, such as 2026-11-01T00:00Z")
        return value

    @field_validator("sources")
    @classmethod
    def _sources_know_their_names(cls, value: dict[str, SourceSettings]) -> dict[str, SourceSettings]:
        for name in value:
            if not _SOURCE_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot be a source's name: use a-z, 0-9 and '_', a letter first, 40 characters at most"
                )
        return {name: source.model_copy(update={"name": name}) for name, source in value.items()}

    @property
    def grace(self) -> timedelta:
        """How long after its close an hour is sealed."""
        return timedelta(minutes=self.grace_minutes)

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL; PostgreSQL URLs get the psycopg 3 driver."""
        if self.ledger.url is None:
            return f"sqlite:///{self.data_dir.resolve() / 'ledger.db'}"
        url = self.ledger.url.get_secret_value()
        for scheme in ("postgresql://", "postgres://"):
            if url.startswith(scheme):
                return "postgresql+psycopg://" + url.removeprefix(scheme)
        return url

    def source(self, name: str) -> SourceSettings:
        """The source called ``name``.

        Raises:
            ConfigurationError: there is none.
        """
        if name not in self.sources:
            raise ConfigurationError(
                f"there is no source {name!r} in the configuration; there are: {', '.join(sorted(self.sources))}"
            )
        return self.sources[name]

    def aws_access(self, source: SourceSettings) -> AwsAccess:
        """The source's own AWS access, else the common one."""
        return source.aws or self.aws
