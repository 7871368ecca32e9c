"""A tiny S3 on loopback with one object of any size, whose bytes are made as they are asked for.

Belongs here: the object's content (one stretch of log, over and over) and GetObject and HeadObject with ranges. Does
not belong here: anything else of S3; the tests have local AWS for that. It runs as a process of its own, so that its
memory is not counted with the reader's: ``python -m benchmarks.sparse_store --help``.
"""

import argparse
import base64
import gzip
import json
import random
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["BIG", "ETAG", "WARM", "Content", "make_content"]

BIG, WARM = "big", "warm"
ETAG = "0123456789abcdef0123456789abcdef-1000"  # of a multipart upload: no MD5 of the bytes
_WARM_BYTES = 4 << 20
_UNIT_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Content:
    """The stored bytes: ``head``, then ``unit`` so many times, then ``tail``; ``decoded`` bytes when decompressed."""

    head: bytes
    unit: bytes
    times: int
    tail: bytes
    decoded: int
    records: int

    def __len__(self) -> int:
        return len(self.head) + len(self.unit) * self.times + len(self.tail)

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``end``."""
        at = 0
        for piece, times in ((self.head, 1), (self.unit, self.times), (self.tail, 1)):
            first = min(max(0, start - at) // max(1, len(piece)), times)
            for number in range(first, times):
                here = at + number * len(piece)
                if here >= end:
                    return
                yield piece[max(0, start - here) : end - here]
            at += len(piece) * times

    def crc64nvme(self) -> str:
        """S3's checksum of the stored bytes."""
        from awscrt.checksums import crc64nvme

        value = crc64nvme(self.head)
        for _ in range(self.times):
            value = crc64nvme(self.unit, value)
        return base64.b64encode(crc64nvme(self.tail, value).to_bytes(8, "big")).decode()


def _flows(generator: random.Random, size: int) -> list[bytes]:
    lines = []
    while size > 0:
        source, target, port = (generator.randrange(1 << 16) for _ in range(3))
        ends = b"10.0.%d.%d 10.1.%d.%d %d" % (source >> 8, source & 255, target >> 8, target & 255, port)
        sizes = b"%d %d" % (port & 63, port << 4)
        lines.append(
            b"2 111122223333 eni-0a1b2c3d4e5f60718 %b 443 6 %b 1795442400 1795442460 ACCEPT OK\n" % (ends, sizes)
        )
        size -= len(lines[-1])
    return lines


def _events(generator: random.Random, size: int) -> list[bytes]:
    events = []
    while size > 0:
        user, number = generator.randrange(40), generator.getrandbits(128)
        event = {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "principalId": f"AIDAEXAMPLE{user:05}",
                "arn": f"arn:aws:iam::111122223333:user/u{user}",
                "accountId": "111122223333",
                "userName": f"u{user}",
            },
            "eventTime": "2026-11-23T10:00:00Z",
            "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject",
            "awsRegion": "eu-west-1",
            "sourceIPAddress": f"10.0.{user}.{number & 255}",
            "userAgent": "aws-cli/2.31",
            "requestParameters": {"bucketName": "data", "key": f"{number:032x}.parquet"},
            "responseElements": None,
            "eventID": f"{number:032x}",
            "readOnly": True,
            "eventType": "AwsApiCall",
            "recipientAccountId": "111122223333",
        }
        events.append(json.dumps(event, separators=(",", ":")).encode() + b",")
        size -= len(events[-1])
    return events


def make_content(log_format: str, container: str, decoded_bytes: int, seed: int = 7) -> Content:
    """An object of about so many decoded bytes.

    Args:
        log_format: ``vpc_flow``, or ``cloudtrail``: a single ``{"Records":[…]}``.
        container: ``none`` or ``gzip`` (a member for each unit).
        decoded_bytes: how much log, at least.
        seed: other records.
    """
    generator = random.Random(seed)  # noqa: S311 - sample data
    make = _flows if log_format == "vpc_flow" else _events
    unit = make(generator, min(_UNIT_BYTES, decoded_bytes))
    last = make(generator, 1)[0]
    body = b"".join(unit)
    if log_format == "vpc_flow":
        names = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end"
        head, tail = f"{names} action log-status\n".encode(), last
    else:
        head, tail = b'{"Records":[', last.rstrip(b",") + b"]}"
    times = -(-decoded_bytes // len(body))
    decoded, records = len(head) + len(body) * times + len(tail), len(unit) * times + 1
    if container == "gzip":
        head, body, tail = (gzip.compress(piece, 6, mtime=0) for piece in (head, body, tail))
    return Content(head, body, times, tail, decoded, records)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[Content, str]]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's word
        """Nothing is logged."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        content, checksum = self.objects.get(self.path.partition("?")[0].rpartition("/")[2], (None, ""))
        if content is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = 0, len(content)
        wanted = _RANGE.fullmatch(self.headers.get("Range") or "")
        if wanted:
            start, end = int(wanted[1]), min(end, int(wanted[2] or end) + 1)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        elif self.headers.get("x-amz-checksum-mode") == "ENABLED":
            self.send_header("x-amz-checksum-crc64nvme", checksum)
            self.send_header("x-amz-checksum-type", "FULL_OBJECT")
        self.send_header("ETag", f'"{ETAG}"')
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if with_body:
            for piece in content.pieces(start, end):
                self.wfile.write(piece)


def main() -> None:
    """Serves until standard input closes; one line of JSON on standard output says where and what."""
    parser = argparse.ArgumentParser(prog="sparse-store", description="One large generated object on loopback.")
    parser.add_argument("--format", choices=("vpc_flow", "cloudtrail"), default="vpc_flow")
    parser.add_argument("--container", choices=("none", "gzip"), default="none")
    parser.add_argument("--bytes", type=int, required=True, help="decoded bytes")
    chosen = parser.parse_args()
    contents = {
        BIG: make_content(chosen.format, chosen.container, chosen.bytes),
        WARM: make_content(chosen.format, chosen.container, _WARM_BYTES),
    }
    _Handler.objects = {key: (content, content.crc64nvme()) for key, content in contents.items()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    big = contents[BIG]
    about = {"port": server.server_port, "stored": len(big), "decoded": big.decoded, "records": big.records}
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
