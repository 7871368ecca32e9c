"""The runtime: the one place where the configuration becomes connections.

Belongs here: building ledger, store, S3 clients, Sentinel client and models, once and late. Does not belong
here: any work.
"""

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import Config, SourceSettings

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.engine import Ledger
    from s3sentinel_assets.ml.scoring.model import ScoringModel
    from s3sentinel_assets.sentinel.client import SentinelClient
    from s3sentinel_assets.sentinel.guards import Guards
    from s3sentinel_assets.sentinel.query import WorkspaceQuery
    from s3sentinel_assets.store import Store

__all__ = ["Runtime"]


class Runtime:
    """Everything a stage needs, built when first asked for. Safe to share between threads of one process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._lock = threading.RLock()
        self._closers: list[Callable[[], None]] = []

    def _once(self, name: str, build: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self.__dict__:
                self.__dict__[name] = build()
            return self.__dict__[name]

    @property
    def worker(self) -> str:
        """The name under which this runtime holds leases."""

        def build() -> str:
            from s3sentinel_assets.ledger.leases import worker_name

            return worker_name()

        return self._once("_worker", build)

    @property
    def ledger(self) -> "Ledger":
        """The ledger, migrated."""
        return self._once("_ledger", self._open_ledger)

    def _open_ledger(self) -> "Ledger":
        from s3sentinel_assets.ledger.engine import Ledger

        ledger = Ledger(self.config.ledger_url)
        self._closers.append(ledger.close)
        return ledger

    @functools.cached_property
    def store(self) -> "Store":
        """The stage files."""
        from s3sentinel_assets.store import Store

        return Store(self.config.data_dir / "store")

    def source(self, name: str) -> SourceSettings:
        """The settings of a source."""
        return self.config.source(name)

    def s3(self, source: str) -> Any:
        """The boto3 client for a source."""
        from s3sentinel_assets.s3.session import s3_client

        return s3_client(self.config.aws_access(self.config.source(source)))

    @property
    def sentinel(self) -> "SentinelClient":
        """The client that uploads batches."""

        def build() -> "SentinelClient":
            from s3sentinel_assets.sentinel.client import SentinelClient

            client = SentinelClient(self.config.sentinel)
            self._closers.append(client.close)
            return client

        return self._once("_sentinel", build)

    @property
    def query(self) -> "WorkspaceQuery":
        """The client that asks the workspace."""

        def build() -> "WorkspaceQuery":
            from s3sentinel_assets.sentinel.query import WorkspaceQuery

            client = WorkspaceQuery(self.config.sentinel)
            self._closers.append(client.close)
            return client

        return self._once("_query", build)

    @property
    def champions_dir(self) -> Path:
        """Where promoted models lie; they win over those of ``models_dir``."""
        return self.config.data_dir / "champions"

    def model(self, log_format: str) -> "ScoringModel":
        """The scoring model for a log format, as its files are now: a new champion counts from the next part on."""
        with self._lock:
            name, files = f"_model_{log_format}", self._model_files()
            if self.__dict__.get(name, (None,))[0] != files:
                from s3sentinel_assets.ml.scoring.model import load_model

                self.__dict__[name] = files, load_model(self.config.models_dir, log_format, self.champions_dir)
            return self.__dict__[name][1]

    def _model_files(self) -> list[tuple[str, int, int, int]]:
        """What tells one state of the model files from another; a champion's folder never changes under its name."""
        found = [*self.config.models_dir.glob("*.json"), *self.champions_dir.glob("*.json")]
        stats = [(str(file), file.stat()) for file in found]
        return sorted((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)

    def guards(self, source: SourceSettings) -> "Guards | None":
        """The rows that analytics rules need; None where no list is named and none lies with the models.

        Raises:
            ConfigurationError: a file that is named is missing, or one is damaged.
        """
        path = source.routing.guards_file or self.config.models_dir / "guards.json"
        if source.routing.guards_file is None and not path.exists():
            return None

        def build() -> "Guards":
            from s3sentinel_assets.sentinel.guards import load_guards

            return load_guards(path)

        return self._once(f"_guards_{path}", build)

    def close(self) -> None:
        """Closes whatever was opened."""
        for closer in reversed(self._closers):
            closer()
        self._closers.clear()
