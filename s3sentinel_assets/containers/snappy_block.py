"""One raw snappy block: the unit that the snappy containers are made of.

Belongs here: decoding a block whose size has been checked. Format: github.com/google/snappy, format_description.txt.
"""

__all__ = ["SnappyError", "block_size", "decode_block", "stored_limit"]


class SnappyError(Exception):
    """The bytes are no snappy block."""


def stored_limit(size: int) -> int:
    """The most bytes that a block of ``size`` decoded bytes can take (the reference implementation's bound)."""
    return 32 + size + size // 6


def block_size(block: bytes) -> int | None:
    """Decoded size that a block states, a little-endian base-128 number; None where there is none."""
    size = 0
    for at, byte in enumerate(block[:5]):
        size |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            return size
    return None


def decode_block(block: bytes, limit: int) -> bytes:
    """Decodes a whole block.

    Args:
        block: its bytes.
        limit: the most it may decode to.

    Raises:
        SnappyError: it is damaged, or bigger than allowed.
    """
    import pyarrow as pa

    size = block_size(block)
    if size is None or size > limit:
        raise SnappyError(f"its block does not decode to {limit:,} bytes or fewer")
    if not size:
        return b""
    try:
        return pa.decompress(block, size, codec="snappy", asbytes=True)
    except (pa.ArrowException, OSError) as error:
        raise SnappyError(str(error)) from error
