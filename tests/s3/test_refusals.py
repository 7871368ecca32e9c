"""One object that S3 will not give is named and passed over; what concerns all objects is an error for the user."""

from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.reader import open_object
from s3sentinel_assets.s3.refusals import refusal, version_refusal

ACCESS = AwsAccess(max_attempts=2, backoff_seconds=0)
URI = "s3://b/dir/key é.gz"
SSE_C = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve "
    "the object."
)
NO_SSE_C = "The encryption parameters are not applicable to this object."


def client_error(code: str, message: str = "", status: int | None = None, operation: str = "GetObject") -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}}
    if status is not None:
        response["ResponseMetadata"] = {"HTTPStatusCode": status}
    return ClientError(response, operation)


KEY = "arn:aws:kms:eu-west-1:111122223333:key/ab-cd"
WHO = "User: arn:aws:sts::111122223333:assumed-role/KMS-reader/i-1 is not authorized to perform: "


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (client_error("InvalidRequest", SSE_C, 400), "denied", "the file of that key in aws.sse_customer_key_file"),
        (client_error("InvalidRequest", NO_SSE_C, 400), "denied", "a source without aws.sse_customer_key_file"),
        (client_error("InvalidRequest", "odd\nthing", 400), "denied", "InvalidRequest (odd thing); check the object"),
        (client_error("MethodNotAllowed", "", 405), "denied", "S3 refuses it with MethodNotAllowed"),
        (client_error("InvalidRange", "", 416), "denied", "InvalidRange"),
        (client_error("KeyTooLongError", "", 400), "denied", "KeyTooLongError"),
        (client_error("418", "", 418), "denied", "with 418"),
        (client_error("", "", 400), "denied", "HTTP status 400"),
        (client_error("NeverHeardOf"), "denied", "NeverHeardOf"),
        (client_error("InternalError", "", 500), "broken", "an internal error 3 times"),
        (client_error("502", "Bad Gateway", 502), "broken", "error 502 3 times"),
        (client_error("NotImplemented", "", 501), "broken", "error NotImplemented"),
        (client_error("NoSuchKey", "", 404), "vanished", "deleted before it was read"),
        (client_error("NoSuchVersion", "", 404), "vanished", "deleted before it was read"),
        (client_error("PreconditionFailed", "", 412), "vanished", "replaced by another version"),
        (client_error("InvalidObjectState", "", 403), "archived", "(an archive class); restore it"),
    ],
)
def test_what_concerns_one_object_is_a_failure_that_names_it(error, state, words) -> None:
    failure = refusal(error, URI, 3)
    assert failure is not None
    assert failure.state == state
    assert failure.reason.startswith(URI)
    assert words in failure.reason
    assert "\n" not in failure.reason


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("KMS.DisabledException", f"{KEY} is disabled.", f"key {KEY} is disabled; enable it (kms:EnableKey)"),
        ("KMS.NotFoundException", f"Key '{KEY}' does not exist", f"key {KEY} does not exist any more"),
        ("KMS.KMSInvalidStateException", f"{KEY} is pending deletion.", "cancel its deletion"),
        ("KMS.AccessDeniedException", "The ciphertext refers to a key that …", "allow kms:Decrypt on the key it is"),
        ("KMS.InvalidKeyUsageException", "", "allow kms:Decrypt"),
        ("AccessDenied", WHO + f"kms:Decrypt on resource: {KEY} because no …", f"allow kms:Decrypt on key {KEY} in"),
        ("AccessDenied", WHO + "kms:Decrypt on the resource associated with this ciphertext because", "allow kms:"),
        ("AccessDenied", "The ciphertext refers to a customer master key that does not exist", "allow kms:Decrypt"),
        ("AccessDenied", "Access to KMS key is not allowed", "allow kms:Decrypt"),
    ],
)
def test_a_refusal_of_kms_names_the_key_and_what_is_wrong_with_it(code, message, words) -> None:
    failure = refusal(client_error(code, message, 403), URI, 3)
    assert failure is not None
    assert failure.state == "kms_denied"
    assert words in failure.reason


@pytest.mark.parametrize(
    "message",
    [
        WHO + 's3:GetObject on resource: "arn:aws:s3:::kms-logs/KMS/x" because no identity-based policy allows it',
        WHO + 's3:GetObject on resource: "arn:aws:s3:::ciphertext/x" with an explicit deny in a resource-based policy',
        "Access Denied",
        "",
    ],
)
def test_names_that_sound_like_kms_do_not_blame_it(message) -> None:
    failure = refusal(client_error("AccessDenied", message, 403), URI, 3)
    assert failure is not None
    assert failure.state == "denied"
    assert "allow s3:GetObject" in failure.reason


