"""Champions: the models that score, copied from the registry into a folder that scoring reads without MLflow.

Belongs here: reading the alias, whether that version may score, the folder, promotion and rollback. Does not belong
here: judging a model (``evidence``, ``training``), loading it for scoring (``ml.scoring.model``).

The registry is not trusted. A version becomes champion here only if the ledger says of the digest of its two files that
the gate let it through, or that somebody admitted it with a reason. Whatever is wrong, the present champion goes on.
"""

import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import Config
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.audit import Decision, RecordedDecision, current_principal, record_decision
from s3sentinel_assets.ledger.leases import hold_lease
from s3sentinel_assets.ledger.model_records import ADMITTED, CHAMPION, JUDGED, model_target, recorded
from s3sentinel_assets.pipeline.histories import scored_families
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from s3sentinel_assets.ml.registry.tracking import Tracking
    from s3sentinel_assets.ml.registry.versions import ModelVersion, Registry

__all__ = [
    "Synced",
    "admission",
    "champions_dir",
    "model_formats",
    "promote",
    "read_champions",
    "registry_of",
    "rollback",
    "sync_champions",
    "tracking_of",
]

_FILE = "champions.json"
_LEASE = "champions"


@dataclass(frozen=True)
class Synced:
    """What a sync did for one log family.

    Attributes:
        format: log family.
        champion: version that scores now; None: the one that ships with the project.
        number: its number in the registry, if known.
        changed: whether this sync changed it.
        problem: why the alias was not followed; "" where it was.
    """

    format: str
    champion: str | None
    number: int | None = None
    changed: bool = False
    problem: str = ""
    previous: str | None = field(default=None, compare=False)


def model_formats(config: Config) -> list[str]:
    """The log families that enabled sources have and models score."""
    found = {name for source in config.sources.values() if source.enabled for name in scored_families(source)}
    return sorted(found)


def champions_dir(config: Config) -> Path:
    """The folder of champions."""
    return config.data_dir / "champions"


def tracking_of(runtime: Runtime) -> "Tracking":
    """MLflow as the configuration says, else as MLFLOW_TRACKING_URI does, else a SQLite file below ``data_dir``."""
    from s3sentinel_assets.ml.registry.tracking import Tracking

    settings = runtime.config.models
    own = f"sqlite:///{runtime.config.data_dir.resolve() / 'mlflow' / 'mlflow.db'}"
    uri = settings.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or own
    return Tracking(uri, timeout_seconds=settings.timeout_seconds)


def registry_of(runtime: Runtime) -> "Registry":
    """The registered models."""
    from s3sentinel_assets.ml.registry.versions import Registry

    return Registry(tracking_of(runtime))


def read_champions(folder: Path) -> dict[str, str]:
    """Log family → name of the folder beside it; empty where there is no champion of one's own.

    Raises:
        UserError: ``champions.json`` is damaged.
    """
    file = folder / _FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error}); delete it, and `s3sentinel models sync` writes it") from None
    if not isinstance(values, dict) or not all(isinstance(each, str) for each in values.values()):
        raise UserError(f"{file} is no list of champions; delete it, and `s3sentinel models sync` writes it anew")
    return {str(key): value for key, value in values.items()}


def admission(connection: "Connection", log_format: str, digest: str) -> tuple[RecordedDecision | None, str]:
    """What lets the model with this digest score: the newest decision about it, and why not where there is none."""
    newest = None
    for row in recorded(connection, (JUDGED, ADMITTED), log_format):
        if row.detail.get("sha256") == digest and (
            newest is None or newest.action != ADMITTED or row.action == ADMITTED
        ):
            newest = row
    if newest is None:
        return None, "the gate has not judged it here; run `s3sentinel models train`, or promote it with --force"
    if newest.action == ADMITTED or newest.detail.get("passed"):
        return newest, ""
    return None, f"the gate refused it: {'; '.join(newest.detail.get('refusals') or ['see its table'])}"


