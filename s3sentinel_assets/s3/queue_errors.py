"""What SQS refuses, as sentences a user can act on.

Belongs here: the one mapping from botocore's errors about a queue to `UserError`. Does not belong here: what S3 refuses
(``errors``), requests (``queue``).
"""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.errors import THROTTLED, error_code, error_words

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = ["queue_region", "sqs_errors"]

_REGION = re.compile(
    r"https?://(?:sqs(?:-fips)?\.([a-z0-9-]+)\.|([a-z0-9-]+)\.queue\.|[\w.-]*\.sqs\.([a-z0-9-]+)\.vpce\.)"
)
_MISSING = ("NonExistentQueue", "QueueDoesNotExist")
_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "InvalidSecurity", "403", "Forbidden"})
_ELSEWHERE = frozenset({"InvalidAddress", "404", "301"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_KEY = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId"}
)
#: What a refused operation would have needed.
_PERMISSIONS = {
    "ReceiveMessage": "sqs:ReceiveMessage",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
}
_KMS_ADVICE = (
    ("Disabled", "the key is disabled; enable it (kms:EnableKey)"),
    ("NotFound", "the key does not exist any more; give the queue another one"),
    ("InvalidState", "the key cannot be used as it is; cancel its deletion or finish its import"),
    ("", "allow kms:Decrypt on the queue's key in the key's policy and for the role that reads"),
)


def queue_region(queue_url: str) -> str | None:
    """The region that the URL of a queue names; None where it names none, as with a stand-in."""
    found = _REGION.match(queue_url)
    return next((group for group in found.groups() if group), None) if found else None


@contextlib.contextmanager
def sqs_errors(client: Any, queue_url: str) -> Iterator[None]:
    """Turns botocore's errors inside the block into `UserError`.

    Args:
        client: the SQS client that is used.
        queue_url: the queue, for messages.

    Raises:
        UserError: whatever botocore raised, as one sentence.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise UserError(_of_client(error, queue_url, client.meta.region_name)) from error
    except BotoCoreError as error:
        raise UserError(_of_the_way(error, queue_url, client.meta.endpoint_url)) from error


def _of_client(error: "ClientError", queue: str, region: str) -> str:
    code, message, operation = error_code(error), error_words(error), error.operation_name
    words = f" ({message})" if message else ""
    permission = _PERMISSIONS.get(operation, operation)
    home = queue_region(queue)
    if operation.startswith("AssumeRole") and code in _REFUSED:  # roles of our own settings: see ``roles``
        return (
            f"the role that AWS's own configuration names for queue {queue} cannot be assumed{words}; allow "
            f"sts:{operation} to the caller in its trust policy, and check external_id there"
        )
    if code.lower().startswith("kms"):
        return _of_kms(code, words, queue)
    if code in _EXPIRED:
        return f"the AWS credentials used for queue {queue} have expired{words}; renew them and run again"
    if code in _UNKNOWN_KEY:
        return (
            f"AWS does not accept the credentials used for queue {queue} ({code}); check aws.profile or "
            "aws.credentials_file"
        )
    missing = code.endswith(_MISSING)
    if home and home != region and (missing or code in _REFUSED | _ELSEWHERE):
        return (
            f"queue {queue} is in region {home}, but was asked for in {region}; set aws.region of the source to {home}"
        )
    if missing or code in _ELSEWHERE:
        return (
            f"queue {queue} does not exist in {region}, or these credentials may not know of it{words}; check "
            f"queue_url of the source, and allow {permission} on the queue"
        )
    if code in _REFUSED:
        return (
            f"access to queue {queue} is denied{words}; allow {permission} on it for these credentials, and in the "
            "queue's policy where it belongs to another account"
        )
    if code.endswith("OverLimit"):
        return (
            f"queue {queue} has too many messages in flight{words}; whoever else takes messages from it must delete "
            "them: give this project a queue of its own"
        )
    if code in THROTTLED:
        return f"SQS throttles requests to queue {queue} ({code}) and went on after retries; the next look tries again"
    return f"{operation} on queue {queue} failed with {code or 'no code'}{words}"


def _of_kms(code: str, words: str, queue: str) -> str:
    if "Throttl" in code:
        return f"KMS throttles requests for the key of queue {queue} ({code}); the next look tries again"
    advice = next(text for part, text in _KMS_ADVICE if part in code)
    return f"KMS refuses to decrypt messages of queue {queue} ({code}){words}; {advice}"


def _of_the_way(error: Exception, queue: str, place: str) -> str:
    """What kept the request from getting through."""
    from botocore import exceptions as botocore_errors

    words = " ".join(str(error).split())[:300]
    sentences: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
        (
            (botocore_errors.NoCredentialsError, botocore_errors.PartialCredentialsError),
            f"no AWS credentials were found for queue {queue}; set aws.profile or aws.credentials_file",
        ),
        (
            (
                botocore_errors.CredentialRetrievalError,
                botocore_errors.TokenRetrievalError,
                botocore_errors.SSOError,
                botocore_errors.UnauthorizedSSOTokenError,
            ),
            f"AWS credentials for queue {queue} could not be fetched: {words}; sign in again or check aws.profile",
        ),
        (
            (botocore_errors.SSLError,),
            f"{place} shows for queue {queue} a certificate that is not trusted: {words}; set aws.ca_file to its CA",
        ),
        (
            (
                botocore_errors.EndpointConnectionError,
                botocore_errors.ConnectTimeoutError,
                botocore_errors.ProxyConnectionError,
            ),
            f"{place} cannot be reached for queue {queue}; check aws.sqs_endpoint_url, the network and whether it runs",
        ),
        (
            (botocore_errors.HTTPClientError,),
            f"the connection to {place} broke for queue {queue}, again and again: {words}; the next look tries again",
        ),
        (
            (botocore_errors.ParamValidationError,),
            f"SQS takes no such request for queue {queue}: {words}; check queue_url of the source",
        ),
    )
    for kinds, sentence in sentences:
        if isinstance(error, kinds):
            return sentence
    return f"the request for queue {queue} at {place} failed: {words}"
