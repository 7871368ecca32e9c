"""One object that S3 will not give is named and passed over; what concerns all objects is an error for the user."""

from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.reader import open_object
from s3sentinel_assets.s3.refusals import refusal

ACCESS = AwsAccess(max_attempts=2, backoff_seconds=0)
URI = "s3://b/dir/key é.gz"
SSE_C = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve "
    "the object."
)


def client_error(code: str, message: str = "", status: int | None = None, operation: str = "GetObject") -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}}
    if status is not None:
        response["ResponseMetadata"] = {"HTTPStatusCode": status}
    return ClientError(response, operation)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (client_error("InvalidRequest", SSE_C, 400), "SSE-C"),
        (client_error("InvalidRequest", "odd\nthing", 400), "InvalidRequest (odd thing); check the object"),
        (client_error("MethodNotAllowed", "", 405), "S3 refuses it with MethodNotAllowed"),
        (client_error("InvalidRange", "", 416), "InvalidRange"),
        (client_error("KeyTooLongError", "", 400), "KeyTooLongError"),
        (client_error("418", "", 418), "with 418"),
        (client_error("", "", 400), "HTTP status 400"),
        (client_error("NeverHeardOf"), "NeverHeardOf"),
        (client_error("InternalError", "", 500), "an internal error 3 times"),
        (client_error("502", "Bad Gateway", 502), "error 502 3 times"),
        (client_error("NotImplemented", "", 501), "error NotImplemented"),
    ],
)
def test_what_concerns_one_object_is_a_denial_that_names_it(error, words) -> None:
    failure = refusal(error, URI, 3)
    assert failure is not None
    assert failure.state == "denied"
    assert failure.reason.startswith(URI)
    assert words in failure.reason
    assert "\n" not in failure.reason


@pytest.mark.parametrize(
    "error",
    [
        *(client_error(code, status=403) for code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")),
        *(client_error(code, status=403) for code in ("RequestTimeTooSkewed", "AccountProblem", "NotSignedUp")),
        *(client_error(code, status=503) for code in ("SlowDown", "ServiceUnavailable", "503", "Whatever")),
        *(client_error(code, status=301) for code in ("PermanentRedirect", "301", "Moved")),
        client_error("AuthorizationHeaderMalformed", status=400),
        client_error("NoSuchBucket", status=404),
        client_error("429", status=429),
        client_error("407", status=407),
        client_error("AccessDenied", status=403, operation="AssumeRole"),
    ],
    ids=lambda error: str(error)[:60],
)
def test_what_concerns_all_objects_is_no_denial(error) -> None:
    assert refusal(error, URI, 3) is None


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
    assert caught.value.state == "denied"


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
