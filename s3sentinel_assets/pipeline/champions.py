"""Champions: the models that score, copied from the registry into a folder that scoring reads without MLflow.

Belongs here: following the alias, promotion and rollback. Does not belong here: judging a model (``judging``), the
folder (``champion_files``), what the ledger says of champions (``champion_records``).

The registry is not trusted. A version becomes champion here only if the ledger says of the digest of its two files that
the gate let it through, or that somebody admitted it with a reason. Whatever is wrong, the present champion goes on.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from s3sentinel_assets.config import Config
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.audit import Decision, current_principal, record_decision
from s3sentinel_assets.ledger.leases import hold_lease
from s3sentinel_assets.ledger.model_records import ADMITTED, model_target
from s3sentinel_assets.pipeline.champion_files import (
    champions_dir,
    is_whole,
    name_champion,
    put_model,
    read_champions,
)
from s3sentinel_assets.pipeline.champion_records import (
    Change,
    admission,
    before,
    changes_of,
    record_change,
    rolled_back_from,
    why_not_by_itself,
)
from s3sentinel_assets.pipeline.histories import scored_families
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
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

_LEASE = "champions"
_BUSY = "another process is changing champions; try again"


@dataclass(frozen=True)
class Synced:
    """What was done for one log family.

    Attributes:
        format: log family.
        champion: version that scores now; None: the one that ships with the project.
        number: its number in the registry, if known.
        changed: whether that changed.
        problem: why the present champion goes on; "" where it does not have to.
        warning: what remains to be done though it changed.
    """

    format: str
    champion: str | None
    number: int | None = None
    changed: bool = False
    problem: str = ""
    warning: str = ""
    previous: str | None = field(default=None, compare=False)


def model_formats(config: Config) -> list[str]:
    """The log families that enabled sources have and models score."""
    found = {name for source in config.sources.values() if source.enabled for name in scored_families(source)}
    return sorted(found)


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


def sync_champions(
    runtime: Runtime, formats: Sequence[str] | None = None, *, reason: str | None = None
) -> list[Synced]:
    """Brings the folder of champions up to date with the alias ``champion`` of each log family.

    A registry that is missing or broken, a version that is damaged, was not let through or was rolled back from: the
    present champion goes on, and the result says why. Without the alias the present champion goes on as well;
    `rollback` takes it away.

    Args:
        runtime: connections.
        formats: log families; None: all that are scored.
        reason: recorded with each change.
    """
    registry, results = registry_of(runtime), []
    limits = runtime.config.limits
    with hold_lease(runtime.ledger, _LEASE, runtime.worker, limits.lease_seconds) as held:
        for log_format in formats or model_formats(runtime.config):
            present = _present(runtime, log_format)
            if held is None:
                results.append(Synced(log_format, present, problem=_BUSY))
                continue
            try:
                results.append(_follow(runtime, registry, log_format, present, reason))
            except (UserError, OSError) as error:  # one that is broken keeps no other waiting
                results.append(Synced(log_format, present, problem=_kept(present, str(error))))
    return results


@contextlib.contextmanager
def _changing(runtime: Runtime) -> Iterator[None]:
    """Nobody else changes champions meanwhile.

    Raises:
        UserError: somebody does.
    """
    with hold_lease(runtime.ledger, _LEASE, runtime.worker, runtime.config.limits.lease_seconds) as held:
        if held is None:
            raise UserError(_BUSY)
        yield


def _present(runtime: Runtime, log_format: str) -> str | None:
    try:
        return read_champions(champions_dir(runtime.config)).get(log_format)
    except UserError:
        return None  # writing the next one mends the file


def _kept(present: str | None, why: str) -> str:
    return f"{present or 'the shipped model'} goes on: {why}"


def _follow(runtime: Runtime, registry: "Registry", log_format: str, present: str | None, reason: str | None) -> Synced:
    from s3sentinel_assets.ml.registry.versions import CHAMPION as ALIAS

    wanted = registry.with_alias(log_format, ALIAS)
    if wanted is None:
        return Synced(log_format, present)
    if wanted.version and wanted.version == present and is_whole(runtime.config, log_format, present):
        return Synced(log_format, present, wanted.number)
    with registry.fetched(wanted) as (detector, digest, files):
        changes = changes_of(runtime, log_format)
        if detector.version in rolled_back_from(changes):
            again = f"`s3sentinel models promote {log_format} {wanted.number}` takes it again"
            return Synced(log_format, present, problem=_kept(present, f"{wanted.name} was rolled back from; {again}"))
        why = _refused(runtime, log_format, digest, changes)
        if why:
            return Synced(log_format, present, problem=_kept(present, f"{wanted.name} may not score, {why}"))
        if detector.version == present and is_whole(runtime.config, log_format, present):
            return Synced(log_format, present, wanted.number)
        put_model(runtime.config, detector.version, files)
        return _score_with(runtime, log_format, Change(detector.version, wanted.number, digest, present), reason)


def _refused(runtime: Runtime, log_format: str, digest: str, changes: Sequence[Change]) -> str:
    """Why a model may not score; "" if it may. One that scores already may: it was let in once, or gone back to."""
    if changes and changes[-1].sha256 == digest:
        return ""
    with runtime.ledger.read() as connection:
        return admission(connection, log_format, digest)[1]


def _score_with(runtime: Runtime, log_format: str, change: Change, reason: str | None) -> Synced:
    """Names the champion, whose files are there, and records that."""
    name_champion(runtime.config, log_format, change.version)
    record_change(runtime, log_format, change, reason)
    return Synced(log_format, change.version, change.number, changed=True, previous=change.previous)


def promote(
    runtime: Runtime,
    log_format: str,
    number: int,
    *,
    force: bool = False,
    reason: str | None = None,
    automatic: bool = False,
) -> Synced:
    """Moves the alias to a version and takes it over at once.

    Args:
        runtime: connections.
        log_format: log family.
        number: the version's number.
        force: also if the gate refused it or never judged it; takes a reason, which is recorded.
        reason: why.
        automatic: nobody has asked for it, so a rollback, which somebody has asked for, counts more: then the
            present champion goes on, and the result's ``problem`` says so.

    Raises:
        UserError: the gate does not let it through, or MLflow cannot be reached.
    """
    from s3sentinel_assets.ml.registry.versions import CHAMPION as ALIAS

    if force and not (reason or "").strip():
        raise UserError("--force goes past the gate and is recorded; say why with --reason")
    registry = registry_of(runtime)
    version = registry.version(log_format, number)
    with _changing(runtime), registry.fetched(version) as (detector, digest, files):
        present, changes = _present(runtime, log_format), changes_of(runtime, log_format)
        why = _refused(runtime, log_format, digest, changes)
        if why and not force:
            raise UserError(f"{version.name} is not promoted: {why}")
        days = runtime.config.models.retrain_days
        if automatic and (asked := why_not_by_itself(changes, detector.version, runtime.ledger.now(), days)):
            return Synced(log_format, present, problem=_kept(present, asked))
        if why:
            _admit(runtime, log_format, version, detector.version, digest, reason or "", why)
        whole = is_whole(runtime.config, log_format, detector.version)
        if not whole:
            put_model(runtime.config, detector.version, files)
        registry.set_alias(log_format, ALIAS, number)
        if whole and detector.version == present:
            return Synced(log_format, present, number)
        return _score_with(runtime, log_format, Change(detector.version, number, digest, present), reason)


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
    """Goes back to the champion before the present one at once, and moves the alias there.

    It takes neither MLflow, if the files of that champion are still here, nor the gate: the model scored before. Where
    the alias cannot be moved the result says so; it is not followed back to what was rolled back from.

    Raises:
        UserError: there was none before, or its files are gone and MLflow cannot be reached.
    """
    with _changing(runtime):
        changes = changes_of(runtime, log_format)
        try:
            present = read_champions(champions_dir(runtime.config)).get(log_format)
        except UserError:  # the ledger knows as well, and going back writes the file anew
            present = changes[-1].version if changes else None
        if present is None:
            raise UserError(
                f"{log_format} is scored by the shipped model; there is no champion before it to go back to"
            )
        earlier = before(changes, present)
        target = earlier[-1] if earlier else Change(None, None, "", None)
        registry = registry_of(runtime)
        if target.version:
            _bring_back(runtime, registry, log_format, target, present)
        change = Change(target.version, target.number, target.sha256, present, rolled_back=True)
        result = _score_with(runtime, log_format, change, reason or "rolled back")
        return replace(result, warning=_move_back(registry, log_format, target))


def _bring_back(runtime: Runtime, registry: "Registry", log_format: str, target: Change, present: str) -> None:
    """Sees to it that the files of an earlier champion are here and are those that it had."""
    if is_whole(runtime.config, log_format, target.version, target.sha256):
        return
    try:
        _fetch_back(runtime, registry, log_format, target)
    except UserError as error:
        where = champions_dir(runtime.config) / str(target.version)
        raise UserError(_kept(present, f"{where}, the champion before, is missing or damaged, and {error}")) from error


def _fetch_back(runtime: Runtime, registry: "Registry", log_format: str, target: Change) -> None:
    found = _registered(registry, log_format, target)
    with registry.fetched(found) as (detector, digest, files):
        if digest != target.sha256:
            raise UserError(f"{found.name} has other files than when it was champion; promote another version")
        put_model(runtime.config, detector.version, files)


def _registered(registry: "Registry", log_format: str, target: Change) -> "ModelVersion":
    """The version in the registry that an earlier champion was: under its number, else under another."""
    found = [each for each in registry.versions(log_format) if each.version == target.version]
    if not found:
        raise UserError(f"{target.version} is not in the registry any more; promote another version")
    return next((each for each in found if each.number == target.number), found[0])


def _move_back(registry: "Registry", log_format: str, target: Change) -> str:
    """Moves the alias after a rollback; gives what is left to do where that fails, since the rollback is done."""
    from s3sentinel_assets.ml.registry.versions import CHAMPION as ALIAS

    try:
        registry.set_alias(
            log_format, ALIAS, _registered(registry, log_format, target).number if target.version else None
        )
    except UserError as error:
        later = "take it away in MLflow later"
        if target.version:
            later = f"`s3sentinel models promote {log_format} {target.number}` moves it later"
        return f"the alias champion was not moved, and is not followed: {error}; {later}"
    return ""
