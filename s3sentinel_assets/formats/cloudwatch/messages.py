"""Messages of CloudWatch Logs that are records of another format: VPC flow logs, CloudTrail, EKS audit and many more.

Belongs here: offering messages to the other formats, as strays. Does not belong here: where messages come from
(``subscription``, ``export``), which format takes them (``part``).

Detection looks at the first of the records that are offered together, so what may differ is offered apart: each log
group for itself, and in it JSON apart from lines. A control plane's log group, for one, holds audit events and plain
text side by side.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

from s3sentinel_assets.formats.model import Reading, Stray, Strays

__all__ = ["ACCOUNT", "CONTEXT_KEYS", "LOG_GROUP", "LOG_STREAM", "taken_by_others"]

#: Keys of a stray's context; where a source does not tell one, it is absent.
ACCOUNT, LOG_GROUP, LOG_STREAM = CONTEXT_KEYS = ("account", "log_group", "log_stream")


class _Offered(Sequence[Stray]):
    """Messages as strays, each made when it is looked at: of those that nobody wants, only the first ones are."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._messages: list[tuple[int, bytes, Mapping[str, str]]] = []
        #: Adds an ordinal, a message and its context.
        self.add = self._messages.append

    def _stray(self, message: tuple[int, bytes, Mapping[str, str]]) -> Stray:
        ordinal, text, context = message
        return Stray(ordinal, None, text, self._reason, "no format takes the message", context)

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Stray]:
        return map(self._stray, self._messages)

    @overload
    def __getitem__(self, index: int) -> Stray: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Stray]: ...
    def __getitem__(self, index: int | slice) -> Stray | Sequence[Stray]:
        if isinstance(index, slice):
            return [self._stray(message) for message in self._messages[index]]
        return self._stray(self._messages[index])

    @property
    def ordinals(self) -> set[int]:
        """Of all."""
        return {ordinal for ordinal, _, _ in self._messages}


def taken_by_others(
    reading: Reading,
    ordinals: Sequence[int],
    messages: Sequence[bytes],
    contexts: Sequence[Mapping[str, str]],
    offer: Strays,
    name: str,
) -> set[int]:
    """Offers messages to the other formats.

    Args:
        reading: the object they are from.
        ordinals: the log events' numbers in it.
        messages: of the log events, in order; blank ones are not offered.
        contexts: what is known of where each was logged, at least of `CONTEXT_KEYS`.
        offer: see `Strays`.
        name: of the format that offers.

    Returns:
        The ordinals of those that a format took.
    """
    groups: dict[tuple[str | None, str | None, bool], _Offered] = {}
    for ordinal, message, context in zip(ordinals, messages, contexts, strict=True):
        text = message.rstrip()
        if text:
            is_json = text[0] == ord("{") or text.lstrip().startswith(b"{")
            place = context.get(ACCOUNT), context.get(LOG_GROUP), is_json
            group = groups.get(place)
            if group is None:
                group = groups[place] = _Offered(f"not_{name}")
            group.add((ordinal, text, context))
    taken = set[int]()
    for strays in groups.values():
        left = offer(reading, strays)
        if left is not strays:
            taken |= strays.ordinals.difference(stray.ordinal for stray in left)
    return taken
