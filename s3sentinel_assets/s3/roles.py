"""Assumed roles: how each link of a chain gets its keys, and what is said when STS refuses.

Belongs here: one link. It asks STS with the keys of the link before it, at the moment it needs new ones, so a link in
the middle is renewed by the one behind it. Does not belong here: when keys are renewed (``credentials``), where the
first keys come from and how clients are made (``session``).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from s3sentinel_assets.config import AssumedRole
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.credentials import RenewingCredentials
from s3sentinel_assets.s3.errors import error_code, error_words

__all__ = ["assumed", "assumed_with_token"]

_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "InvalidIdentityToken", "IDPRejectedClaim"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})


def assumed(sts: Any, role: AssumedRole, *, caller: str) -> RenewingCredentials:
    """The credentials of a role that is assumed with another principal's keys.

    Args:
        sts: an STS client that signs with the keys of the caller.
        role: the role, and with what it is assumed.
        caller: who assumes it, for sentences.
    """
    request = _request(role)
    if role.external_id:
        request["ExternalId"] = role.external_id
    if role.session_tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in role.session_tags]
    if role.transitive_tag_keys:
        request["TransitiveTagKeys"] = list(role.transitive_tag_keys)

    def fetch() -> tuple[ReadOnlyCredentials, datetime]:
        try:
            return _keys(sts.assume_role(**request), role)
        except (ClientError, BotoCoreError) as error:
            raise UserError(_not_assumed(error, role, caller, sts.meta.endpoint_url)) from error

    return RenewingCredentials(fetch)


def assumed_with_token(sts: Any, role: AssumedRole, token_file: Path) -> RenewingCredentials:
    """The credentials of a role that is assumed with a web identity token.

    Args:
        sts: an STS client that does not sign.
        role: the role, and with what it is assumed.
        token_file: holds the token; read at each renewal, because such tokens are replaced before they expire.
    """
    request = _request(role)

    def fetch() -> tuple[ReadOnlyCredentials, datetime]:
        try:
            token = token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no ASCII text"
            raise UserError(
                f"the web identity token for role {role.role_arn} cannot be read from {token_file} ({reason}); see "
                "that the file is mounted and readable"
            ) from None
        if not token:
            raise UserError(
                f"{token_file}, the web identity token for role {role.role_arn}, is empty; see who fills it"
            )
        try:
            return _keys(sts.assume_role_with_web_identity(**request, WebIdentityToken=token), role)
        except (ClientError, BotoCoreError) as error:
            raise UserError(_not_assumed_with_token(error, role, token_file, sts.meta.endpoint_url)) from error

    return RenewingCredentials(fetch)


def _request(role: AssumedRole) -> dict[str, Any]:
    request: dict[str, Any] = {"RoleArn": role.role_arn, "RoleSessionName": role.session_name}
    if role.duration_seconds:
        request["DurationSeconds"] = role.duration_seconds
    if role.policy_arns:
        request["PolicyArns"] = [{"arn": arn} for arn in role.policy_arns]
    return request


def _keys(response: dict[str, Any], role: AssumedRole) -> tuple[ReadOnlyCredentials, datetime]:
    found = response["Credentials"]
    account = role.role_arn.split(":")[4]
    keys = ReadOnlyCredentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], account)
    return keys, found["Expiration"].astimezone(UTC)


def _not_assumed(error: ClientError | BotoCoreError, role: AssumedRole, caller: str, endpoint: str) -> str:
    """One sentence: which role, who asked, what must be allowed. The external id itself is not shown."""
    if isinstance(error, BotoCoreError):
        return _sts_not_reached(error, role, endpoint)
    code, words = error_code(error), error_words(error)
    if code in _REFUSED:
        actions = "sts:AssumeRole and sts:TagSession" if role.session_tags else "sts:AssumeRole"
        external = (
            "for the external id that is configured for it"
            if role.external_id
            else "without an external id (none is configured: if it asks for one, set external_id)"
        )
        return (
            f"the role {role.role_arn} cannot be assumed by {caller} ({words or code}); its trust policy must allow "
            f"{actions} to that caller {external}, and the caller's own policies must allow {actions} on it"
        )
    if code in _EXPIRED:
        return f"the credentials of {caller} have expired, so that role {role.role_arn} cannot be assumed; renew them"
    return _other_refusal(code, words, role)


def _not_assumed_with_token(
    error: ClientError | BotoCoreError, role: AssumedRole, token_file: Path, endpoint: str
) -> str:
    if isinstance(error, BotoCoreError):
        return _sts_not_reached(error, role, endpoint)
    code, words = error_code(error), error_words(error)
    if code in _REFUSED:
        return (
            f"the role {role.role_arn} cannot be assumed with the web identity token in {token_file} "
            f"({words or code}); its trust policy must allow sts:AssumeRoleWithWebIdentity to the token's issuer, "
            "audience and subject"
        )
    if code in _EXPIRED:
        return f"the web identity token in {token_file} for role {role.role_arn} has expired; see who replaces the file"
    return _other_refusal(code, words, role)


def _other_refusal(code: str, words: str, role: AssumedRole) -> str:
    if code == "RegionDisabledException":
        return (
            f"STS is switched off in this region for the account that assumes role {role.role_arn}; switch it on, or "
            "set aws.sts_endpoint_url"
        )
    return f"STS refuses to let role {role.role_arn} be assumed: {code or 'no code'} ({words}); check its settings"


def _sts_not_reached(error: BotoCoreError, role: AssumedRole, endpoint: str) -> str:
    words = " ".join(str(error).split())[:300]
    return (
        f"STS at {endpoint} did not answer when role {role.role_arn} was to be assumed: {words}; check "
        "aws.sts_endpoint_url, aws.region and the network"
    )
