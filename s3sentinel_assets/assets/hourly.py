"""How an asset works through the hours of a run: each on its own, good ones recorded before a failure is raised.

Belongs here: the loop, per-hour events, and which failures are worth another try. Does not belong here: what a stage
does (``pipeline``) or what is shown (`assets.metadata`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import dagster as dg

from s3sentinel_assets.errors import LeaseLostError, UserError

__all__ = ["RETRY_POLICY", "StageFailure", "bring_up_to_date", "worth_retrying"]

#: For what passes by itself; the stages' own retries (requests, uploads) come first.
RETRY_POLICY = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

# By name, so that neither botocore nor SQLAlchemy nor azure need be imported to load the definitions.
_PASSING = frozenset(
    {
        "ConnectionError",
        "TimeoutError",
        "HTTPClientError",
        "ResponseStreamingError",
        "ServiceRequestError",
        "ServiceResponseError",
        "OperationalError",
    }
)
# Their base classes are in the set above, and yet waiting does not mend them.
_LASTING = frozenset({"SSLError", "ProxyConnectionError"})


class StageFailure(dg.Failure):
    """A failure whose text is one sentence for the user."""


def worth_retrying(error: BaseException | None) -> bool:
    """Whether the error behind the sentence is of the kind that passes: connection, time-out, a locked database."""
    while error is not None:
        names = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, LeaseLostError) or (names & _PASSING and not names & _LASTING):
            return True
        error = error.__cause__ or error.__context__
    return False


def _failure(failed: Mapping[str, Exception], hours: int) -> StageFailure:
    hour, error = next(iter(failed.items()))
    sentence = str(error) if hours == 1 else f"{len(failed)} of {hours} hours failed; {hour}: {error}"
    return StageFailure(
        sentence,
        metadata={hour: str(error) for hour, error in failed.items()},
        allow_retries=any(worth_retrying(error) for error in failed.values()),
    )


def bring_up_to_date(
    context: dg.AssetExecutionContext,
    work: Callable[[str], Mapping[str, dg.MetadataValue]],
    checks: Callable[[str], Iterable[dg.AssetCheckEvaluation]] = lambda _: (),
    *,
    prepare: Callable[[Sequence[str]], None] = lambda _: None,
) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
    """Runs ``work`` for every hour of the run, oldest first, then the hour's checks.

    Args:
        context: of the asset's step.
        work: brings one hour up to date and returns its metadata.
        checks: evaluates the asset's checks for one hour.
        prepare: done once for all the hours before the first.

    Yields:
        What Dagster wants of a step that succeeded. The hours' metadata and verdicts are in the context by then.

    Raises:
        StageFailure: hours failed. What the others did is in the event log by then, each under its own partition.
    """
    hours = sorted(context.partition_keys)
    good: dict[str, Mapping[str, dg.MetadataValue]] = {}
    failed: dict[str, Exception] = {}
    whole = False
    try:
        try:
            prepare(hours)
        except (UserError, LeaseLostError) as error:
            raise _failure({hours[0]: error}, 1) from None
        for hour in hours:
            try:
                good[hour] = work(hour)
                for evaluation in checks(hour):
                    context.log_event(evaluation)  # type: ignore[arg-type] - accepted since 1.8, missing in the alias
            except (UserError, LeaseLostError) as error:
                good.pop(hour, None)
                failed[hour] = error
                context.log.warning(f"{hour}: {error}")
        whole = not failed
    finally:
        # When the step succeeds Dagster writes one materialisation per hour itself; when it does not, it writes none.
        for hour, metadata in good.items():
            if whole:
                context.add_asset_metadata(metadata, partition_key=hour)
            else:
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=hour, metadata=metadata))
    if failed:
        raise _failure(failed, len(hours)) from None
    yield dg.MaterializeResult()
    for check in context.selected_asset_check_keys:
        # The verdicts are recorded; this only tells Dagster that the check was not forgotten.
        yield dg.Output(None, output_name=context.assets_def.get_output_name_for_asset_check_key(check))
