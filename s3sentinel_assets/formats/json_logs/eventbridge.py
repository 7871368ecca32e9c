"""Events of EventBridge, which other formats come wrapped in.

Source: AWS, "EventBridge event structure reference" (docs.aws.amazon.com/eventbridge/latest/userguide/
eb-events-structure.html).

Belongs here: telling by its first bytes what content of such events holds. Does not belong here: what is in ``detail``,
which each format unwraps itself.
"""

from s3sentinel_assets.formats.json_logs import peek
from s3sentinel_assets.formats.model import Verdict

__all__ = ["judge_events"]


def judge_events(head: bytes, source: str, kinds: tuple[str, ...], title: str) -> Verdict | None:
    """A verdict on content whose first records are events of one source; None: none of them is one.

    Args:
        head: content's first bytes.
        source: the events' ``source``, such as ``aws.guardduty``.
        kinds: beginnings of their ``detail-type``.
        title: of the format.
    """
    begins = tuple(f'"{kind}'.encode() for kind in kinds)
    for members in peek(head):
        if members.get("source") == f'"{source}"'.encode() and members.get("detail-type", b"").startswith(begins):
            return Verdict(0.95, f"EventBridge events with {title} each")
    return None
