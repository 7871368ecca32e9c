"""What a decoder is given besides its bytes, and what it tells about them.

Belongs here: the plain data between the one door (``decode``) and the decoders. Does not belong here: decoding.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from s3sentinel_assets.containers.errors import CorruptContainer
from s3sentinel_assets.containers.source import Source
from s3sentinel_assets.containers.spool import Spooling

__all__ = ["Facts", "Layer"]


@dataclass
class Facts:
    """How an object was packed; complete once all its bytes are decoded.

    Attributes:
        containers: names, outermost first; empty for plain bytes.
        members: members (frames, streams, files) of the outermost container that were decoded to their end.
        padding: zero bytes, or other bytes that are no member, were found behind a member of the outermost container.
    """

    containers: list[str] = field(default_factory=list)
    members: int = 0
    padding: bool = False


@dataclass(frozen=True)
class Layer:
    """One container while it is decoded.

    Attributes:
        facts: where members and padding of this container are told.
        spooling: disk for containers that need random access.
        expect: told how many bytes the container says it will decode to, raises `LimitExceeded` if these are too many.
        open: decodes what is inside one member; only for containers whose members are files of their own.
    """

    facts: Facts
    spooling: Spooling
    expect: Callable[[int], None]
    open: Callable[[Iterable[bytes]], Iterator[bytes]]

    def another(self, source: Source, kind: str, *magics: bytes, counts: bool = True) -> bool:
        """Whether one more member follows the one that has just ended; zero padding is passed over.

        Args:
            source: stands behind the member.
            kind: the container's name, for errors.
            magics: what a member starts with.
            counts: whether the one that has ended is a member.

        Raises:
            CorruptContainer: ``trailing_bytes``, something else follows.
        """
        self.facts.members += counts
        if source.skip_zeros():
            self.facts.padding = True
        head = source.peek(max(map(len, magics)))
        # Looking ahead never fails; asking for a byte does, where the stream broke here.
        if not head and not source.fill(1):
            return False
        if head.startswith(magics):
            return True
        source.fill(max(map(len, magics)))
        self.facts.padding = True
        raise CorruptContainer("trailing_bytes", f"bytes that are no {kind} member follow the {kind} stream")
