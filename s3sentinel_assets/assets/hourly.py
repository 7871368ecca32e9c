"""How an asset works through the hours of a run: each on its own, good ones recorded before a failure is raised.

Belongs here: the loop and the per-hour events. Does not belong here: what a stage does (``pipeline``), what is shown
(`assets.metadata`), or what later steps learn of a failure (`assets.failures`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import dagster as dg

# An output with this mark makes Dagster write no materialisation of its own: it would write one for every hour.
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as WRITES_ITS_OWN

from s3sentinel_assets.assets.failures import (
    StageFailure,
    failed_before,
    record_failure,
    sentence_of,
    steps_follow,
    worth_retrying,
)
from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.resources import Stages
from s3sentinel_assets.s3.key_grammar import KeyFilter

__all__ = ["RETRY_POLICY", "bring_up_to_date", "discover_each", "found_in"]

#: For what passes by itself; the stages' own retries (requests, uploads) come first.
RETRY_POLICY = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

_Evaluations = Iterable[dg.AssetCheckEvaluation]


def discover_each(
    stages: Stages, source: str, hours: Sequence[str], only: KeyFilter | None = None, ask_again: bool = False
) -> dict[str, StageSummary | Exception]:
    """Lists once for all the hours; where that fails for some reason of one hour, hour by hour.

    Args:
        stages: the pipeline.
        source: the source's name.
        hours: the hours.
        only: an account, region or prefix.
        ask_again: whether to ask for refused objects at once.

    Returns:
        Hour → what was found, or why it could not be.

    Raises:
        UserError: S3 or the ledger cannot be reached or refuses, which concerns every hour.
    """
    try:
        return dict(stages.discover(source, hours, only, ask_again))
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again by the hour it belongs to
        if len(hours) == 1:
            return {hours[0]: error}
    found: dict[str, StageSummary | Exception] = {}
    for hour in hours:
        found |= discover_each(stages, source, [hour], only, ask_again)
    return found


def found_in(listed: Mapping[str, StageSummary | Exception], hour: str) -> StageSummary:
    """What `discover_each` found for the hour, or its error raised."""
    found = listed[hour]
    if isinstance(found, Exception):
        raise found
    return found


def _log_all(context: dg.AssetExecutionContext, evaluations: _Evaluations) -> None:
    for evaluation in evaluations:
        context.log_event(evaluation)  # type: ignore[arg-type] - accepted since 1.8, missing in the alias


def _tries_left(context: dg.AssetExecutionContext) -> int:
    policy = context.op_def.retry_policy
    return (policy.max_retries if policy else 0) - context.retry_number


def _foreseen(error: Exception) -> bool:
    return isinstance(error, UserError | LeaseLostError)


def _tried_again(error: Exception) -> bool:
    """What passes by itself, and what nobody has foreseen."""
    return worth_retrying(error) or not _foreseen(error)


def bring_up_to_date(
    context: dg.AssetExecutionContext,
    work: Callable[[str], Mapping[str, dg.MetadataValue]],
    checks: Callable[[str], _Evaluations] = lambda _: (),
    *,
    on_failure: Callable[[str, str], _Evaluations] = lambda _hour, _sentence: (),
    prepare: Callable[[Sequence[str]], None] = lambda _: None,
    stands_alone: bool = False,
) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
    """Runs ``work`` for every hour of the run, oldest first, then the hour's checks.

    An hour that fails holds up no other. If steps follow and there are good hours for them, they go on with those, and
    the last step of the run fails for the others.

    Args:
        context: of the asset's step.
        work: brings one hour up to date and returns its metadata.
        checks: evaluates checks for one hour.
        on_failure: verdicts to record for an hour that failed for good, given the sentence.
        prepare: done once for all the hours before the first.
        stands_alone: the asset takes hours that failed earlier, and later assets take hours that fail here; an hour
            that may succeed at another try is tried again before the hours after it, which lean on it.

    Yields:
        What Dagster wants of a step that succeeded. The hours' metadata and verdicts are in the context by then.

    Raises:
        StageFailure: hours failed. What the others did is in the event log by then, each under its own partition.
    """
    hours = sorted(context.partition_keys)
    problems, lacking = failed_before(context)
    todo = hours if stands_alone else [hour for hour in hours if hour not in lacking]
    good: dict[str, Mapping[str, dg.MetadataValue]] = {}
    failed: dict[str, Exception] = {}
    whole = False
    try:
        try:
            prepare(todo)
        except Exception as error:  # noqa: BLE001 - raised again below
            failed = dict.fromkeys(todo, error)
            _say(context, "all hours", error)
        for hour in todo if not failed else ():
            try:
                good[hour] = work(hour)
                _log_all(context, checks(hour))
            except Exception as error:  # noqa: BLE001 - raised again below, when the other hours are done
                good.pop(hour, None)
                failed[hour] = error
                _say(context, hour, error)
                if stands_alone and _tries_left(context) > 0 and _tried_again(error):
                    break
        whole = len(good) == len(hours) and not problems
    finally:
        # When all went well Dagster writes one materialisation per hour itself.
        for hour, metadata in good.items():
            if whole:
                context.add_asset_metadata(metadata, partition_key=hour)
            else:
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=hour, metadata=metadata))
    again = _tries_left(context) > 0 and any(_tried_again(error) for error in failed.values())
    if not again:
        for hour, error in failed.items():
            record_failure(context, hour, sentence_of(error), stands_alone=stands_alone)
            _log_all(context, on_failure(hour, sentence_of(error)))
    problems = dict(sorted((problems | {hour: sentence_of(error) for hour, error in failed.items()}).items()))
    others_go_on = steps_follow(context) and (stands_alone or bool(good))
    if problems and (again or not others_go_on):
        cause = next((error for error in failed.values() if not _foreseen(error)), None)
        raise StageFailure(problems, len(hours), again=again) from cause
    yield dg.MaterializeResult(metadata=None if whole else {WRITES_ITS_OWN: True})
    for check in context.selected_asset_check_keys:
        # The verdicts are recorded; this only tells Dagster that the check was not forgotten.
        yield dg.Output(None, output_name=context.assets_def.get_output_name_for_asset_check_key(check))


def _say(context: dg.AssetExecutionContext, hour: str, error: Exception) -> None:
    """One line for what was foreseen, the traceback as well for what was not."""
    context.log.error(f"{hour}: {sentence_of(error)}", exc_info=None if _foreseen(error) else error)
