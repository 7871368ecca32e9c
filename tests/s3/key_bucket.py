"""A bucket that is nothing but keys: answers ListObjectsV2 as S3 does, and notes what it was asked."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

STAMP = datetime(2026, 11, 3, tzinfo=UTC)


class KeyBucket:
    """Keys in order of their UTF-8 bytes; pages of any size; Prefix, StartAfter and Delimiter as S3 has them.

    ``on_request`` is called with the parameters of each page's request, before it is answered. With
    ``knows_start_after=False`` it is a stand-in that ignores where to start.
    """

    def __init__(self, keys: Iterable[str], page: int = 1000, *, knows_start_after: bool = True) -> None:
        self.keys = sorted(set(keys), key=lambda key: key.encode())
        self.page, self.knows_start_after = page, knows_start_after
        self.asked: list[dict[str, Any]] = []
        self.on_request = lambda _: None

    def get_paginator(self, name: str) -> "KeyBucket":
        assert name == "list_objects_v2"
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        prefix, after, delimiter = asked.get("Prefix", ""), asked.get("StartAfter", ""), asked.get("Delimiter")
        after.encode()  # what is no text at all cannot be sent
        found: dict[tuple[str, bool], None] = {}
        for key in self.keys:
            if not key.startswith(prefix) or (self.knows_start_after and key.encode() <= after.encode()):
                continue
            name, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            found[(prefix + name + cut, True) if cut else (key, False)] = None
        entries = list(found)
        for number in range(0, max(len(entries), 1), self.page):
            self.asked.append(asked | {"page": number // self.page})
            self.on_request(asked)
            page = entries[number : number + self.page]
            yield {
                "CommonPrefixes": [{"Prefix": name} for name, folder in page if folder],
                "Contents": [
                    {"Key": name, "ETag": '"e"', "Size": 1, "LastModified": STAMP}
                    for name, folder in page
                    if not folder
                ],
                "IsTruncated": number + self.page < len(entries),
            }

    @property
    def prefixes(self) -> list[str]:
        """The prefixes that were listed, one for each request."""
        return [asked["Prefix"] for asked in self.asked]
