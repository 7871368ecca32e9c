"""How a verdict on one hour is told to Dagster: its severity, sentence, counts and problems.

Belongs here: what all checks of an hour share. Does not belong here: any check.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.accounts import CheckReport

__all__ = ["ERROR", "WARN", "evaluation", "from_report", "guarded", "specs_of"]

_log = logging.getLogger(__name__)

_PROBLEMS = 20
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR

_MADE_WITH = " It is made with every run of the hour; to have it made again, materialise the hour."


def specs_of(
    asset: dg.AssetKey, texts: dict[str, str], hours: dg.HourlyPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """The specifications of an asset's checks: name → what it says in the UI."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=text + _MADE_WITH, blocking=False, partitions_def=hours)
        for name, text in texts.items()
    ]


def evaluation(
    asset: dg.AssetKey,
    name: str,
    hour: str,
    *,
    severity: dg.AssetCheckSeverity | None,
    description: str,
    counts: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
) -> dg.AssetCheckEvaluation:
    """The evaluation of one hour; without a severity it passed."""
    metadata: dict[str, dg.MetadataValue] = {
        key: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.text(str(value))
        for key, value in (counts or {}).items()
    }
    if problems:
        metadata["problems"] = dg.MetadataValue.json(list(problems[:_PROBLEMS]))
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=severity is None,
        severity=severity or ERROR,
        description=description,
        metadata=metadata,
        blocking=False,
        partition=hour,
    )


def guarded(
    asset: dg.AssetKey, name: str, hour: str, evaluate: Callable[[], dg.AssetCheckEvaluation]
) -> dg.AssetCheckEvaluation:
    """The evaluation, or one that says why there is none: a check that cannot be made must not fail its asset."""
    try:
        return evaluate()
    except UserError as error:
        severity, reason = WARN, str(error)
    except Exception as error:  # noqa: BLE001 - the verdict is red and says why
        _log.exception("check %s of %s %s", name, asset.to_user_string(), hour)
        severity, reason = ERROR, f"{type(error).__name__}: {error}"
    sentence = f"could not be checked: {reason}"
    return evaluation(asset, name, hour, severity=severity, description=sentence)


def from_report(
    asset: dg.AssetKey, name: str, hour: str, report: "CheckReport", severity: dg.AssetCheckSeverity, good: str
) -> dg.AssetCheckEvaluation:
    """The evaluation of a report: ``good`` where it passed, else its problems."""
    text = good if report.passed else "; ".join(report.problems[:3]) or "not passed"
    failed = None if report.passed else severity
    return evaluation(
        asset, name, hour, severity=failed, description=text, counts=report.counts, problems=report.problems
    )
