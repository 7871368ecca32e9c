"""Bounds on decoding, checked while the bytes stream.

Belongs here: the one guard that the output of every container passes through.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from s3sentinel_assets.containers.errors import LimitExceeded

__all__ = ["RATIO_FLOOR_BYTES", "Limits"]

#: Below this many decoded bytes no ratio is judged: a few hundred stored bytes of a quiet log may well decode 500 to 1.
RATIO_FLOOR_BYTES = 1 << 20


class Limits:
    """The limits of one object. What each depth of containers gives is held against the bytes stored in S3."""

    def __init__(self, *, ratio: int, size: int) -> None:
        """Takes the limits.

        Args:
            ratio: decoded bytes allowed per stored byte.
            size: decoded bytes allowed in all.
        """
        self._ratio = ratio
        self._size = size
        self._stored = 0
        self._totals: defaultdict[int, int] = defaultdict(int)

    def stored(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Passes stored bytes on and counts them."""
        for chunk in chunks:
            self._stored += len(chunk)
            if chunk:
                yield chunk

    def guard(self, pieces: Iterable[bytes], depth: int) -> Iterator[bytes]:
        """Passes decoded bytes on until a limit is reached.

        Args:
            pieces: decoded bytes.
            depth: containers around them; the totals of each depth count together.

        Raises:
            LimitExceeded: ``too_many_bytes`` or ``decompression_bomb``; nothing past the limit was passed on.
        """
        for piece in pieces:
            total = self._totals[depth] = self._totals[depth] + len(piece)
            self.check(total)
            yield piece

    def check(self, total: int) -> None:
        """Judges a total; see `guard`."""
        if total > self._size:
            raise LimitExceeded("too_many_bytes", f"decodes to more than the {self._size:,} bytes allowed per object")
        if total > RATIO_FLOOR_BYTES and total > self._ratio * self._stored:
            raise LimitExceeded(
                "decompression_bomb", f"decodes to more than {self._ratio:,} times its stored size; taken for a bomb"
            )
