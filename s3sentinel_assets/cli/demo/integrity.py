"""CloudTrail's digests in the demo: put next to the log files, and afterwards held against what was found.

Belongs here: what the demo says about integrity and how it is counted. Does not belong here: making digests
(``local.generator``) or judging them (``pipeline``).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from s3sentinel_assets.hours import hour_end, hour_start

if TYPE_CHECKING:
    from s3sentinel_assets.local.aws import LocalAws
    from s3sentinel_assets.local.generator import DigestObject, Scenario, SeedObject
    from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["DemoDigests", "IntegrityResult", "count_integrity"]

_SOURCE = "cloudtrail"
_ROWS = "AWSCloudTrail | summarize Rows = count() by Status = IntegrityStatus_CF"


@dataclass
class IntegrityResult:
    """What the ledger and the workspace say of the integrity of the demo's log files.

    Attributes:
        digests: digest files by state.
        files: log files by status.
        rows: rows of the workspace by ``IntegrityStatus_CF``.
        exceptions: of each log file that is not verified its key, why, and the generator's note if that is on purpose.
        problems: what does not agree with what was made, one sentence each.
    """

    digests: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    exceptions: list[tuple[str, str, str | None]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class DemoDigests:
    """Makes and signs the digests of a scenario; the key is made here and forgotten with this object.

    Args:
        aws: where CloudTrail lists the public key from now on.
        scenario: the scenario.
        bucket: where log files and digests lie.
    """

    def __init__(self, aws: "LocalAws", scenario: "Scenario", bucket: str) -> None:
        from s3sentinel_assets.local.generator import SigningKey

        self._scenario = scenario
        self._bucket = bucket
        self._signer = SigningKey()
        self.made: list[DigestObject] = []
        self.logs: list[SeedObject] = []
        aws.set_public_keys(self._signer.public_keys(hour_start(scenario.hours[-1])))

    def hourly(self, logs: "Sequence[SeedObject]") -> "list[DigestObject]":
        """The digests of every hour."""
        from s3sentinel_assets.local.generator import hourly_digests

        return self._keep(logs, hourly_digests(logs, self._scenario.hours, self._bucket, self._signer))

    def late(self, logs: "Sequence[SeedObject]") -> "list[DigestObject]":
        """The digests that come with late log files."""
        from s3sentinel_assets.local.generator import backfill_digests

        return self._keep(logs, backfill_digests(logs, self._scenario.hours, self._bucket, self._signer))

    def _keep(self, logs: "Sequence[SeedObject]", digests: "list[DigestObject]") -> "list[DigestObject]":
        self.logs += [item for item in logs if item.source == _SOURCE]
        self.made += digests
        return digests


def count_integrity(runtime: "Runtime", scenario: "Scenario", digests: DemoDigests) -> IntegrityResult:
    """Asks ledger and workspace, and holds the answers against what was made.

    Args:
        runtime: the runtime.
        scenario: the scenario.
        digests: what was put into the bucket.
    """
    import sqlalchemy as sa

    from s3sentinel_assets.ledger.digests import count_digests
    from s3sentinel_assets.ledger.engine import to_micros
    from s3sentinel_assets.ledger.schema import DigestState, Integrity, objects
    from s3sentinel_assets.local.generator import is_listed
    from s3sentinel_assets.pipeline.integrity import hour_integrity

    result = IntegrityResult()
    first, last = hour_start(scenario.hours[0]), hour_end(scenario.hours[-1]) + timedelta(hours=1)
    with runtime.ledger.read() as connection:
        found = count_digests(connection, _SOURCE, to_micros(first), to_micros(last))
        rows = connection.execute(
            sa.select(objects.c.key, objects.c.integrity, objects.c.integrity_note)
            .where(objects.c.source == _SOURCE, objects.c.integrity.is_distinct_from(Integrity.VERIFIED.value))
            .order_by(objects.c.key)
        ).all()
    result.digests.update({state.value: count for state, count in found.items()})
    for hour in scenario.hours:
        account = hour_integrity(runtime, _SOURCE, hour)
        result.files.update({str(status or "not judged"): count for status, count in account.objects.items()})
        result.problems += account.problems
    result.rows.update({row["Status"] or "none": row["Rows"] for row in runtime.query.run(_ROWS)})

    wanted = {item.key for item in digests.logs if is_listed(item)}
    purpose = {item.key: item.note for item in digests.logs if item.key not in wanted}
    result.exceptions = [
        (row.key, row.integrity_note or row.integrity or "nobody judged it", purpose.get(row.key)) for row in rows
    ]
    if result.digests != Counter({DigestState.VERIFIED.value: len(digests.made)}):
        result.problems.append(f"{len(digests.made)} digests were made; found are {dict(result.digests)}")
    if result.files[Integrity.VERIFIED.value] != len(wanted) or {row.key for row in rows} != set(purpose):
        result.problems.append(f"{len(wanted)} log files are in digests; found are {dict(result.files)}")
    delivered = sum(item.events for item in digests.logs if item.key in wanted)
    if result.rows != Counter({Integrity.VERIFIED.value: delivered}):
        result.problems.append(f"{delivered} rows are of verified log files; the workspace holds {dict(result.rows)}")
    return result
