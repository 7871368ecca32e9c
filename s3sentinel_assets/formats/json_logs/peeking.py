"""A look at the first records of content: their own keys, and nothing deeper.

Belongs here: reading top-level keys from bytes that may end anywhere, for detection. What stands deeper in a record is
often written by whoever made the request: it must not decide what format a file is.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from s3sentinel_assets.formats.json_logs.scan import skip, value_end
from s3sentinel_assets.formats.json_logs.walk import BOM
from s3sentinel_assets.formats.model import Verdict

__all__ = ["count_keys", "judge", "looks_like_json", "peek"]

_RECORDS = 3
_KEYS = 200


def looks_like_json(head: bytes) -> bool:
    """Whether content begins with an object or an array."""
    return head.removeprefix(BOM).lstrip()[:1] in (b"{", b"[")


@functools.lru_cache(maxsize=128)
def peek(head: bytes, wrappers: tuple[str, ...] = ()) -> Sequence[Mapping[str, bytes]]:
    """The first records' own members: key → JSON text, of the last member perhaps only a beginning.

    Args:
        head: content's first bytes.
        wrappers: keys whose array holds the records; an object without one of them is a record itself.

    Returns:
        Up to three records; none when the content is no JSON.
    """
    found: list[Mapping[str, bytes]] = []
    at = skip(head, len(BOM) if head.startswith(BOM) else 0)
    if head[at : at + 1] == b"[":
        at = skip(head, at + 1)
    while len(found) < _RECORDS and head[at : at + 1] == b"{":
        members, at = _members(head, at)
        wrapper = next((name for name in wrappers if members.get(name, b"").startswith(b"[")), None)
        if wrapper is not None:
            found += peek(members[wrapper])
        else:
            found.append(members)
        while head[at : at + 1] in (b",", b" ", b"\n", b"\r", b"\t"):
            at += 1
    return found[:_RECORDS]


@functools.lru_cache(maxsize=32)  # all formats look at the same head, each with its own wrappers
def _members(head: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """The members of the object at ``at``, and the position behind it or where reading it ended."""
    members: dict[str, bytes] = {}
    position = skip(head, at + 1)
    while len(members) < _KEYS and head[position : position + 1] == b'"':
        end = value_end(head, position, final=False)
        if end < 0:
            break
        try:
            name = msgspec.json.decode(head[position:end], type=str)
        except ValueError:
            break
        position = skip(head, end)
        if head[position : position + 1] != b":":
            break
        position = skip(head, position + 1)
        if position >= len(head):
            break
        end = value_end(head, position, final=False)
        members[name] = head[position : end if end >= 0 else len(head)]
        if end < 0:
            return members, len(head)
        position = skip(head, end)
        if head[position : position + 1] == b",":
            position = skip(head, position + 1)
    if head[position : position + 1] == b"}":
        position += 1
    return members, position


def count_keys(head: bytes, keys: Iterable[str], wrappers: tuple[str, ...] = ()) -> int:
    """How many of ``keys`` the richest of the first records has as its own."""
    wanted = set(keys)
    return max((len(wanted & record.keys()) for record in peek(head, wrappers)), default=0)


def judge(head: bytes, keys: Sequence[str], enough: int, wrappers: tuple[str, ...], title: str) -> Verdict:
    """A verdict by keys.

    Args:
        head: content's first bytes.
        keys: that records of the format have.
        enough: with so many of them a record is surely one of the format.
        wrappers: as for `peek`.
        title: of the format.

    Returns:
        0.6 to 0.95 when some or all of the first records surely are of the format; 0.4 when one has half as many keys.
    """
    if not looks_like_json(head):
        return Verdict(0.0, "it is not JSON")
    wanted = set(keys)
    counts = [len(wanted & record.keys()) for record in peek(head, wrappers)] or [0]
    most = max(counts)
    if most >= enough:
        share = sum(count >= enough for count in counts) / len(counts)
        return Verdict(0.6 + 0.35 * share, f"JSON with {most} of the keys of {title}")
    if 2 * most >= enough:
        return Verdict(0.4, f"JSON with {most} of the keys of {title}")
    return Verdict(0.05 if most else 0.02, f"it is JSON without the keys of {title}")
