"""Named checks of request parameters: what a path and a value cannot say.

Belongs here: policies, principals, shares, and whose key it is. Does not belong here: which
action is looked at with which check (``models/sensitivity.json``), decoding (``documents``),
address ranges and ports (``network_rules``).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from s3sentinel_assets.ml.priority.documents import find, objects, plain
from s3sentinel_assets.ml.priority.network_rules import open_admin_ports, open_to_world, private_ranges, web_ports_only

__all__ = ["CHECKS", "PERSONAL", "Call"]

# AWS-managed policies that give away the account, or all of its identities.
_ADMIN_POLICIES = re.compile(
    r":policy/(?:[\w/-]+/)?(?:administratoraccess(?:-amplify)?|poweruseraccess|iamfullaccess|awsorganizationsfullaccess|"
    r"systemadministrator|awsssomasteraccountadministrator)$"
)
_ALL_ACTIONS = {"*", "*:*", "iam:*", "sts:*", "organizations:*"}
# Actions that lead to any other permission when they are allowed on everything.
_ESCALATIONS = {
    "iam:passrole",
    "iam:putuserpolicy",
    "iam:putrolepolicy",
    "iam:putgrouppolicy",
    "iam:attachuserpolicy",
    "iam:attachrolepolicy",
    "iam:attachgrouppolicy",
    "iam:createpolicyversion",
    "iam:setdefaultpolicyversion",
    "iam:updateassumerolepolicy",
    "iam:createaccesskey",
    "iam:createloginprofile",
    "iam:updateloginprofile",
    "iam:addusertogroup",
    "sts:assumerole",
}
# Conditions that keep a principal of "*" within bounds.
_BOUNDS = re.compile(
    r"^(?:aws:(?:sourcearn|sourceaccount|sourceowner|sourceorgid|sourceorgpaths|principalorgid|principalorgpaths|"
    r"principalaccount|principalarn|sourcevpc|sourcevpce|sourceip|userid|calledvia|viaawsservice)|"
    r"kms:(?:calleraccount|viaservice)|s3:dataaccesspointaccount|sts:externalid|lambda:functionurlauthtype)$"
)
_PUBLIC_GROUPS = ("/groups/global/allusers", "/groups/global/authenticatedusers")
_PUBLIC_ACLS = {"public-read", "public-read-write", "authenticated-read"}
_ANYONE = {"*", "all", "anonymous"}
# Keys whose values say with whom something is shared.
_SHARED_WITH = {
    "userid",
    "userids",
    "accountid",
    "accountids",
    "accountidstoadd",
    "valuestoadd",
    "principal",
    "principals",
    "awsaccountid",
    "awsaccountids",
    "sharedwithaccountids",
    "targetaccountid",
    "vpcowner",
    "peerownerid",
    "addedprincipals",
    "addallowedprincipals",
    "accounts",
    "grantee",
    "granteeprincipal",
    "consumer",
    "emailaddress",
}
_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_ARN_ACCOUNT = re.compile(r"^arn:[\w-]+:[\w-]+:[\w-]*:(\d{12}):")
_ACCOUNT_OF_PRINCIPAL = re.compile(r"^(?:arn:[\w-]+:(?:iam|sts)::(\d{12}):.*|(\d{12}))$")


@dataclass(frozen=True)
class Call:
    """One call as the checks see it.

    Attributes:
        parameters: from ``documents.parse``.
        account: the account it was made in.
        principal: account and name of the caller, ``111122223333/alice``; "" where no check asks for it.
    """

    parameters: Any
    account: str
    principal: str

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """All objects of the parameters."""
        return objects(self.parameters)

    @cached_property
    def given(self) -> list[dict[str, Any]]:
        """The objects that something is given to: no statements, and not what is removed."""
        return [each for each in objects(self.parameters, without="remove") if "effect" not in each]

    @cached_property
    def allowing(self) -> list[dict[str, Any]]:
        """The statements of all policies in the parameters that allow something."""
        return [each for each in self.objects if "effect" in each and plain(each["effect"]) == "allow"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _admin_policy(call: Call) -> bool:
    """Administrator, power user or all of IAM, by a managed policy or by a statement that allows everything."""
    named = (each.get(key) for each in call.objects for key in ("policyarn", "arn", "policyarns"))
    if any(_ADMIN_POLICIES.search(plain(one)) for value in named for one in _listed(value)):
        return True
    for statement in call.allowing:
        everywhere = "resource" not in statement or any(_everything(each) for each in _listed(statement["resource"]))
        if not everywhere:
            continue
        if "notaction" in statement:
            return True
        actions = {plain(action) for action in _listed(statement.get("action"))}
        # The trust policy of a role allows sts:AssumeRole without naming a resource: that is its purpose.
        risky = _ESCALATIONS if "resource" in statement else frozenset()
        if actions & _ALL_ACTIONS or actions & risky:
            return True
    return False


def _everything(resource: Any) -> bool:
    return set(plain(resource)) <= set("*:") and "*" in plain(resource)


def _principals(statement: dict[str, Any]) -> Iterator[str]:
    principal = statement.get("principal")
    if isinstance(principal, dict):
        for kind in ("aws", "canonicaluser"):
            yield from (plain(each) for each in _listed(principal.get(kind)) if each is not None)
    else:
        yield from (plain(each) for each in _listed(principal) if each is not None)


def _bounded(statement: dict[str, Any]) -> bool:
    conditions = statement.get("condition")
    if not isinstance(conditions, dict):
        return False
    keys = [key for test in conditions.values() if isinstance(test, dict) for key in test]
    values = [plain(value) for value in find(conditions, ("**",)) if isinstance(value, str)]
    # A condition that allows every address is none.
    return any(_BOUNDS.match(key) for key in keys) and not any(value in ("*", "0.0.0.0/0", "::/0") for value in values)


def _public(call: Call) -> bool:
    """Anyone at all: a policy for "*", a grant to everybody, a public ACL, a share with all."""
    for statement in call.allowing:
        if "notprincipal" in statement:
            return True
        if any(each in _ANYONE for each in _principals(statement)) and not _bounded(statement):
            return True
    for each in call.given:
        if any(plain(one).endswith(_PUBLIC_GROUPS) for one in find(each, ("uri",))):
            return True
        acls = (one for key in ("x-amz-acl", "acl", "cannedacl") for one in _listed(each.get(key)))
        if any(plain(one) in _PUBLIC_ACLS for one in acls) or plain(each.get("group")) == "all":
            return True
        if plain(each.get("principal")) in _ANYONE and not {"sourcearn", "sourceaccount", "principalorgid"} & set(each):
            return True
        shared = (one for key in ("valuestoadd", "accountidstoadd", "principals") for one in _listed(each.get(key)))
        if any(plain(one) in _ANYONE for one in shared):
            return True
    return False


def _foreign_account(call: Call) -> bool:
    """Another account than the caller's own is trusted or given something."""
    for statement in call.allowing:
        for principal in _principals(statement):
            match = _ACCOUNT_OF_PRINCIPAL.match(principal)
            if match and (match[1] or match[2]) != call.account:
                return True
    for each in call.given:
        for key in _SHARED_WITH & set(each):
            for value in find(each[key], ("**",)):
                if isinstance(value, str | int) and any(one != call.account for one in _ACCOUNT.findall(str(value))):
                    return True
    return False


def _foreign_arn(call: Call) -> bool:
    """Something that belongs to another account is named, such as a key or the target of a copy."""
    for value in find(call.parameters, ("**",)):
        if isinstance(value, str):
            match = _ARN_ACCOUNT.match(value)
            if match and match[1] != call.account:
                return True
    return False


def _another_user(call: Call) -> bool:
    """The user acted upon is not the caller."""
    caller = call.principal.rpartition("/")[2].lower()
    return any(plain(each) != caller for each in find(call.parameters, ("username",)) if plain(each))


#: Name in ``sensitivity.json`` → check.
CHECKS: dict[str, Callable[[Call], bool]] = {
    "admin_policy": _admin_policy,
    "public": _public,
    "foreign_account": _foreign_account,
    "foreign_arn": _foreign_arn,
    "open_to_world": lambda call: open_to_world(call.parameters),
    "open_admin_ports": lambda call: open_admin_ports(call.parameters),
    "web_ports_only": lambda call: web_ports_only(call.parameters),
    "private_ranges": lambda call: private_ranges(call.parameters),
    "another_user": _another_user,
}
#: Checks that ask who calls; for all others the account is enough.
PERSONAL = frozenset(("another_user",))
