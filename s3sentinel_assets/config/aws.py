"""How AWS is reached: whose credentials, which roles one after another, which endpoints, what goes with each request.

Belongs here: the settings of the ``aws`` section and what can be known of them without a connection. Does not belong
here: clients and credentials themselves (``s3.session``, ``s3.roles``). No key can be written into the configuration;
files and roles hold them.
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from s3sentinel_assets.config.section import Section

__all__ = ["AssumedRole", "AwsAccess", "Service"]

Service = Literal["s3", "sts", "sqs", "cloudtrail"]

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
#: An S3 interface endpoint: what it serves, its region. A bucket's own name never stands in it.
_VPC_ENDPOINT = re.compile(r"([\w*-]+\.)?vpce-[\w-]+\.s3(?:-fips)?\.([a-z0-9-]+)\.vpce\.amazonaws\.com(\.cn)?")
_CHAINED_SECONDS = 3600  # AWS's limit for a role that is assumed by a role
_KEYS_IN_PLAIN_TEXT = re.compile(r"(aws_)?(access_key(_id)?|secret(_access)?_key|session_token|sse_customer_key)")


def _pairs(value: Any) -> Any:
    """A mapping as a tuple of pairs, which can be hashed; anything else goes on to the validation."""
    return tuple(value.items()) if isinstance(value, Mapping) else value


def _checked_role_arn(value: str) -> str:
    if not _ROLE_ARN.fullmatch(value):
        raise ValueError("must be the ARN of a role, such as arn:aws:iam::111122223333:role/s3sentinel")
    return value


class AssumedRole(Section):
    """A role and with what it is assumed."""

    role_arn: str
    external_id: str | None = Field(default=None, min_length=2, max_length=1224)
    session_name: str = "s3sentinel"
    session_tags: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)] = Field(default=(), max_length=50)
    transitive_tag_keys: tuple[str, ...] = ()
    duration_seconds: int | None = Field(default=None, ge=900, le=43_200, description="By default the role's own hour.")
    policy_arns: tuple[str, ...] = Field(
        default=(), max_length=10, description="Managed policies that narrow what the session may do."
    )

    @field_validator("role_arn")
    @classmethod
    def _is_role(cls, value: str) -> str:
        return _checked_role_arn(value)

    @field_validator("session_name")
    @classmethod
    def _is_session_name(cls, value: str) -> str:
        if not _SESSION_NAME.fullmatch(value):
            raise ValueError("must be 2 to 64 letters, digits or any of _+=,.@-")
        return value

    @field_validator("policy_arns")
    @classmethod
    def _are_policies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_POLICY_ARN.fullmatch(arn) for arn in value):
            raise ValueError("must be ARNs of managed policies, such as arn:aws:iam::111122223333:policy/read-logs")
        return value

    @model_validator(mode="after")
    def _transitive_tags_are_set(self) -> "AssumedRole":
        if missing := sorted(set(self.transitive_tag_keys) - {key for key, _ in self.session_tags}):
            raise ValueError(f"transitive_tag_keys names {missing[0]!r}, which session_tags does not set; add it there")
        return self


class AwsAccess(Section):
    """How to reach AWS for a source. Without any key about credentials boto3's default chain decides."""

    region: str = "us-east-1"
    # whose credentials
    profile: str | None = None
    credentials_file: Path | None = None
    web_identity_token_file: Path | None = Field(
        default=None, description="The first role is assumed with the token in it; read anew at each renewal."
    )
    role_arn: str | None = Field(default=None, description="Short form of one role; see ``roles``.")
    external_id: str | None = Field(default=None, min_length=2, max_length=1224, description="Goes with role_arn.")
    roles: tuple[AssumedRole, ...] = Field(default=(), description="Assumed one after another.")
    # where
    endpoint_url: str | None = Field(default=None, description="Of S3; a loopback address serves all other services.")
    sts_endpoint_url: str | None = None
    sqs_endpoint_url: str | None = None
    cloudtrail_endpoint_url: str | None = None
    use_fips: bool = False
    use_dual_stack: bool = False
    addressing_style: Literal["auto", "virtual", "path"] = Field(
        default="auto", description="auto: path with endpoint_url, else what S3 prefers."
    )
    ca_file: Path | None = None
    # with each request
    expected_bucket_owner: str | None = None
    requester_pays: bool = False
    sse_customer_key_file: Path | None = Field(
        default=None, description="The key of objects written with SSE-C: 32 bytes, as they are or in base64."
    )
    # how patiently
    max_connections: int = Field(default=32, ge=1, le=512)
    connect_timeout_seconds: float = Field(default=10, gt=0)
    read_timeout_seconds: float = Field(default=60, gt=0)
    max_attempts: int = Field(default=5, ge=1, le=20)
    retry_mode: Literal["standard", "adaptive"] = "standard"
    backoff_seconds: float = Field(default=0.5, ge=0, le=60)

    @model_validator(mode="before")
    @classmethod
    def _no_keys_in_plain_text(cls, values: Any) -> Any:
        for name in values if isinstance(values, Mapping) else ():
            if _KEYS_IN_PLAIN_TEXT.fullmatch(str(name).lower()):
                raise ValueError(
                    f"{name} would keep a key in plain text; use role_arn, profile, credentials_file or "
                    "sse_customer_key_file"
                )
        return values

    @field_validator("endpoint_url", "sts_endpoint_url", "sqs_endpoint_url", "cloudtrail_endpoint_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// (or http:// for a local stand-in)")
        if "@" in urlsplit(value).netloc:
            raise ValueError("must not hold a name or password; use credentials_file or profile")
        return value

    @field_validator("role_arn")
    @classmethod
    def _is_role(cls, value: str | None) -> str | None:
        return None if value is None else _checked_role_arn(value)

    @field_validator("expected_bucket_owner")
    @classmethod
    def _is_account(cls, value: str | None) -> str | None:
        if value is not None and not (len(value) == 12 and value.isascii() and value.isdigit()):
            raise ValueError("must be an account id of 12 digits, in quotes: YAML drops leading zeros of numbers")
        return value

    @model_validator(mode="after")
    def _credentials_agree(self) -> "AwsAccess":
        if self.role_arn and self.roles:
            raise ValueError("role_arn is the short form of one role; move it into roles")
        if self.external_id and not self.role_arn:
            raise ValueError("external_id goes with role_arn; set that, or move it to its role in roles")
        for role in self.role_chain[1:]:
            if (role.duration_seconds or 0) > _CHAINED_SECONDS:
                raise ValueError(
                    f"duration_seconds of {role.role_arn} is over an hour, the most that AWS gives to a role that is "
                    "assumed by a role; leave it out: credentials are renewed in time"
                )
        if self.web_identity_token_file is None:
            return self
        if self.profile or self.credentials_file:
            raise ValueError("web_identity_token_file takes the place of profile and credentials_file; keep one")
        if not self.role_chain:
            raise ValueError("web_identity_token_file needs role_arn: the role that is assumed with the token")
        first = self.role_chain[0]
        if first.external_id or first.session_tags:
            raise ValueError(
                "the first role is assumed with web_identity_token_file, which takes neither external_id nor "
                "session_tags; leave them out, or put them to a further role in roles"
            )
        return self

    @model_validator(mode="after")
    def _endpoints_agree(self) -> "AwsAccess":
        for name in ("endpoint_url", "sts_endpoint_url", "sqs_endpoint_url", "cloudtrail_endpoint_url"):
            url = getattr(self, name)
            for wish in ("use_fips", "use_dual_stack"):
                if url and getattr(self, wish):
                    raise ValueError(
                        f"{wish} chooses the endpoint and {name} names another; remove {wish} and let {name} name "
                        f"the one you want, or remove {name}"
                    )
        host = urlsplit(self.endpoint_url or "").hostname or ""
        if found := _VPC_ENDPOINT.fullmatch(host):
            if found[1] not in ("bucket.", "accesspoint."):
                raise ValueError(
                    "endpoint_url of a VPC interface endpoint must start with https://bucket.vpce-… (or "
                    "https://accesspoint.vpce-… where 'bucket' is the ARN of an access point)"
                )
            if found[2] != self.region:
                raise ValueError(f"endpoint_url is in region {found[2]}, but region is {self.region}; set region to it")
        if self.sse_customer_key_file and (self.endpoint_url or "").startswith("http://") and not self.is_stand_in:
            raise ValueError(
                "sse_customer_key_file needs an endpoint_url with https://, else the key could be overheard"
            )
        return self

    @property
    def role_chain(self) -> tuple[AssumedRole, ...]:
        """The roles in the order in which they are assumed."""
        return (AssumedRole(role_arn=self.role_arn, external_id=self.external_id),) if self.role_arn else self.roles

    @property
    def is_stand_in(self) -> bool:
        """Whether ``endpoint_url`` is on this machine: then it stands in for all of AWS."""
        host = urlsplit(self.endpoint_url or "").hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def endpoint_of(self, service: Service) -> str | None:
        """The endpoint of a service; None where AWS's own serves it. Nothing for a stand-in may go to AWS."""
        urls = {
            "s3": self.endpoint_url,
            "sts": self.sts_endpoint_url,
            "sqs": self.sqs_endpoint_url,
            "cloudtrail": self.cloudtrail_endpoint_url,
        }
        return urls[service] or (self.endpoint_url if self.is_stand_in else None)
