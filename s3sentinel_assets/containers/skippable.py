"""Skippable frames, which zstd and lz4 have in common (RFC 8878, section 3.1.2): user data that is no content.

Belongs here: recognising and passing over them.
"""

from collections.abc import Callable

from s3sentinel_assets.containers.errors import TruncatedContainer
from s3sentinel_assets.containers.source import Source

__all__ = ["SKIPPABLE_MAGICS", "behind_skippable", "skip_frame"]

SKIPPABLE_MAGICS = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))
_HEADER = 8
_LOOK_AHEAD = 256 << 10


def behind_skippable(peek: Callable[[int], bytes]) -> bytes | None:
    """The four bytes behind any skippable frames at the start; None if they lie too far ahead.

    Args:
        peek: gives up to so many first bytes.
    """
    at = 0
    while at < _LOOK_AHEAD:
        head = peek(at + _HEADER)[at:]
        if not head.startswith(SKIPPABLE_MAGICS):
            return head[:4]
        if len(head) < _HEADER:
            return b""
        at += _HEADER + int.from_bytes(head[4:], "little")
    return None


def skip_frame(source: Source, kind: str) -> None:
    """Passes over the skippable frame at which ``source`` stands.

    Raises:
        TruncatedContainer: ``truncated_<kind>``.
    """
    if not source.fill(_HEADER) or not source.skip(int.from_bytes(source.take(_HEADER)[4:], "little")):
        raise TruncatedContainer(f"truncated_{kind}", f"the {kind} stream stops inside a skippable frame")
