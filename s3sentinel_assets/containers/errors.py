"""What can go wrong between an object's stored bytes and its decoded bytes.

Belongs here: the exception types only. Each carries a short slug (``reason``) that ends up in quarantine, and a
sentence.
"""

from typing import Literal

__all__ = [
    "ContainerError",
    "CorruptContainer",
    "LimitExceeded",
    "ReadFailure",
    "ReadFailureState",
    "TruncatedContainer",
]


ReadFailureState = Literal["vanished", "unreadable", "denied", "kms_denied", "archived", "throttled", "broken"]
_FINAL: frozenset[ReadFailureState] = frozenset({"vanished", "unreadable"})


class ReadFailure(Exception):  # noqa: N818 - the name says what happened, and callers speak of read failures
    """The bytes of an object cannot be had; an object's byte stream raises it, perhaps in the middle.

    Attributes:
        state: the object's state, a word of the ledger. Final are ``vanished`` (gone or replaced) and ``unreadable``.
            The others pass: ``denied`` (S3 refuses), ``kms_denied`` (KMS refuses to decrypt), ``archived`` (to be
            restored first), ``throttled`` (too many requests), ``broken`` (not to be had whole and undamaged now).
        reason: one sentence for people, with the way out.
    """

    def __init__(self, state: ReadFailureState, reason: str) -> None:
        super().__init__(reason)
        self.state: ReadFailureState = state
        self.reason = reason

    @property
    def again(self) -> bool:
        """Whether the object is worth another try as a whole, so that nothing that came before may be used.

        If not, nothing more can ever be had, and what came before counts.
        """
        return self.state not in _FINAL


class ContainerError(Exception):
    """The container ends badly. Everything decoded before it has been yielded.

    Attributes:
        reason: short slug, such as ``truncated_gzip``.
        detail: one sentence for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class TruncatedContainer(ContainerError):  # noqa: N818 - part of the agreed vocabulary
    """The stored bytes stop before the container does."""


class CorruptContainer(ContainerError):  # noqa: N818 - part of the agreed vocabulary
    """The stored bytes are not what the container's format allows, or fail its checksum."""


class LimitExceeded(ContainerError):  # noqa: N818 - part of the agreed vocabulary
    """Decoding would go past a limit: a decompression bomb, or an object larger than allowed."""
