"""Hours that failed: which are worth another try, and how the later steps of a run learn of them.

Belongs here: the sentence of a failure, its trace in the event log, and reading that trace. Does not belong here: the
loop over the hours (`assets.hourly`).

Dagster skips everything behind a step that failed, for all hours of the run. So a step that has good hours as well
ends green, leaves an observation for each hour that failed, and the run's last step fails with all of them.
"""

from collections.abc import Mapping

import dagster as dg

from s3sentinel_assets.errors import LeaseLostError, UserError

__all__ = ["StageFailure", "failed_before", "record_failure", "sentence_of", "steps_follow", "worth_retrying"]

_FAILED = "failed"
_STANDS_ALONE = "others_go_on"
_SHOWN = 3

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
    """A failure whose text is for the user: one sentence an hour, each hour once more in the metadata."""

    def __init__(self, problems: Mapping[str, str], hours: int, *, again: bool) -> None:
        super().__init__(_in_words(problems, hours), metadata=dict(problems), allow_retries=again)


def _in_words(problems: Mapping[str, str], hours: int) -> str:
    if len(problems) == hours and len(set(problems.values())) == 1:
        return next(iter(problems.values()))
    shown = [f"{hour}: {sentence}" for hour, sentence in list(problems.items())[:_SHOWN]]
    if others := list(problems)[_SHOWN:]:
        shown.append(f"also {', '.join(others)}")
    return f"{len(problems)} of {hours} hours failed; {'; '.join(shown)}"


def sentence_of(error: Exception) -> str:
    """The error's own sentence where it was written for the user, else its type and first line."""
    if isinstance(error, UserError | LeaseLostError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]


def worth_retrying(error: BaseException | None) -> bool:
    """Whether the error behind the sentence is of the kind that passes: connection, time-out, a locked database."""
    while error is not None:
        names = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, LeaseLostError) or (names & _PASSING and not names & _LASTING):
            return True
        error = error.__cause__ or error.__context__
    return False


def steps_follow(context: dg.AssetExecutionContext) -> bool:
    """Whether another step of this run waits for this one."""
    step = context.get_step_execution_context()
    return any(step.step.key in waits_for for waits_for in step.execution_plan.get_executable_step_deps().values())


def record_failure(context: dg.AssetExecutionContext, hour: str, sentence: str, *, stands_alone: bool) -> None:
    """Leaves the failure of an hour in the event log, beside the asset's other events of that hour.

    Args:
        context: of the step that failed for the hour.
        hour: the hour.
        sentence: what went wrong.
        stands_alone: whether later steps can do without what is missing now.
    """
    metadata = {_FAILED: sentence, _STANDS_ALONE: stands_alone}
    context.log_event(
        dg.AssetObservation(context.asset_key, partition=hour, description=f"failed: {sentence}", metadata=metadata)
    )


def failed_before(context: dg.AssetExecutionContext) -> tuple[dict[str, str], set[str]]:
    """What failed in earlier steps of this run, or in steps of the run it repeats that are not done again.

    Returns:
        Hour → asset and sentence; and the hours among them that this step cannot take.
    """
    hours, instance = set(context.partition_keys), context.instance
    problems: dict[str, str] = {}
    lacking: set[str] = set()
    done_again: set[str] = set()
    run: dg.DagsterRun | None = context.run
    while run is not None:
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION):
            event = entry.get_dagster_event()
            seen = event.asset_observation_data.asset_observation
            failed = seen.metadata.get(_FAILED)
            if failed is None or seen.partition not in hours or event.step_key in done_again:
                continue
            problems.setdefault(seen.partition, f"{seen.asset_key.path[-1]}: {failed.value}")
            if not seen.metadata[_STANDS_ALONE].value:
                lacking.add(seen.partition)
        steps = context.get_step_execution_context().execution_plan.step_keys_to_execute
        done_again |= set(steps if run is context.run else run.step_keys_to_execute or ())
        whole = run is not context.run and not run.step_keys_to_execute
        run = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id and not whole else None
    return problems, lacking
