"""Policies that lead to all permissions: what a statement allows, on what, as the patterns that they are.

Belongs here: actions by which an identity gets more than it has, and whether patterns of a policy cover them. Does not
belong here: in which call a policy is looked at (``checks``, ``models/sensitivity.json``).
"""

import fnmatch
import functools
import re
from typing import Any

from s3sentinel_assets.ml.priority.documents import plain

__all__ = ["leads_to_all"]

# Actions that lead to any other permission where they are allowed on every identity of a kind.
_ESCALATIONS = {
    "iam:passrole": "role",
    "iam:putuserpolicy": "user",
    "iam:putrolepolicy": "role",
    "iam:putgrouppolicy": "group",
    "iam:attachuserpolicy": "user",
    "iam:attachrolepolicy": "role",
    "iam:attachgrouppolicy": "group",
    "iam:createpolicyversion": "policy",
    "iam:setdefaultpolicyversion": "policy",
    "iam:updateassumerolepolicy": "role",
    "iam:createaccesskey": "user",
    "iam:createloginprofile": "user",
    "iam:updateloginprofile": "user",
    "iam:addusertogroup": "group",
    "sts:assumerole": "role",
}
_KINDS = frozenset(_ESCALATIONS.values())
# A name that nobody has: a pattern that fits it fits every name.
_ANY_NAME = "~any~name~"
_WHOLE_SERVICE = re.compile(r"^(?:\*+|(?:\*+|iam|sts|organizations):\*+)$")
_CACHED_PATTERNS = 4_096


def leads_to_all(statement: dict[str, Any], account: str) -> bool:
    """Whether a statement that allows something allows everything, or a step that leads there on every identity.

    Args:
        statement: from ``documents.parse``.
        account: the one it was written in.
    """
    # The trust policy of a role allows sts:AssumeRole without naming a resource: that is its purpose.
    trust = "resource" not in statement and "notresource" not in statement
    resources = ["*"] if "notresource" in statement else _texts(statement.get("resource"))
    kinds = frozenset[str]().union(*(_covered_kinds(each, account) for each in resources))
    if not trust and not kinds:
        return False
    if "notaction" in statement:
        return True
    actions = _texts(statement.get("action"))
    return any(_WHOLE_SERVICE.match(action) or kinds & _steps(action) for action in actions)


def _texts(value: Any) -> list[str]:
    return [plain(each) for each in (value if isinstance(value, list) else [value])]


@functools.lru_cache(maxsize=_CACHED_PATTERNS)
def _steps(action: str) -> frozenset[str]:
    """The kinds of identities that a pattern of actions gives the means for."""
    return frozenset(_ESCALATIONS[step] for step in _covered(action, tuple(_ESCALATIONS)))


@functools.lru_cache(maxsize=_CACHED_PATTERNS)
def _covered_kinds(resource: str, account: str) -> frozenset[str]:
    """The kinds of identities that a pattern of resources covers whatever their names are."""
    pattern = re.sub(r"^arn:aws[a-z-]+:", "arn:aws:", resource)
    head = f"arn:aws:iam::{account}:"
    found = _covered(pattern, tuple(f"{head}{kind}/{_ANY_NAME}" for kind in _KINDS))
    return frozenset(each.removeprefix(head).partition("/")[0] for each in found)


def _covered(pattern: str, texts: tuple[str, ...]) -> list[str]:
    """Those texts that a pattern fits: ``*`` is anything, ``?`` one character, all else means itself."""
    start = re.match(r"[^*?]*", pattern)
    literal = start[0] if start else ""
    # Nearly all patterns are about something else. Those that say more than a text has cannot fit, and may be long.
    length = len(pattern) - pattern.count("*")
    fitting = [text for text in texts if text.startswith(literal) and length <= len(text)]
    if not fitting or literal == pattern:
        return [text for text in fitting if text == pattern]
    compiled = re.compile(fnmatch.translate(re.sub(r"\*+", "*", pattern).replace("[", "[[]")))
    return [text for text in fitting if compiled.match(text)]
