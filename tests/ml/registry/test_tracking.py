"""MLflow by its URI: a password in it opens the store, and nobody ever reads it."""

import traceback

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ml.registry.tracking import Tracking
from s3sentinel_assets.ml.registry.versions import Registry

PASSWORD = "S3cret%2FPw"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://mlflow.example.com/base", "https://mlflow.example.com/base"),
        (f"http://alice:{PASSWORD}@127.0.0.1:9/", "http://127.0.0.1:9/"),
        (f"https://{PASSWORD}@mlflow.example.com", "https://mlflow.example.com"),
        (f"postgresql://mlflow:{PASSWORD}@db/mlflow?sslmode=require", "postgresql://db/mlflow"),
        (f"postgresql://db/mlflow?user=mlflow&password={PASSWORD}", "postgresql://db/mlflow"),
        (f"postgresql://mlflow:a/b#{PASSWORD}@db/mlflow", "postgresql://db/mlflow"),
        (f"postgresql://mlflow:a?{PASSWORD}@db/mlflow", "postgresql://..."),
        (f"postgresql://db/mlflow?password=a@{PASSWORD}", "postgresql://..."),
        (f"alice:{PASSWORD}@127.0.0.1", "127.0.0.1"),
        ("sqlite:////srv/a@b/mlflow.db", "sqlite:////srv/a@b/mlflow.db"),
    ],
)
def test_name_password_and_query_are_used_and_not_shown(uri, shown):
    tracking = Tracking(uri)
    assert (tracking.uri, tracking.shown) == (uri, shown)


@pytest.mark.parametrize(
    "said",
    [
        f"API request to http://alice:{PASSWORD}@127.0.0.1:9/api/2.0 failed with exception (timeout)",
        f"no way to http://alice:{PASSWORD}@127.0.0.1:9",
        f"login as alice:{PASSWORD} failed",
        'password "S3cret/Pw" is wrong',
        "x" * 295 + PASSWORD,  # not even the beginning of it, where a long text is cut
    ],
)
@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_no_error_of_a_library_shows_the_password(said, kind):
    error = kind(said)
    error.__cause__ = ValueError(said)
    with pytest.raises(UserError) as refused, Tracking(f"http://alice:{PASSWORD}@127.0.0.1:9/").in_words("a test"):
        raise error
    told = "".join(traceback.format_exception(refused.value))
    assert "MLflow at http://127.0.0.1:9/ " in told
    assert "S3c" not in told


def test_an_error_that_has_nothing_to_do_with_mlflow_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), Tracking(f"http://alice:{PASSWORD}@127.0.0.1:9/").in_words("a test"):
        raise ZeroDivisionError("our own mistake")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (f"http://alice:{PASSWORD}@127.0.0.1:1/", "http://127.0.0.1:1/ does not answer"),
        (f"http://alice:S3c/{PASSWORD}@127.0.0.1:1/", "(http://127.0.0.1:1/) is no URI"),
        (f"nothing://alice:{PASSWORD}@127.0.0.1:1/", "nothing://127.0.0.1:1/ "),
    ],
)
def test_a_store_that_cannot_be_reached_is_named_without_the_password(uri, shown, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError) as refused:
        Registry(Tracking(uri, timeout_seconds=1)).versions("cloudtrail")
    told = "".join(traceback.format_exception(refused.value))
    assert shown in told
    assert "S3c" not in told
