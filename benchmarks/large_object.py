"""``python -m benchmarks.large_object``: the memory that one large object takes, from S3 through the parser.

Belongs here: the command and its measurement. Does not belong here: the object (``sparse_store``), speed of the whole
chain (``python -m benchmarks``). The last line is one of JSON.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.memory import forget_peak, peak, resident
from benchmarks.sparse_store import BIG, ETAG, WARM

__all__ = ["measure"]

_MIB = 1 << 20
_GB = 1_000_000_000


@contextmanager
def _store(log_format: str, container: str, decoded_bytes: int) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.sparse_store", "--format", log_format, "--container", container]
    with subprocess.Popen(  # noqa: S603 - our own module
        [*command, "--bytes", str(decoded_bytes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            if child.stdout is None:
                raise RuntimeError("the store has no output")
            line = child.stdout.readline()
            if not line:
                raise RuntimeError("the store ended before it listened")
            yield json.loads(line)
        finally:
            child.kill()


def measure(
    log_format: str, container: str, decoded_bytes: int, *, file_decoded_bytes: int, read_ahead_bytes: int
) -> dict[str, Any]:
    """Reads and parses one object and says what it took.

    Args:
        log_format: ``vpc_flow`` or ``cloudtrail``.
        container: ``none`` or ``gzip``.
        decoded_bytes: of the object.
        file_decoded_bytes: decoded input behind one frame.
        read_ahead_bytes: stored bytes that may wait for the parser.

    Returns:
        Figures by name; memory in MiB. ``imports_mib`` is held once a small object has passed, ``over_imports_mib``
        the peak above that.
    """
    from s3sentinel_assets.config import AwsAccess
    from s3sentinel_assets.formats import ObjectInput, PartParser
    from s3sentinel_assets.s3.reader import ReadFacts, open_object, read_ahead
    from s3sentinel_assets.s3.session import s3_client

    with _store(log_format, container, decoded_bytes) as store, tempfile.TemporaryDirectory() as folder:
        credentials = Path(folder) / "credentials"
        credentials.write_text("[default]\naws_access_key_id=local\naws_secret_access_key=local\n", encoding="ascii")
        access = AwsAccess(endpoint_url=f"http://127.0.0.1:{store['port']}", credentials_file=credentials)

        def read(key: str) -> tuple[Any, ReadFacts, int]:
            parser, facts, frames = PartParser("auto", file_decoded_bytes=file_decoded_bytes), ReadFacts(), 0

            def opened() -> Iterator[bytes]:
                return open_object(s3_client(access), "bucket", key, ETAG, access=access, facts=facts)

            with read_ahead([opened], bytes_bound=read_ahead_bytes) as streams:
                for frame in parser.frames(ObjectInput(0, key, "0" * 20, stream) for stream in streams):
                    frames += 1
                    del frame  # or it would be held while the next one is made
            return parser.reports[0], facts, frames

        read(WARM)
        gc.collect()
        baseline = resident()
        forget_peak()
        wall, cpu = time.monotonic(), time.process_time()
        report, facts, frames = read(BIG)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        highest = peak()
    if (report.state, report.rows, report.raw_bytes) != ("read", store["records"], store["stored"]):
        raise RuntimeError(f"the object was not read whole: {report}")
    return {
        "format": log_format,
        "container": container,
        "stored_bytes": report.raw_bytes,
        "decoded_bytes": report.decoded_bytes,
        "rows": report.rows,
        "frames": frames,
        "checked_by": facts.checked_by,
        "imports_mib": round(baseline / _MIB),
        "peak_mib": round(highest / _MIB),
        "over_imports_mib": round((highest - baseline) / _MIB),
        "seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "mb_per_second": round(report.decoded_bytes / wall / 1_000_000),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_object", description="Memory of a large object.")
    parser.add_argument("--gigabytes", type=float, default=2, help="decoded size (default 2)")
    parser.add_argument("--format", choices=("vpc_flow", "cloudtrail"), default="vpc_flow")
    parser.add_argument("--container", choices=("none", "gzip"), default="none")
    parser.add_argument("--frame-mib", type=int, default=128, help="decoded input behind a frame (default 128)")
    parser.add_argument("--ahead-mib", type=int, default=64, help="read ahead of the parser (default 64)")
    chosen = parser.parse_args()
    if min(chosen.gigabytes, chosen.frame_mib, chosen.ahead_mib) <= 0:
        parser.error("sizes must be above 0")
    figures = measure(
        chosen.format,
        chosen.container,
        round(chosen.gigabytes * _GB),
        file_decoded_bytes=chosen.frame_mib * _MIB,
        read_ahead_bytes=chosen.ahead_mib * _MIB,
    )
    sys.stdout.write(f"large_object: {json.dumps(figures, separators=(',', ':'))}\n")


if __name__ == "__main__":
    main()
