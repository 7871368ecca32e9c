"""EKS audit logs: events of Panther's rule tests, each field of which is expected in its column."""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, flat, panther_events

__all__ = ["cases"]

_COLUMNS = {
    "user.username": "ActorUsername",
    "userAgent": "HttpUserAgent",
    "auditID": "EventOriginalUid",
}
_TIMES = ("requestReceivedTimestamp", "stageTimestamp")


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder; events without a time cannot be ones of Kubernetes."""
    for name, event in panther_events(folder / "panther_analysis_events.jsonl"):
        good = any(time in event for time in _TIMES) and "auditID" in event
        yield Case(
            name,
            "eks_audit",
            json.dumps(event).encode(),
            1 if good else None,
            expected(flat(event), _COLUMNS) if good else (),
            valid=good,
            detected=good,
        )
