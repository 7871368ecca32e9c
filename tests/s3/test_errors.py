"""Every refusal of S3 and STS becomes one sentence that names the thing and the way out."""

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.errors import explain, s3_errors

ACCESS = AwsAccess(
    region="eu-west-1", role_arn="arn:aws:iam::111122223333:role/reader", expected_bucket_owner="012345678901"
)
URL = {"endpoint_url": "https://s3"}


def client_error(code: str, operation: str = "ListObjectsV2", message: str = "", **error: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message, **error}}, operation)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (client_error("AccessDenied"), "allow s3:ListBucket on it for these credentials, and check"),
        (client_error("403", "GetObject"), "allow s3:GetObject"),
        (client_error("AccessDenied", "AssumeRole", "no\nway"), "configuration names cannot be assumed (no way);"),
        (client_error("NoSuchBucket"), "bucket logs does not exist at S3 in eu-west-1; check 'bucket'"),
        (client_error("ExpiredToken"), "have expired"),
        (client_error("InvalidAccessKeyId"), "does not accept the credentials"),
        (client_error("SignatureDoesNotMatch"), "does not accept the credentials"),
        (client_error("PermanentRedirect"), "not in region eu-west-1; set aws.region to its region"),
        (client_error("AuthorizationHeaderMalformed", Region="us-west-2"), "set aws.region to us-west-2"),
        (client_error("SlowDown"), "throttles requests to bucket logs (SlowDown)"),
        (client_error("429", "GetObject"), "throttles requests to bucket logs (429)"),
        (client_error("RequestTimeTooSkewed"), "clock of this machine"),
        (client_error("Strange", message="odd"), "on bucket logs at S3 in eu-west-1 failed with Strange (odd)"),
        (exceptions.NoCredentialsError(), "no AWS credentials were found for bucket logs; set aws.profile"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), "no AWS credentials were found"),
        (exceptions.CredentialRetrievalError(provider="sso", error_msg="gone"), "could not be fetched"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="gone"), "could not be fetched"),
        (exceptions.UnauthorizedSSOTokenError(), "sign in again"),
        (exceptions.ProfileNotFound(profile="p"), "check aws.profile"),
        (exceptions.ConfigParseError(path="/f"), "AWS's own configuration is wrong"),
        (exceptions.SSLError(error="self-signed", **URL), "not trusted"),
        (exceptions.EndpointConnectionError(**URL), "S3 in eu-west-1 cannot be reached for bucket logs; check"),
        (exceptions.ConnectTimeoutError(**URL), "cannot be reached"),
        (exceptions.ReadTimeoutError(**URL), "broke 5 times"),
        (exceptions.ConnectionClosedError(**URL), "broke 5 times"),
        (exceptions.ParamValidationError(report="bad"), "bucket name 'logs' is not valid"),
        (exceptions.BotoCoreError(), "S3 request for bucket logs at S3 in eu-west-1 failed"),
    ],
)  # fmt: skip
def test_sentences(error: Exception, words: str) -> None:
    sentence = str(explain(error, bucket="logs", access=ACCESS))
    assert words in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), s3_errors(bucket="b", access=ACCESS):
        raise ZeroDivisionError


def test_the_cause_is_kept_for_debugging() -> None:
    with pytest.raises(UserError) as caught, s3_errors(bucket="b", access=ACCESS):
        raise client_error("NoSuchBucket")
    assert isinstance(caught.value.__cause__, ClientError)