def sync_champions(
    runtime: Runtime, formats: Sequence[str] | None = None, *, reason: str | None = None, rolled_back: bool = False
) -> list[Synced]:
    """Brings the folder of champions up to date with the alias ``champion`` of each log family.

    A registry that is missing or broken, a version that is damaged or was not let through: the present champion goes
    on, and the result says why. Without the alias the present champion goes on as well; `rollback` takes it away.

    Args:
        runtime: connections.
        formats: log families; None: all that are scored.
        reason: recorded with each change.
        rolled_back: whether a change is one back to an earlier champion.
    """
    registry, results = registry_of(runtime), []
    limits = runtime.config.limits
    with hold_lease(runtime.ledger, _LEASE, runtime.worker, limits.lease_seconds) as held:
        for log_format in formats or model_formats(runtime.config):
            present = _present(runtime, log_format)
            if held is None:
                results.append(Synced(log_format, present, problem="another process is changing champions; try again"))
                continue
            try:
                results.append(_follow(runtime, registry, log_format, present, reason, rolled_back))
            except UserError as error:
                results.append(Synced(log_format, present, problem=_kept(present, str(error))))
    return results


def _present(runtime: Runtime, log_format: str) -> str | None:
    try:
        return read_champions(champions_dir(runtime.config)).get(log_format)
    except UserError:
        return None  # writing the next one mends the file


def _kept(present: str | None, why: str) -> str:
    return f"{present or 'the shipped model'} goes on: {why}"


def _follow(
    runtime: Runtime, registry: "Registry", log_format: str, present: str | None, reason: str | None, rolled_back: bool
) -> Synced:
    from s3sentinel_assets.ml.registry.versions import CHAMPION as ALIAS

    wanted = registry.with_alias(log_format, ALIAS)
    if wanted is None:
        return Synced(log_format, present)
    if wanted.version and wanted.version == present and _whole(runtime, log_format, present):
        return Synced(log_format, present, wanted.number)
    with registry.fetched(wanted) as (detector, digest, folder):
        with runtime.ledger.read() as connection:
            allowed, why = admission(connection, log_format, digest)
        if allowed is None:
            return Synced(log_format, present, problem=_kept(present, f"{wanted.name} may not score, {why}"))
        if detector.version == present and _whole(runtime, log_format, present):
            return Synced(log_format, present, wanted.number)
        _write(runtime.config, log_format, detector.version, folder)
        change = {"number": wanted.number, "version": detector.version, "previous": present, "sha256": digest}
        _record(runtime, log_format, change, reason, rolled_back)
    return Synced(log_format, detector.version, wanted.number, changed=True, previous=present)


def _whole(runtime: Runtime, log_format: str, name: str | None) -> bool:
    """Whether the files of the present champion are as they should be."""
    from s3sentinel_assets.ml.registry.bundle import verified

    if not name:
        return False
    try:
        return verified(champions_dir(runtime.config) / name, log_format)[0].version == name
    except (UserError, OSError):
        return False


