"""The connection to MLflow: which store, how patiently, and errors in words.

Belongs here: settings that MLflow takes from the environment, and making its clients. Does not belong here: what is
logged (``versions``, ``experiments``).

Two kinds of store: a SQLite file with a folder of artifacts beside it, both absolute, or a server by its URI. The URI
of the environment may hold a password (``postgresql://user:password@host/mlflow``): it is used, and never shown.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus, urlsplit

from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Tracking"]

_SQLITE = "sqlite:///"
_VARIABLE = "MLFLOW_TRACKING_URI"
_HELP = "start it, or correct models.tracking_uri (MLFLOW_TRACKING_URI)"
#: Said by MLflow for each model and each file; none of it helps whoever reads our log.
_CHATTER = ("alembic", "mlflow.store", "mlflow.pyfunc", "mlflow.tracking", "mlflow.utils", "mlflow.models")


class Tracking:
    """One MLflow store. Nothing is imported or connected to before `client` is first asked for.

    Attributes:
        uri: of the store, with whatever it needs to be let in; for MLflow only.
        shown: the same for people: without name, password and query.
        artifacts: folder of artifacts, for a SQLite store; a server has its own.
    """

    def __init__(self, uri: str, *, timeout_seconds: float = 10.0) -> None:
        """Args: ``uri`` of a server, or ``sqlite:///FILE``; ``timeout_seconds`` is for each request to a server."""
        self.artifacts: Path | None = None
        if uri.startswith(_SQLITE):
            file = Path(uri.removeprefix(_SQLITE)).absolute()
            uri, self.artifacts = f"{_SQLITE}{file}", file.with_name("artifacts")
        self.uri = uri
        self.shown = _shown(uri)
        self._secrets = _secrets(uri)
        self._timeout = timeout_seconds
        self._client: MlflowClient | None = None

    @property
    def mlflow(self) -> Any:
        """The module, pointed at this store."""
        _check(self.uri)
        _set_environment(self._timeout)
        import mlflow

        for name in _CHATTER:
            logging.getLogger(name).setLevel(logging.ERROR)
        before = os.environ.get(_VARIABLE)
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        # MLflow writes it into the environment, where it would pass for what the user has set.
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
        return mlflow

    @property
    def client(self) -> "MlflowClient":
        """The client; a SQLite file is made at the first call."""
        if self._client is None:
            mlflow = self.mlflow
            if self.artifacts is not None:
                self.artifacts.mkdir(parents=True, exist_ok=True)
            client: MlflowClient = mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            self._client = client
            return client
        return self._client

    @contextlib.contextmanager
    def reached(self, doing: str) -> Iterator["MlflowClient"]:
        """The client, for one thing to do.

        Args:
            doing: what is being done, for the sentence of an error, such as "logging a model".

        Raises:
            UserError: MLflow cannot be reached, or refuses.
        """
        with self.in_words(doing):
            yield self.client

    @contextlib.contextmanager
    def in_words(self, doing: str) -> Iterator[None]:
        """Turns MLflow's errors, and those of the layers below it, into one sentence.

        Raises:
            UserError: in their place.
        """
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            kinds = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
            if (
                not kinds & {"mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3", "alembic"}
                and not isinstance(error, OSError)
                and not any(self.hidden(str(each)) != str(each) for each in _chain(error))
            ):
                raise
            first = " ".join(self.hidden(str(error)).splitlines()[:1])[:300]
            said = f"could not be used for {doing} ({first})"
            if "failed with exception" in first:  # MLflow's words for a connection that could not be made
                said = f"does not answer, and is needed for {doing}"
            # A traceback would show the texts of the errors below as they are.
            cause = None if self._secrets else error
            raise UserError(f"MLflow at {self.shown} {said}; {_HELP}") from cause

    def hidden(self, text: str) -> str:
        """A text of MLflow's or of a driver's, without what is secret in the URI."""
        for secret, instead in self._secrets:
            text = text.replace(secret, instead)
        return text

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made if there is none; one that was deleted in the UI is brought back."""
        with self.reached(f"opening the experiment {name}") as client:
            found = client.get_experiment_by_name(name)
            if found is None:
                where = None if self.artifacts is None else (self.artifacts / name).as_uri()
                return client.create_experiment(name, artifact_location=where)
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            return found.experiment_id


def _check(uri: str) -> None:
    """Raises unless the URI can be taken apart; what cannot would be quoted piece by piece in errors."""
    if uri.startswith(_SQLITE):
        return
    try:
        _ = urlsplit(uri).port
    except ValueError:
        raise UserError(
            f"{_VARIABLE} ({_shown(uri)}) is no URI; write what is special in its name or password as %40 for @, "
            "%2F for / and so on"
        ) from None


def _shown(uri: str) -> str:
    """The URI without name, password and query, also where a password holds signs that mean something in a URI."""
    scheme, separator, rest = uri.partition("://") if "://" in uri else ("", "", uri)
    place, _, query = rest.partition("?")
    if uri.startswith(_SQLITE):
        return f"{scheme}{separator}{place}"
    if "@" in query:  # of the query, or after a password with a question mark
        return f"{scheme}{separator}..."
    return f"{scheme}{separator}{place.rpartition('@')[2].partition('#')[0]}"


def _secrets(uri: str) -> list[tuple[str, str]]:
    """What may not be shown of a URI, with what stands in its place; the longest first."""
    if (shown := _shown(uri)) == uri:
        return []
    rest = uri.partition("://")[2] or uri
    person, query = rest.rpartition("@")[0], rest.partition("?")[2]
    values = [pair.partition("=")[2] for pair in query.split("&")]
    found = [person, person.partition(":")[2], query, *values]
    hidden = {secret: "***" for each in found for secret in (each, unquote(each), unquote_plus(each)) if secret}
    return sorted({**hidden, uri: shown, uri.rstrip("/"): shown}.items(), key=lambda item: -len(item[0]))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that a traceback would show with it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _set_environment(timeout_seconds: float) -> None:
    """What MLflow reads from the environment; what somebody has set there stays, apart from what guards us."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # Its own patience is 2 minutes a request and seven tries, each twice as long after the last.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(max(1, round(timeout_seconds))))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
