"""What S3 and STS refuse, as sentences a user can act on.

Belongs here: the one mapping from botocore's errors to `UserError`. Does not belong here: what a refusal of a single
object means for that object (``reader``).
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = ["THROTTLED", "about_all_objects", "error_code", "error_words", "explain", "is_throttling", "s3_errors"]

THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "KMS.ThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "429",
        "503",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
_UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidToken"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
# Further codes that say nothing of one object: the account, the request's signature, the bucket, the way to it.
_OF_ALL_OBJECTS = frozenset(
    {
        "AccountProblem",
        "AuthFailure",
        "CredentialsNotSupported",
        "IncorrectEndpoint",
        "InvalidBucketName",
        "InvalidSecurity",
        "MissingAuthenticationToken",
        "MissingSecurityHeader",
        "NoSuchBucket",
        "NotSignedUp",
        "Redirect",
        "RequestTimeTooSkewed",
        "TemporaryRedirect",
        "401",
        "407",
    }
)
_TOO_MANY = frozenset({429, 503})
_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403", "Forbidden"})

#: What a refused operation would have needed.
_PERMISSIONS = {
    "AssumeRole": "sts:AssumeRole",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
}


def error_code(error: "ClientError") -> str:
    """The service's code for the error, such as ``NoSuchKey`` or, where it sent no body, ``404``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_throttling(error: "ClientError") -> bool:
    """Whether S3 will not give an object now because it, or KMS behind it, is asked too much."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return error.operation_name == "GetObject" and (error_code(error) in THROTTLED or status in _TOO_MANY)


def about_all_objects(error: "ClientError") -> bool:
    """Whether the trouble is the credentials, the clock, the bucket or the way to it: not one object's."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 400
    return (
        error.operation_name != "GetObject"  # fetching the role's credentials comes up here too
        or error_code(error) in _OF_ALL_OBJECTS | _EXPIRED | _UNKNOWN_KEY | _ELSEWHERE
        or not 400 <= status < 600
    )


def error_words(error: "ClientError") -> str:
    """The service's own words, on one line and not too long."""
    return " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:300]


def _place(access: AwsAccess) -> str:
    return access.endpoint_url or f"S3 in {access.region}"


def _words(error: "ClientError") -> str:
    words = error_words(error)
    return f" ({words})" if words else ""


def _of_client(error: "ClientError", bucket: str, access: AwsAccess) -> str:
    code, words = error_code(error), _words(error)
    operation = error.operation_name
    if operation.startswith("AssumeRole") and code in _REFUSED:  # roles of our own settings: see ``roles``
        profile = f"profile {access.profile}" if access.profile else "AWS's own configuration"
        return (
            f"the role that {profile} names cannot be assumed{words}; allow sts:{operation} to the caller in its trust "
            "policy, and check external_id there"
        )
    if code in _EXPIRED:
        return f"the AWS credentials used for bucket {bucket} have expired{words}; renew them and run again"
    if code in _UNKNOWN_KEY:
        return (
            f"AWS does not accept the credentials used for bucket {bucket} ({code}); check aws.profile or "
            "aws.credentials_file"
        )
    if code == "NoSuchBucket":
        return f"bucket {bucket} does not exist at {_place(access)}; check 'bucket' of the source and aws.region"
    if code in _REFUSED:
        permission = _PERMISSIONS.get(operation, operation)
        owner = (
            f", and check that account {access.expected_bucket_owner} (aws.expected_bucket_owner) owns it"
            if access.expected_bucket_owner
            else ""
        )
        return f"access to bucket {bucket} is denied{words}; allow {permission} on it for these credentials{owner}"
    if code in _ELSEWHERE:
        region = error.response.get("Error", {}).get("Region") or error.response.get("ResponseMetadata", {}).get(
            "HTTPHeaders", {}
        ).get("x-amz-bucket-region")
        return f"bucket {bucket} is not in region {access.region}; set aws.region to {region or 'its region'}"
    if code in THROTTLED or is_throttling(error):
        return (
            f"S3 throttles requests to bucket {bucket} ({code}) and still did at attempt {access.max_attempts}; "
            "lower aws.max_connections or run again later"
        )
    if code == "RequestTimeTooSkewed":
        return f"the clock of this machine differs from AWS's{words}; set it right"
    return f"{operation} on bucket {bucket} at {_place(access)} failed with {code or 'no code'}{words}"


def explain(error: Exception, *, bucket: str | None, access: AwsAccess) -> UserError:
    """The sentence for a botocore error.

    Args:
        error: a `ClientError` or `BotoCoreError`.
        bucket: the bucket in question; None before there is one.
        access: how it was reached.
    """
    from botocore import exceptions as botocore_errors

    if isinstance(error, botocore_errors.ClientError):
        return UserError(_of_client(error, bucket or "of the source", access))
    used = f" for bucket {bucket}" if bucket else ""
    place, words = _place(access), " ".join(str(error).split())[:300]
    sentences: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
        (
            (botocore_errors.NoCredentialsError, botocore_errors.PartialCredentialsError),
            f"no AWS credentials were found{used}; set aws.profile or aws.credentials_file",
        ),
        (
            (
                botocore_errors.CredentialRetrievalError,
                botocore_errors.TokenRetrievalError,
                botocore_errors.SSOError,
                botocore_errors.UnauthorizedSSOTokenError,
            ),
            f"AWS credentials{used} could not be fetched: {words}; sign in again or check aws.profile",
        ),
        ((botocore_errors.ProfileNotFound,), f"{words}; check aws.profile and aws.credentials_file"),
        (
            (botocore_errors.ConfigParseError, botocore_errors.InvalidConfigError),
            f"AWS's own configuration is wrong: {words}; mend that file or set aws.credentials_file",
        ),
        (
            (botocore_errors.SSLError,),
            f"{place} shows a certificate that is not trusted: {words}; set aws.ca_file to its CA",
        ),
        (
            (
                botocore_errors.EndpointConnectionError,
                botocore_errors.ConnectTimeoutError,
                botocore_errors.ProxyConnectionError,
            ),
            f"{place} cannot be reached{used}; check aws.endpoint_url, the network and whether it runs"
            + (" (FIPS endpoints are there in the US and Canada only: see aws.use_fips)" if access.use_fips else ""),
        ),
        (
            (
                botocore_errors.HTTPClientError,
                botocore_errors.ReadTimeoutError,
                botocore_errors.ConnectionClosedError,
                botocore_errors.ResponseStreamingError,
            ),
            f"the connection to {place} broke {access.max_attempts} times{used}: {words}; run again later",
        ),
        (
            (botocore_errors.ParamValidationError,),
            f"bucket name {bucket!r} is not valid for S3; check 'bucket' of the source",
        ),
    )
    for kinds, sentence in sentences:
        if isinstance(error, kinds):
            return UserError(sentence)
    return UserError(f"S3 request{used} at {place} failed: {words}")


@contextlib.contextmanager
def s3_errors(*, bucket: str | None, access: AwsAccess) -> Iterator[None]:
    """Turns botocore's errors inside the block into `UserError`.

    Raises:
        UserError: whatever botocore raised, as one sentence.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise explain(error, bucket=bucket, access=access) from error
