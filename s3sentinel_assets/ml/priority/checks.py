"""Named checks of request parameters: what a path and a value cannot say.

Belongs here: principals, shares, whose key it is, what is recorded and what vanishes. Does not belong here: which
action is looked at with which check (``models/sensitivity.json``), decoding (``documents``), address ranges and ports
(``network_rules``), what bounds a principal (``bounds``), what leads to all permissions (``admin_policies``).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from s3sentinel_assets.ml.priority.admin_policies import leads_to_all
from s3sentinel_assets.ml.priority.bounds import Reach, account_in, reach
from s3sentinel_assets.ml.priority.documents import find, objects, plain
from s3sentinel_assets.ml.priority.network_rules import (
    icmp_only,
    open_admin_ports,
    open_to_world,
    private_ranges,
    web_ports_only,
)

__all__ = ["CHECKS", "PERSONAL", "Call"]

# AWS-managed policies that give away the account, or all of its identities.
_ADMIN_POLICIES = re.compile(
    r":policy/(?:[\w/-]+/)?(?:administratoraccess(?:-amplify)?|poweruseraccess|iamfullaccess|awsorganizationsfullaccess|"
    r"systemadministrator|awsssomasteraccountadministrator)$"
)
_PUBLIC_GROUPS = ("/groups/global/allusers", "/groups/global/authenticatedusers")
_PUBLIC_ACLS = {"public-read", "public-read-write", "authenticated-read"}
_ANYONE = {"*", "all", "anonymous"}
# Keys whose values say with whom something is shared.
_SHARED_WITH = {
    "account",
    "accountid",
    "accountids",
    "accountidstoadd",
    "accounts",
    "accountwithrestoreaccess",
    "addallowedprincipals",
    "addedprincipals",
    "awsaccountid",
    "awsaccountids",
    "consumer",
    "consumeridentifier",
    "emailaddress",
    "grantee",
    "granteeprincipal",
    "groupnames",
    "organizationalunitarn",
    "organizationalunitarns",
    "organizationarn",
    "organizationarns",
    "peeraccountid",
    "peerownerid",
    "principal",
    "principals",
    "retiringprincipal",
    "sharedwithaccountids",
    "targetaccountid",
    "usergroups",
    "userid",
    "userids",
    "valuestoadd",
    "vpcowner",
}
_ACCOUNT = re.compile(r"(?<![\da-z])\d{12}(?![\da-z])")
# Of AWS: CloudFront writes its logs with it.
_LOG_DELIVERY = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"
# The parameters beside a principal that bound it, as the conditions that they stand for.
_BESIDE_PRINCIPAL = {
    "sourceaccount": "aws:sourceaccount",
    "sourcearn": "aws:sourcearn",
    "principalorgid": "aws:principalorgid",
    "organizationid": "aws:principalorgid",
}


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
        found = objects(self.parameters, without="remove")
        return [each for each in found if "effect" not in each and plain(each.get("operationtype")) != "remove"]

    @cached_property
    def receivers(self) -> list[str]:
        """Everything that says with whom something is shared, as text in lower case."""
        shares = ((key, value) for each in self.given for key, value in each.items())
        # Shares of images and the like are in "add", whatever those in there are called.
        values = (value for key, value in shares if key in _SHARED_WITH or key == "add")
        leaves = (leaf for value in values for leaf in find(value, ("**",)) if not isinstance(leaf, dict))
        return [text for text in map(plain, leaves) if text]

    @cached_property
    def allowing(self) -> list[dict[str, Any]]:
        """The statements of all policies in the parameters that allow something."""
        return [each for each in self.objects if "effect" in each and plain(each["effect"]) == "allow"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _admin_policy(call: Call) -> bool:
    """Administrator, power user or all of IAM, by a managed policy or by a statement that leads there."""
    named = (each.get(key) for each in call.objects for key in ("policyarn", "arn", "policyarns"))
    if any(_ADMIN_POLICIES.search(plain(one)) for value in named for one in _listed(value)):
        return True
    return any(leads_to_all(statement, call.account) for statement in call.allowing)


def _principals(statement: dict[str, Any]) -> Iterator[str]:
    principal = statement.get("principal")
    if isinstance(principal, dict):
        for kind in ("aws", "canonicaluser", "federated"):
            yield from (plain(each) for each in _listed(principal.get(kind)) if each is not None)
    else:
        yield from (plain(each) for each in _listed(principal) if each is not None)


def _reaches(call: Call) -> Iterator[Reach]:
    """Whom everything that is for "*" really means."""
    for statement in call.allowing:
        if "notprincipal" in statement:
            yield Reach.ANYONE
        elif any(each in _ANYONE for each in _principals(statement)):
            yield reach(statement.get("condition"), call.account)
    for each in call.given:
        if any(plain(one) in _ANYONE for one in _listed(each.get("principal"))):
            yield reach(_conditions_beside(each), call.account)


def _conditions_beside(share: dict[str, Any]) -> dict[str, Any]:
    """What bounds a principal in a call that takes no policy: ``lambda:AddPermission``, ``events:PutPermission``."""
    beside = {key: share[name] for name, key in _BESIDE_PRINCIPAL.items() if share.get(name)}
    found: dict[str, Any] = {"stringlike": beside}
    condition = share.get("condition")
    if isinstance(condition, dict):
        found[plain(condition.get("type"))] = {plain(condition.get("key")): condition.get("value")}
    return found


def _public(call: Call) -> bool:
    """Anyone at all: a policy for "*", a grant to everybody, a public ACL, a share with all."""
    if Reach.ANYONE in _reaches(call):
        return True
    for each in call.given:
        if any(plain(one).endswith(_PUBLIC_GROUPS) for one in find(each, ("uri",))):
            return True
        acls = (one for key in ("x-amz-acl", "acl", "cannedacl") for one in _listed(each.get(key)))
        if any(plain(one) in _PUBLIC_ACLS for one in acls) or plain(each.get("group")) == "all":
            return True
        headers = (value for key, value in each.items() if key.startswith("x-amz-grant-"))
        if any(group in plain(one) for value in headers for one in _listed(value) for group in _PUBLIC_GROUPS):
            return True
        for key in _SHARED_WITH & each.keys():
            # Of a principal it says more what stands beside it.
            if key != "principal" and any(plain(one) in _ANYONE for one in find(each[key], ("**",))):
                return True
    return False


def _foreign_account(call: Call) -> bool:
    """Another account than the caller's own, or addresses on the internet, are trusted or given something."""
    for statement in call.allowing:
        for principal in _principals(statement):
            if account_in(principal) not in (None, call.account):
                return True
    if Reach.NAMED in _reaches(call):
        return True
    return any(one != call.account for each in call.receivers for one in _accounts(each)) or _foreign_grantee(call)


