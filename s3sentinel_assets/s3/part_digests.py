"""The ETag of a multipart upload as a proof: the MD5 over its parts' MD5s.

Belongs here: part boundaries and that digest. Does not belong here: other proofs (``checksums``), fetching
(``reader``).

S3 does not promise that such an ETag is a digest, and parts may differ in size. So equality proves the bytes, and a
difference says nothing: then only the length is known to be right.
"""

import hashlib
import hmac
import re

__all__ = ["PARTS_MD5", "PartDigests", "parts_of_etag"]

#: What ``checked_by`` says.
PARTS_MD5 = "md5-of-parts"

_ETAG = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,4})")


def parts_of_etag(etag: str) -> int:
    """How many parts the object was uploaded in, by its ETag; 0 where it says nothing of parts."""
    found = _ETAG.fullmatch(etag)
    return int(found.group(2)) if found else 0


class PartDigests:
    """MD5s of equal parts (the last may be shorter), fed with the object's bytes in order.

    Raises:
        ValueError: ``part_bytes`` does not divide ``length`` into as many parts as the ETag says.
    """

    def __init__(self, etag: str, length: int, part_bytes: int) -> None:
        parts = parts_of_etag(etag)
        if not parts or part_bytes < 1 or -(-length // part_bytes) != parts:
            raise ValueError(f"{length} bytes are not {parts} parts of {part_bytes} bytes")
        self._etag = etag
        self._parts = parts
        self._part_bytes = part_bytes
        self._left = part_bytes
        self._part = hashlib.md5(usedforsecurity=False)
        self._digests: list[bytes] = []

    def update(self, data: bytes) -> None:
        """Takes the next bytes."""
        view = memoryview(data)
        while view:
            piece, view = view[: self._left], view[self._left :]
            self._part.update(piece)
            self._left -= len(piece)
            if not self._left:
                self._end_part()

    def _end_part(self) -> None:
        self._digests.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._left = self._part_bytes

    def proved(self) -> bool:
        """Whether the bytes are the ETag's; call it once, after the last byte."""
        if self._left < self._part_bytes:
            self._end_part()
        whole = hashlib.md5(b"".join(self._digests), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(f"{whole}-{self._parts}", self._etag)
