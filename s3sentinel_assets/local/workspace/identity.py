"""Who the local workspace is: its fixed ids, and the files of its data directory.

Belongs here: names, ids, paths and the making of secrets. Does not belong here: what the secrets are used for
(``auth``).
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from s3sentinel_assets.errors import UserError

__all__ = ["CLIENT_ID", "DCR_ID", "TENANT_ID", "WORKSPACE_ID", "Identity", "WorkspaceFiles", "write_private"]

WORKSPACE_ID = "00000000-0000-4000-8000-000000000001"
TENANT_ID = "00000000-0000-4000-8000-000000000002"
CLIENT_ID = "00000000-0000-4000-8000-000000000003"
DCR_ID = "dcr-00000000000000000000000000000001"


@dataclass(frozen=True)
class Identity:
    """The ids one local workspace answers to; the defaults are those of the shipped ``s3sentinel.yaml``."""

    workspace_id: str = WORKSPACE_ID
    tenant_id: str = TENANT_ID
    client_id: str = CLIENT_ID
    dcr_id: str = DCR_ID


@dataclass(frozen=True)
class WorkspaceFiles:
    """The data directory of a local workspace."""

    root: Path

    @property
    def database(self) -> Path:
        """The DuckDB file that holds every stored row."""
        return self.root / "workspace.duckdb"

    @property
    def ca(self) -> Path:
        """The certificate authority to trust (PEM, no key)."""
        return self.root / "ca.pem"

    @property
    def server_certificate(self) -> Path:
        """The server's certificate chain and private key (PEM)."""
        return self.root / "server.pem"

    @property
    def client_secret(self) -> Path:
        """The secret of the one registered client."""
        return self.root / "client_secret"

    @property
    def control_token(self) -> Path:
        """The token that opens the fault switches."""
        return self.root / "control_token"

    @property
    def token_key(self) -> Path:
        """The key that signs bearer tokens, kept so that tokens outlive a restart as real ones do."""
        return self.root / "token_key"

    @property
    def tables(self) -> Path:
        """Tables served beside the shipped ones (JSON)."""
        return self.root / "tables.json"

    @property
    def address(self) -> Path:
        """The URL of the server that runs now; removed when it stops in order."""
        return self.root / "address"

    def prepare(self) -> None:
        """Makes the directory and whatever secret is missing in it.

        Raises:
            UserError: the directory cannot be made or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for file in (self.client_secret, self.control_token, self.token_key):
                if not file.exists():
                    write_private(file, secrets.token_urlsafe(32))
        except OSError as error:
            raise UserError(
                f"{error.filename or self.root}: cannot be written ({error.strerror}); give a writable --dir"
            ) from None

    def read(self, file: Path) -> str:
        """The text of one of the secret files, without the final newline.

        Raises:
            UserError: it is missing or unreadable.
        """
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UserError(
                f"{file}: cannot be read ({error.strerror}); start the workspace once with 's3sentinel workspace serve'"
            ) from None


def write_private(file: Path, text: str | bytes) -> None:
    """Writes ``file`` whole, readable by its owner only; a reader sees the old or the new file, never a half."""
    data = text.encode() if isinstance(text, str) else text
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    temporary.replace(file)
