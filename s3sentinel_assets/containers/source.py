"""Bytes as a decoder takes them: in steps of its own, with look-ahead, whatever the chunks they come in.

Belongs here: buffering, and the rule that a failure comes after the bytes before it. Does not belong here: any
container.
"""

from collections.abc import Iterable, Iterator

from s3sentinel_assets.containers.errors import ContainerError, ReadFailure

__all__ = ["PIECE_BYTES", "Source", "cut"]

#: Decoders give pieces of at most this many bytes.
PIECE_BYTES = 1 << 20


class Source:
    """A stream of bytes with look-ahead.

    A failure of the stream (`ReadFailure`, or the `ContainerError` of the container around this one) that turns up
    while looking ahead waits until the bytes before it are used up: what came before the damage is never lost.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Takes over ``chunks``; nothing is read yet."""
        self._chunks = iter(chunks)
        self._held = b""
        self._at = 0
        self._dropped = 0
        self._ended = False
        self._failure: ContainerError | ReadFailure | None = None

    @property
    def position(self) -> int:
        """Bytes taken so far."""
        return self._dropped + self._at

    @property
    def held(self) -> int:
        """Bytes that can be taken at once."""
        return len(self._held) - self._at

    def _pull(self, wanted: int) -> None:
        """Holds ``wanted`` bytes, or all there are before the end or a failure."""
        parts, have = [self._held[self._at :]], self.held
        while have < wanted and not self._ended:
            try:
                chunk = next(self._chunks, None)
            except (ContainerError, ReadFailure) as failure:
                self._failure, chunk = failure, None
            if chunk is None:
                self._ended = True
            else:
                parts.append(chunk)
                have += len(chunk)
        self._dropped += self._at
        self._held, self._at = b"".join(parts), 0

    def peek(self, wanted: int) -> bytes:
        """The next ``wanted`` bytes, fewer where the stream ends or fails before; takes nothing."""
        if self.held < wanted and not self._ended:
            self._pull(wanted)
        return self._held[self._at : self._at + wanted]

    def fill(self, wanted: int) -> bool:
        """Whether ``wanted`` bytes can be taken.

        Raises:
            ContainerError, ReadFailure: the stream failed before it had as many.
        """
        if self.held < wanted and not self._ended:
            self._pull(wanted)
        if self.held >= wanted:
            return True
        if self._failure is not None:
            raise self._failure
        return False

    def take(self, count: int) -> bytes:
        """Takes ``count`` bytes, fewer where fewer are held."""
        taken = self._held[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def untake(self, count: int) -> None:
        """Gives back the last ``count`` bytes of the latest `take` or `step`."""
        self._at -= count

    def step(self, size: int, keep: int = 0) -> bytes:
        """Takes up to ``size`` bytes; empty at the end.

        Args:
            size: bytes at most.
            keep: bytes to leave for a step of their own where possible, so that a container's checksum, which may be
                wrong, is not decoded together with its last bytes.
        """
        if self.held <= keep:
            self.peek(size + keep)
        if not self.held and not self.fill(1):
            return b""
        return self.take(min(size, self.held - keep if self.held > keep else self.held))

    def skip(self, count: int) -> bool:
        """Passes over ``count`` bytes; whether there were as many."""
        while count:
            if not self.held and not self.fill(1):
                return False
            count -= len(self.take(count))
        return True

    def skip_zeros(self) -> bool:
        """Passes over zero bytes; whether there were any."""
        found = False
        while self.held or self.fill(1):
            rest = self._held[self._at :]
            zeros = len(rest) - len(rest.lstrip(b"\0"))
            self._at += zeros
            found = found or zeros > 0
            if zeros < len(rest):
                break
        return found

    def rest(self) -> Iterator[bytes]:
        """All that remains, in pieces as they come."""
        while self.held or self.fill(1):
            yield self.take(self.held)


def cut(data: bytes) -> Iterator[bytes]:
    """``data`` in pieces of bounded size."""
    if len(data) <= PIECE_BYTES:
        if data:
            yield data
        return
    for at in range(0, len(data), PIECE_BYTES):
        yield data[at : at + PIECE_BYTES]
