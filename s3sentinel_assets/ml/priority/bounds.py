"""Conditions of a policy: whom a principal of "*" really means.

Belongs here: which condition keys name somebody, under which operators and values. Does not belong here: what follows
from it (``checks``), how wide address ranges are (``network_rules``).

Conditions of one statement must all hold, so the closest one counts; of the values of one condition any will do, so the
widest one counts.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from s3sentinel_assets.ml.priority.documents import find, plain
from s3sentinel_assets.ml.priority.network_rules import breadth

__all__ = ["Reach", "account_in", "reach"]


class Reach(IntEnum):
    """Whom something is open to, from the closest to the widest."""

    OWN = 0
    #: Somebody else in particular: an account, or addresses on the internet.
    NAMED = 1
    ANYONE = 2


# Operators that hold for the values alone. Not among them: negated ones, "…IfExists" and "ForAllValues:", which also
# hold where the call says nothing of the kind, and "Null".
_OPERATORS = {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress", "bool"}
_ANY_VALUE = "foranyvalue:"
_ARN_ACCOUNT_FIELD = 4
_WILD = re.compile(r"[*?]")


def account_in(text: str) -> str | None:
    """The account that an ARN or a bare number names; None where there is none."""
    if re.fullmatch(r"\d{12}", text):
        return text
    if text.startswith("arn:"):
        fields = text.split(":", _ARN_ACCOUNT_FIELD + 1)
        if len(fields) > _ARN_ACCOUNT_FIELD and re.fullmatch(r"\d{12}", fields[_ARN_ACCOUNT_FIELD]):
            return fields[_ARN_ACCOUNT_FIELD]
    return None


def _by_account(value: str, account: str) -> Reach:
    named = account_in(value)
    if named is not None:
        return Reach.OWN if named == account else Reach.NAMED
    # The name of a bucket is one in the world, but says nothing of its account.
    return Reach.NAMED if re.match(r"^arn:[\w-]+:s3:::[^*?]{3,}", value) else Reach.ANYONE


def _by_user(value: str, account: str) -> Reach:
    if value == account:
        return Reach.OWN
    # The id of a user or role, whose account it does not show.
    return Reach.NAMED if re.match(r"^(?:aida|aroa)[a-z0-9]{8,}", value) else Reach.ANYONE


def _by_id(*prefixes: str) -> Callable[[str, str], Reach]:
    def judge(value: str, _account: str) -> Reach:
        head = value.split("/", 1)[0]
        return Reach.OWN if head.startswith(prefixes) and not _WILD.search(head) else Reach.ANYONE

    return judge


def _by_word(*words: str) -> Callable[[str, str], Reach]:
    return lambda value, _account: Reach.OWN if value in words else Reach.ANYONE


def _by_service(value: str, _account: str) -> Reach:
    return Reach.OWN if re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?", value) else Reach.ANYONE


_ORGANISATION = _by_id("o-")
_KEYS: dict[str, Callable[[str, str], Reach]] = {
    **dict.fromkeys(
        ("aws:sourceaccount", "aws:sourceowner", "aws:principalaccount", "aws:vpceaccount", "aws:sourcearn",
         "aws:principalarn", "aws:sourcevpcarn", "kms:calleraccount", "s3:dataaccesspointaccount",
         "s3:dataaccesspointarn", "elasticfilesystem:accesspointarn"),
        _by_account,
    ),
    **dict.fromkeys(
        ("aws:sourceorgid", "aws:sourceorgpaths", "aws:principalorgid", "aws:principalorgpaths", "aws:vpceorgid",
         "aws:vpceorgpaths"),
        _ORGANISATION,
    ),
    "aws:sourcevpc": _by_id("vpc-"),
    "aws:sourcevpce": _by_id("vpce-"),
    "aws:userid": _by_user,
    "aws:principalisawsservice": _by_word("true"),
    "aws:principalservicename": _by_service,
    "elasticfilesystem:accessedviamounttarget": _by_word("true"),
}  # fmt: skip
_ADDRESSES = "aws:sourceip"
_BREADTHS = {"private": Reach.OWN, "narrow": Reach.NAMED, "wide": Reach.ANYONE}


def reach(conditions: Any, account: str) -> Reach:
    """Whom the principal "*" means under these conditions.

    Args:
        conditions: the ``Condition`` of a statement, operator → key → values, from ``documents.parse``.
        account: the own account.
    """
    closest = Reach.ANYONE
    if not isinstance(conditions, dict):
        return closest
    for operator, tests in conditions.items():
        if operator.removeprefix(_ANY_VALUE) not in _OPERATORS or not isinstance(tests, dict):
            continue
        for key, given in tests.items():
            values = [plain(value) for value in find(given, ())]
            if not values:
                continue
            if key == _ADDRESSES:
                closest = min(closest, _BREADTHS[breadth(values)])
            elif key in _KEYS:
                closest = min(closest, max(_KEYS[key](value, account) for value in values))
    return closest
