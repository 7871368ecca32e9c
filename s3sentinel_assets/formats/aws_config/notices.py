"""Notices of AWS Config: what surrounds a configuration item that changed.

Source: AWS Config Developer Guide, "Example Configuration Item Change Notifications", "Example Oversized Configuration
Item Change Notification" and "Monitoring AWS Config with Amazon EventBridge" (docs.aws.amazon.com/config/latest/
developerguide).

Belongs here: opening a notice, bare or in an EventBridge event. Does not belong here: the item (``aws_config``).
"""

from collections.abc import Sequence

import msgspec

from s3sentinel_assets.formats.json_logs import NULL, Inner

__all__ = ["DIFF", "MESSAGE_TYPE", "WHOLE", "unwrap_notice"]

#: Keys of the context: what changed and the whole notice, as JSON texts; the kind of notice.
DIFF, MESSAGE_TYPE, WHOLE = "diff", "message_type", "whole"


class _Notice(msgspec.Struct, rename="camel"):
    message_type: str | None = None
    configuration_item: msgspec.Raw = NULL
    configuration_item_summary: msgspec.Raw = NULL
    configuration_item_diff: msgspec.Raw = NULL


class _Event(_Notice, rename="camel"):
    source: str | None = None
    detail: msgspec.Raw = NULL


_EVENT = msgspec.json.Decoder(_Event)
_NOTICE = msgspec.json.Decoder(_Notice)


def unwrap_notice(text: bytes) -> Sequence[Inner] | None:
    """The item of a notice, or the summary that stands for one too big for a notice; None when it is no notice.

    Raises:
        ValueError, RecursionError: as msgspec does.
    """
    event = _EVENT.decode(text)
    notice = event
    if event.source == "aws.config" and bytes(event.detail).startswith(b"{"):
        notice = _NOTICE.decode(event.detail)
    for item in (notice.configuration_item, notice.configuration_item_summary):
        if bytes(item).startswith(b"{"):
            context = {WHOLE: text.decode(errors="replace")}
            if notice.message_type is not None:
                context[MESSAGE_TYPE] = notice.message_type
            if notice.configuration_item_diff != NULL:
                context[DIFF] = bytes(notice.configuration_item_diff).decode(errors="replace")
            return (Inner(bytes(item), context),)
    return None
