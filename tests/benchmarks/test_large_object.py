"""The memory of one large object: the command as a user runs it, and the store that makes the object up."""

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from awscrt.checksums import crc64nvme
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sparse_store import Content, make_content

ROOT = Path(__file__).resolve().parent.parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.large_object", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def figures_of(gigabytes: float, *arguments: str) -> dict:
    done = command("--gigabytes", str(gigabytes), "--frame-mib", "2", "--ahead-mib", "2", *arguments)
    assert done.returncode == 0, done.stderr
    name, _, rest = done.stdout.splitlines()[-1].partition(": ")
    assert name == "large_object"
    return json.loads(rest)


@linux
@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["vpc_flow", "cloudtrail"])
@pytest.mark.parametrize("container", ["none", "gzip"])
def test_memory_does_not_grow_with_the_object(log_format, container):
    small, large = (figures_of(size, "--format", log_format, "--container", container) for size in (0.024, 0.096))
    assert large["decoded_bytes"] >= 96_000_000
    assert large["rows"] > 3.5 * small["rows"]
    assert large["checked_by"] == "crc64nvme"
    grown = large["over_imports_mib"] - small["over_imports_mib"]
    assert grown < 36  # of 69 MiB more; 14 to 21 by itself, and what the allocator keeps under load


def test_wrong_sizes_are_one_clear_line():
    done = command("--gigabytes", "0")
    assert done.returncode == 2
    assert "must be above 0" in done.stderr


@given(
    st.binary(max_size=9),
    st.binary(min_size=1, max_size=9),
    st.integers(0, 9),
    st.binary(max_size=9),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_any_range_of_the_made_up_object_is_right(head, unit, times, tail, start, length):
    content = Content(head, unit, times, tail, 0, 0)
    whole = head + unit * times + tail
    assert len(content) == len(whole)
    end = min(start + length, len(whole))
    assert b"".join(content.pieces(start, end)) == whole[start:end]
    assert content.crc64nvme() == base64.b64encode(crc64nvme(whole).to_bytes(8, "big")).decode()


@pytest.mark.parametrize("log_format", ["vpc_flow", "cloudtrail"])
@pytest.mark.parametrize("container", ["none", "gzip"])
def test_the_made_up_object_is_what_it_says(log_format, container):
    content = make_content(log_format, container, 3_000_000)
    stored = b"".join(content.pieces(0, len(content)))
    decoded = gzip.decompress(stored) if container == "gzip" else stored
    assert len(decoded) == content.decoded >= 3_000_000
    found = len(json.loads(decoded)["Records"]) if log_format == "cloudtrail" else decoded.count(b"\n") - 1
    assert found == content.records
