"""Bounds on decoding, checked while the bytes stream.

Belongs here: the one guard that every container's decoder passes its output through.
"""

from collections.abc import Iterator

from s3sentinel_assets.containers.errors import LimitExceeded

__all__ = ["RATIO_FLOOR_BYTES", "Meter", "within_limits"]

#: Below this many decoded bytes no ratio is judged: a few hundred stored bytes of a quiet log may well decode 500 to 1.
RATIO_FLOOR_BYTES = 1 << 20


class Meter:
    """Counts the stored bytes that a decoder has consumed.

    Attributes:
        stored: bytes so far.
    """

    def __init__(self) -> None:
        self.stored = 0


def within_limits(decoded: Iterator[bytes], meter: Meter, *, ratio_limit: int, bytes_limit: int) -> Iterator[bytes]:
    """Passes ``decoded`` on until a limit is reached.

    Args:
        decoded: a decoder's output.
        meter: what the decoder has consumed.
        ratio_limit: decoded bytes allowed per stored byte.
        bytes_limit: decoded bytes allowed in all.

    Raises:
        LimitExceeded: ``too_many_bytes`` or ``decompression_bomb``; nothing past the limit was yielded.
    """
    total = 0
    for piece in decoded:
        total += len(piece)
        if total > bytes_limit:
            raise LimitExceeded("too_many_bytes", f"decodes to more than the {bytes_limit:,} bytes allowed per object")
        if total > RATIO_FLOOR_BYTES and total > ratio_limit * meter.stored:
            raise LimitExceeded(
                "decompression_bomb", f"decodes to more than {ratio_limit:,} times its stored size; taken for a bomb"
            )
        yield piece