def test_kms_in_trouble_of_its_own_is_no_refusal() -> None:
    failure = refusal(client_error("KMS.KMSInternalException", "", 500), URI, 3)
    assert failure is not None
    assert failure.state == "broken"
    assert "KMS had trouble of its own" in failure.reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        *((client_error(code, status=503), f"S3 throttles ({code})") for code in ("SlowDown", "ServiceUnavailable")),
        *((client_error(code, status=503), f"S3 throttles ({code})") for code in ("503", "Whatever")),
        (client_error("429", status=429), "S3 throttles (429) and still did at attempt 3"),
        (client_error("SlowDownRead"), "lower aws.max_connections"),
        (client_error("KMS.ThrottlingException", status=400), "an S3 Bucket Key"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_throttling_is_a_state_of_its_own_and_passes(error, words) -> None:
    failure = refusal(error, URI, 3)
    assert failure is not None
    assert (failure.state, failure.again) == ("throttled", True)
    assert words in failure.reason


@pytest.mark.parametrize(
    "error",
    [
        *(client_error(code, status=403) for code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")),
        *(client_error(code, status=403) for code in ("RequestTimeTooSkewed", "AccountProblem", "NotSignedUp")),
        *(client_error(code, status=301) for code in ("PermanentRedirect", "301", "Moved")),
        client_error("AuthorizationHeaderMalformed", status=400),
        client_error("NoSuchBucket", status=404),
        client_error("407", status=407),
        client_error("AccessDenied", status=403, operation="AssumeRole"),
        client_error("Throttling", status=400, operation="AssumeRole"),
    ],
    ids=lambda error: str(error)[:60],
)
def test_what_concerns_all_objects_is_no_failure_of_one(error) -> None:
    assert refusal(error, URI, 3) is None
    assert version_refusal(error, URI, "v", 3) is None


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (client_error("NoSuchVersion", status=404), "vanished", "its version v-1 is gone too"),
        (client_error("PreconditionFailed", status=412), "vanished", "its version v-1 is gone too"),
        (client_error("MethodNotAllowed", status=405), "vanished", "its version v-1 is gone too"),
        (client_error("InvalidArgument", "Invalid version id specified", 400), "vanished", "is gone too"),
        (client_error("AccessDenied", WHO + "s3:GetObjectVersion on", 403), "vanished", "allow s3:GetObjectVersion"),
        (client_error("AccessDenied", WHO + "kms:Decrypt on", 403), "kms_denied", "allow kms:Decrypt"),
        (client_error("InvalidObjectState", status=403), "archived", "restore it"),
        (client_error("SlowDown", status=503), "throttled", "throttles"),
        (client_error("InternalError", status=500), "broken", "internal error"),
    ],
)
def test_what_concerns_a_version_whose_key_is_gone(error, state, words) -> None:
    failure = version_refusal(error, URI, "v-1", 3)
    assert failure is not None
    assert failure.state == state
    assert words in failure.reason


class Breaking:
    """A client whose connection breaks for one object, or for all."""

    def __init__(self, error: Exception, bucket: Exception | None) -> None:
        self.error, self.bucket = error, bucket

    def get_object(self, **_request):
        raise self.error

    def head_bucket(self, **_request):
        if self.bucket is not None:
            raise self.bucket


STALLED = exceptions.ReadTimeoutError(endpoint_url="https://s3")


@pytest.mark.parametrize("answer", [None, client_error("403", status=403, operation="HeadBucket")])
def test_an_object_that_never_answers_stops_no_other(answer) -> None:
    with pytest.raises(ReadFailure, match=r"s3://b/k cannot be had though its bucket answers") as caught:
        list(open_object(Breaking(STALLED, answer), "b", "k", "e", access=ACCESS))
    assert caught.value.state == "broken"


@pytest.mark.parametrize("answer", [STALLED, client_error("500", status=500, operation="HeadBucket")])
def test_a_store_that_never_answers_is_not_the_objects_trouble(answer) -> None:
    with pytest.raises(UserError, match="broke 2 times") as caught:
        list(open_object(Breaking(STALLED, answer), "b", "k", "e", access=ACCESS))
    assert caught.value.__cause__ is STALLED


def test_an_unreachable_store_is_told_by_its_cause() -> None:
    unreachable = exceptions.EndpointConnectionError(endpoint_url="https://s3")
    with pytest.raises(UserError, match="cannot be reached") as caught:
        list(open_object(Breaking(unreachable, None), "b", "k", "e", access=ACCESS))
    assert caught.value.__cause__ is unreachable
