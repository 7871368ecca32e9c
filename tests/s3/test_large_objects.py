"""Large objects from S3 through the parser: broken off, refused or damaged half-way, nothing of them goes out."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.formats import ObjectInput, PartParser
from s3sentinel_assets.formats.cloudtrail.parser import CloudTrailParser
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.reader import WHOLE_BYTES, Breaker, open_object

RECORDS = [
    {
        "eventVersion": "1.08",
        "eventTime": "2026-11-23T10:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "eventID": f"e-{number}",
        "userAgent": "GOOD" + "x" * 700,
    }
    for number in range(8_000)
]
LARGE = json.dumps({"Records": RECORDS}).encode()
SMALL = json.dumps({"Records": RECORDS[:3]}).encode()


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are handed out long before the end."""
    monkeypatch.setattr(CloudTrailParser.__init__, "__kwdefaults__", {"window": 1 << 20})


@pytest.fixture
def etags(bucket) -> dict[str, str]:
    assert len(LARGE) > WHOLE_BYTES + (1 << 20)
    return {key: bucket.put(key, body) for key, body in (("a", SMALL), ("big", LARGE), ("z", SMALL))}


def read(bucket, etags: dict[str, str], client=None, breaker=None) -> tuple[PartParser, dict[str, int]]:
    """The parser, and the rows of each object that may be used."""
    keys = list(etags)

    def opened(key: str) -> Iterator[bytes]:
        return open_object(client or bucket.client, bucket.name, key, etags[key], access=bucket.access, breaker=breaker)

    parser = PartParser("auto", file_decoded_bytes=1 << 20)
    rows = dict.fromkeys(keys, 0)
    for frame in parser.frames(
        ObjectInput(number, key, f"{number:016x}", lambda key=key: opened(key)) for number, key in enumerate(keys)
    ):
        for number, count in frame.rows["_object"].value_counts().iter_rows():
            rows[keys[number]] += count
    return parser, {key: 0 if number in parser.discarded else rows[key] for number, key in enumerate(keys)}


@pytest.mark.parametrize(
    ("then", "state", "words"),
    [
        (Fault("internal_error", keys="big"), "broken", "internal error"),
        (Fault("access_denied", keys="big"), "denied", "access is denied"),
        (Fault("kms_disabled", keys="big"), "kms_denied", "enable it"),
        (Fault("archived", keys="big"), "archived", "restore it"),
        (Fault("slow_down", keys="big"), "throttled", "throttles"),
        (Fault("broken_body", keys="big", after_bytes=0), "broken", "breaks off at byte"),
        (Fault("range_ignored", keys="big"), "broken", "ignores the Range header"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_an_object_that_breaks_off_for_good_counts_nothing_and_is_read_whole_later(
    bucket, etags, local_aws: LocalAws, then, state, words
) -> None:
    local_aws.set_faults(Fault("broken_body", keys="big", after_bytes=WHOLE_BYTES + 77, times=1), then)
    parser, rows = read(bucket, etags)
    assert rows == {"a": 3, "big": 0, "z": 3}
    assert parser.discarded == {1}
    report = parser.reports[1]
    assert (report.state, report.records) == (state, 0)
    assert words in (report.note or "")
    assert parser.rejects.is_empty()
    local_aws.set_faults()
    parser, rows = read(bucket, etags)
    assert (rows["big"], parser.discarded) == (8_000, set())


def test_several_throttled_objects_fail_the_attempt(bucket, etags, local_aws: LocalAws) -> None:
    local_aws.set_faults(Fault("slow_down", keys="[az]"))
    breaker = Breaker(2)
    _, rows = read(bucket, etags, breaker=breaker)  # big between them is served
    assert rows == {"a": 0, "big": 8_000, "z": 0}
    local_aws.set_faults(Fault("slow_down"))
    with pytest.raises(UserError, match="throttles"):
        read(bucket, etags, breaker=breaker)


def test_a_connection_that_breaks_once_loses_and_repeats_nothing(bucket, etags, local_aws: LocalAws) -> None:
    local_aws.set_faults(Fault("broken_body", keys="big", after_bytes=WHOLE_BYTES + 77, times=1))
    parser, rows = read(bucket, etags)
    assert (rows["big"], parser.reports[1].state, parser.discarded) == (8_000, "read", set())


class Damaging:
    """A client that changes the bytes of one key on the way."""

    def __init__(self, client, key: str) -> None:
        self.client, self.key = client, key

    def get_object(self, **request):
        response = self.client.get_object(**request)
        if request["Key"] == self.key:
            response["Body"] = DamagedBody(response["Body"])
        return response


class DamagedBody:
    """A body with other words in it."""

    def __init__(self, body) -> None:
        self.body = body

    def read(self, size: int) -> bytes:
        return self.body.read(size).replace(b"GOOD", b"EVIL")

    def close(self) -> None:
        self.body.close()


def test_nothing_of_a_damaged_object_is_used(bucket, etags) -> None:
    parser, rows = read(bucket, etags, Damaging(bucket.client, "big"))
    assert rows == {"a": 3, "big": 0, "z": 3}
    assert parser.reports[1].state == "broken"
    assert "S3's checksum is" in (parser.reports[1].note or "")


def test_damage_of_a_large_object_is_told_after_the_last_byte(bucket, etags) -> None:
    stream = open_object(Damaging(bucket.client, "big"), bucket.name, "big", etags["big"], access=bucket.access)
    size = 0
    with pytest.raises(ReadFailure, match="the CRC32 is") as caught:
        for chunk in stream:
            size += len(chunk)
    assert (size, caught.value.state) == (len(LARGE), "broken")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.slow
def test_cloudtrail_150_mb_single_array_in_bounded_memory() -> None:
    """One ``{"Records":[…]}`` of 150 MB on one line; in a process of its own, whose memory is counted."""
    options = ["--gigabytes", "0.15", "--format", "cloudtrail", "--frame-mib", "8", "--ahead-mib", "8"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.large_object", *options],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parent.parent.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1].partition(": ")[2])
    assert figures["decoded_bytes"] >= 150_000_000
    assert figures["rows"] > 250_000
    assert figures["over_imports_mib"] < 143  # less than the text alone
