"""CloudTrail's ``ListPublicKeys``: the keys that local digests are signed with.

Belongs here: the file that keeps them and the answer to a request, page by page. Does not belong here: signing (the
tests and generators that make digests do it).
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["KEYS_FILE", "PAGE", "list_public_keys", "write_public_keys"]

#: In the server's folder; the same JSON that ``aws cloudtrail list-public-keys`` prints.
KEYS_FILE = "cloudtrail-public-keys.json"
#: Keys an answer; small, so that whoever reads one page only is found out.
PAGE = 2


def write_public_keys(folder: Path, text: str) -> None:
    """Makes these the keys that CloudTrail lists, in every region.

    Args:
        folder: the server's folder.
        text: JSON as ``aws cloudtrail list-public-keys`` prints it.
    """
    new = (folder / KEYS_FILE).with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(folder / KEYS_FILE)


def _seconds(value: Any) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    instant = datetime.fromisoformat(value)
    return (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant).timestamp()


def list_public_keys(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request: keys whose validity touches its time, a page of them.

    Args:
        folder: the server's folder.
        request: the decoded body; instants are seconds since 1970.
    """
    try:
        entries = json.loads((folder / KEYS_FILE).read_text(encoding="utf-8"))["PublicKeyList"]
    except FileNotFoundError:
        entries = []
    now = datetime.now(UTC).timestamp()
    first, last = _seconds(request.get("StartTime", now)), _seconds(request.get("EndTime", now))
    touched = [
        {**entry, "ValidityStartTime": _seconds(entry["ValidityStartTime"]), "ValidityEndTime": until}
        for entry in entries
        if _seconds(entry["ValidityStartTime"]) <= last and (until := _seconds(entry["ValidityEndTime"])) >= first
    ]
    start = int(request.get("NextToken") or 0)
    answer: dict[str, Any] = {"PublicKeyList": touched[start : start + PAGE]}
    if start + PAGE < len(touched):
        answer["NextToken"] = str(start + PAGE)
    return answer