def _write(config: Config, log_format: str, version: str, files: Path) -> None:
    """Puts a verified model beside the others, then names it; a reader sees the old one or the new one, whole."""
    from s3sentinel_assets.ml.registry.bundle import BUNDLE_FILES

    folder = champions_dir(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{version}.{uuid.uuid4().hex}"
        unfinished.mkdir()
        try:
            for name in BUNDLE_FILES:
                shutil.copyfile(files / name, unfinished / name)
                with (unfinished / name).open("rb") as file:
                    os.fsync(file.fileno())
            if (folder / version).exists():  # damaged, or the same
                shutil.rmtree(folder / version)
            unfinished.replace(folder / version)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise UserError(f"the champion cannot be written to {folder}: {error.strerror}") from error
    _name(folder, log_format, version)


def _name(folder: Path, log_format: str, version: str | None) -> None:
    """Writes ``champions.json`` with this champion, or without one of the log family."""
    try:
        champions: dict[str, Any] = dict(read_champions(folder))
    except UserError:
        champions = {}
    if version is None:
        champions.pop(log_format, None)
    else:
        champions[log_format] = version
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{_FILE}.{uuid.uuid4().hex}"
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(json.dumps(dict(sorted(champions.items())), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / _FILE)
    except OSError as error:
        raise UserError(f"{folder / _FILE} cannot be written: {error.strerror}") from error


def _record(runtime: Runtime, log_format: str, change: dict[str, Any], reason: str | None, rolled_back: bool) -> None:
    version = change["version"] or "shipped model"
    with runtime.ledger.write() as connection:
        record_decision(
            connection,
            Decision(
                principal=current_principal(),
                action=CHAMPION,
                target=model_target(log_format, change["number"], version),
                reason=reason,
                detail={"format": log_format, "rolled_back": rolled_back, **change},
            ),
            runtime.ledger.now(),
        )


def promote(
    runtime: Runtime, log_format: str, number: int, *, force: bool = False, reason: str | None = None
) -> Synced:
    """Moves the alias to a version and takes it over at once.

    Args:
        runtime: connections.
        log_format: log family.
        number: the version's number.
        force: also if the gate refused it or never judged it; takes a reason, which is recorded.
        reason: why.

    Raises:
        UserError: the gate does not let it through, or MLflow cannot be reached.
    """
    from s3sentinel_assets.ml.registry.versions import CHAMPION as ALIAS

    if force and not (reason or "").strip():
        raise UserError("--force goes past the gate and is recorded; say why with --reason")
    registry = registry_of(runtime)
    version = registry.version(log_format, number)
    with registry.fetched(version) as (detector, digest, _):
        with runtime.ledger.read() as connection:
            allowed, why = admission(connection, log_format, digest)
        if allowed is None and not force:
            raise UserError(f"{version.name} is not promoted: {why}")
        if allowed is None:
            _admit(runtime, log_format, version, detector.version, digest, reason or "", why)
    registry.set_alias(log_format, ALIAS, number)
    (result,) = sync_champions(runtime, [log_format], reason=reason)
    if result.problem:
        raise UserError(f"the alias was moved to {version.name}, but {result.problem}")
    return result


def _admit(
    runtime: Runtime, log_format: str, version: "ModelVersion", content: str, digest: str, reason: str, why: str
) -> None:
    detail = {"format": log_format, "number": version.number, "version": content, "sha256": digest, "gate": why}
    with runtime.ledger.write() as connection:
        record_decision(
            connection,
            Decision(
                principal=current_principal(),
                action=ADMITTED,
                target=model_target(log_format, version.number, content),
                reason=reason,
                detail=detail,
            ),
            runtime.ledger.now(),
        )


def rollback(runtime: Runtime, log_format: str, *, reason: str | None = None) -> Synced:
    """Moves the alias back to the champion before the present one, and takes that over at once.

    Raises:
        UserError: there was none before, or MLflow cannot be reached.
    """
    from s3sentinel_assets.ml.registry.versions import CHAMPION as ALIAS

    present, why = _present(runtime, log_format), reason or "rolled back"
    earlier = _earlier_champions(runtime, log_format, present)
    if present is None:
        raise UserError(f"{log_format} is scored by the shipped model; there is no champion before it to go back to")
    registry = registry_of(runtime)
    if not earlier:
        registry.set_alias(log_format, ALIAS, None)
        _name(champions_dir(runtime.config), log_format, None)
        change = {"number": None, "version": None, "previous": present, "sha256": ""}
        _record(runtime, log_format, change, why, rolled_back=True)
        return Synced(log_format, None, changed=True, previous=present)
    found = next((each for each in registry.versions(log_format) if each.version == earlier[-1]), None)
    if found is None:
        raise UserError(f"{earlier[-1]}, the champion before, is not in the registry any more; promote another version")
    registry.set_alias(log_format, ALIAS, found.number)
    (result,) = sync_champions(runtime, [log_format], reason=why, rolled_back=True)
    if result.problem:
        raise UserError(f"the alias was moved to {found.name}, but {result.problem}")
    return result


def _earlier_champions(runtime: Runtime, log_format: str, present: str | None) -> list[str]:
    """The champions before the present one that were not rolled back from, oldest first."""
    with runtime.ledger.read() as connection:
        changes = recorded(connection, (CHAMPION,), log_format)
    line: list[str] = []
    for row in changes:
        if row.detail.get("rolled_back"):
            del line[-1:]
        elif version := row.detail.get("version"):
            line.append(version)
    return line[:-1] if line and line[-1] == present else line