def _accounts(text: str) -> list[str]:
    """The accounts that a text names: an ARN the one it belongs to, whatever numbers are in its names."""
    if text.startswith("arn:"):
        named = account_in(text)
        return [] if named is None else [named]
    return _ACCOUNT.findall(text)


def _foreign_grantee(call: Call) -> bool:
    """An access list of a bucket gives something to somebody else than the owner that it names."""
    for each in call.given:
        owner, lists = each.get("owner"), each.get("accesscontrollist")
        if isinstance(owner, dict) and lists:
            grantees = {plain(one) for one in find(lists, ("grant", "grantee", "id"))}
            if grantees - {plain(owner.get("id")), _LOG_DELIVERY, ""}:
                return True
    return False


def _nothing_shared(call: Call) -> bool:
    """Nobody but the own account is given anything: a share ends, or something else is changed."""
    return not call.allowing and all(account_in(each) == call.account for each in call.receivers)


def _foreign_arn(call: Call) -> bool:
    """Something that belongs to another account is named, such as a key or the target of a copy."""
    for value in find(call.parameters, ("**",)):
        if isinstance(value, str) and value.startswith("arn:") and account_in(value) not in (None, call.account):
            return True
    return False


def _management_writes_lost(call: Call) -> bool:
    """A trail's selectors leave out management calls that change something, or all but some of them."""
    return _management_lost(call, "writeonly", "false")


def _management_reads_lost(call: Call) -> bool:
    """A trail's selectors leave out management calls that read."""
    return _management_lost(call, "readonly", "true")


def _management_lost(call: Call, kind: str, read_only: str) -> bool:
    basic = [each for each in find(call.parameters, ("eventselectors",)) if isinstance(each, dict)]
    advanced = [each for each in find(call.parameters, ("advancedeventselectors",)) if isinstance(each, dict)]
    # What one selector keeps is kept.
    kept = any(_basic_keeps(each, kind) for each in basic) or any(_advanced_keeps(each, read_only) for each in advanced)
    return bool(basic or advanced) and not kept


def _basic_keeps(selector: dict[str, Any], kind: str) -> bool:
    given = plain(selector.get("readwritetype"))
    return plain(selector.get("includemanagementevents")) != "false" and given in ("", "all", kind)


def _advanced_keeps(selector: dict[str, Any], read_only: str) -> bool:
    """All fields of a selector must fit, so one that asks for certain values leaves out all others."""
    management = False
    for field in find(selector, ("fieldselectors",)):
        if not isinstance(field, dict):
            continue
        name = plain(field.get("field"))
        wanted, unwanted = (
            {plain(each) for each in find(field.get(key), ())} - {""} for key in ("equals", "notequals")
        )
        if name == "eventcategory":
            management = "management" in wanted
        elif name == "readonly":
            if (wanted and read_only not in wanted) or read_only in unwanted:
                return False
        elif any(field.get(operator) for operator in ("equals", "startswith", "endswith")):
            return False
    return management


def _expires_soon(call: Call) -> bool:
    """A lifecycle rule in force removes objects after a day, or on a date.

    Any date: the same call must come out the same whenever it is looked at, so no clock is asked; and rules with a date
    are made for one occasion.
    """
    for each in call.objects:
        if plain(each.get("status")) != "enabled":
            continue
        if any(re.fullmatch(r"[01]", plain(days)) for days in find(each, ("expiration", "days"))):
            return True
        if any(re.match(r"\d{4}-\d\d-\d\d", plain(date)) for date in find(each, ("expiration", "date"))):
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
    "nothing_shared": _nothing_shared,
    "management_writes_lost": _management_writes_lost,
    "management_reads_lost": _management_reads_lost,
    "expires_soon": _expires_soon,
    "open_to_world": lambda call: open_to_world(call.parameters),
    "open_admin_ports": lambda call: open_admin_ports(call.parameters),
    "web_ports_only": lambda call: web_ports_only(call.parameters),
    "icmp_only": lambda call: icmp_only(call.parameters),
    "private_ranges": lambda call: private_ranges(call.parameters),
    "another_user": _another_user,
}
#: Checks that ask who calls; for all others the account is enough.
PERSONAL = frozenset(("another_user",))
