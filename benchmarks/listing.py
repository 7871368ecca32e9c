"""A listing of millions of keys: cost per key and memory, against a simulated bucket.

Belongs here: the simulated paginator, both passes (all new, all known), and the figures. Does not belong here: the
product's own listing and ledger, which are measured as they are.

Run: ``python -m benchmarks.listing --keys 3000000``. The last line is JSON.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from s3sentinel_assets.config import Config
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.pipeline import discovery
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["SimulatedBucket", "main"]

_DAY = datetime(2026, 11, 20, tzinfo=UTC)
_PAGE = 1_000
_TEMPLATE = "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
_FOLDER = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/20/"


class SimulatedBucket:
    """Answers ``list_objects_v2`` pages as S3 does, one page of 1,000 keys in memory at a time."""

    def __init__(self, keys: int) -> None:
        self.keys = keys

    def get_paginator(self, _name: str) -> "SimulatedBucket":
        """Stands in for boto3's paginator factory."""
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        """The pages of one request."""
        prefix = request["Prefix"]
        if request.get("Delimiter"):
            if _FOLDER.startswith(prefix):
                rest = _FOLDER[len(prefix) :]
                yield {"CommonPrefixes": [{"Prefix": prefix + rest[: rest.index("/") + 1]}]}
            return
        if not _FOLDER.startswith(prefix) and not prefix.startswith(_FOLDER):
            return
        for first in range(0, self.keys, _PAGE):
            yield {"Contents": [self._entry(number) for number in range(first, min(first + _PAGE, self.keys))]}

    def _entry(self, number: int) -> dict[str, Any]:
        at = _DAY + timedelta(seconds=86_400 * number // self.keys)
        return {
            "Key": f"{_FOLDER}111122223333_CloudTrail_us-east-1_{at:%Y%m%dT%H%MZ}_{number:016x}.json.gz",
            "ETag": f'"{number:032x}"',
            "Size": 20_000,
            "LastModified": at,
            "StorageClass": "STANDARD",
        }


class _Simulated(Runtime):
    def __init__(self, config: Config, bucket: SimulatedBucket) -> None:
        super().__init__(config)
        self._bucket = bucket

    def s3(self, source: str) -> Any:  # noqa: ARG002 - one bucket for all
        return self._bucket


def _config(folder: Path) -> Config:
    return Config(
        data_dir=folder,
        start=_DAY,
        sentinel={  # type: ignore[arg-type] - pydantic builds the section
            "ingestion_endpoint": "https://127.0.0.1:1",
            "workspace_id": "00000000-0000-4000-8000-000000000001",
            "dcr_id": "dcr-1",
        },
        sources={"cloudtrail": {"bucket": "logs", "prefix": _TEMPLATE, "format": "cloudtrail"}},  # type: ignore[dict-item]
    )


def _resident() -> float:
    """MiB that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class _Peak:
    """The most memory seen while objects pass by."""

    def __init__(self) -> None:
        self.most = 0.0

    def watch(self, entries: Iterator[Any]) -> Iterator[Any]:
        for number, entry in enumerate(entries):
            if number % 20_000 == 0:
                self.most = max(self.most, _resident())
            yield entry


def measure(keys: int) -> dict[str, Any]:
    """Both passes over a bucket of so many keys.

    Returns:
        Seconds and microseconds per key of each pass, and MiB before, at most, and after.
    """
    bucket, peak = SimulatedBucket(keys), _Peak()
    first, last = hour_key(_DAY), hour_key(_DAY + timedelta(hours=23))
    figures: dict[str, Any] = {"keys": keys}
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(_Simulated(_config(Path(folder)), bucket)) as run:
        discovery.list_into_ledger(_Simulated(_config(Path(folder)), SimulatedBucket(2_000)), "cloudtrail", first, last)
        figures["mib_before"] = round(_resident(), 1)
        began = time.perf_counter()
        produced = sum(1 for _ in bucket.paginate(Prefix=_FOLDER) for _ in _["Contents"])
        figures["us_simulating"] = round((time.perf_counter() - began) / produced * 1e6, 2)
        listed = discovery.listed_objects
        discovery.listed_objects = lambda *a, **k: peak.watch(listed(*a, **k))
        try:
            for name in ("new", "known"):
                began = time.perf_counter()
                recorded = discovery.list_into_ledger(run, "cloudtrail", first, last).recorded
                seconds = time.perf_counter() - began
                seen = sum(tally.objects for tally in recorded.tallies.values())
                figures[name] = {"seen": seen, "seconds": round(seconds, 1), "us_a_key": round(seconds / keys * 1e6, 1)}
        finally:
            discovery.listed_objects = listed
        figures["mib_most"] = round(max(peak.most, _resident()), 1)
    return figures


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keys", type=int, default=3_000_000)
    figures = measure(parser.parse_args().keys)
    sys.stdout.write("listing: " + json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
