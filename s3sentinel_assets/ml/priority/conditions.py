"""Conditions of sensitivity rules: what a call must look like for a rule to decide.

Belongs here: the forms a condition may take and whether it holds. Does not belong here: rules (``sensitivity``), checks
by name (``checks``).
"""

import re
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from s3sentinel_assets.ml.priority.checks import CHECKS, PERSONAL, Call
from s3sentinel_assets.ml.priority.documents import find, plain

__all__ = ["Caller", "Condition"]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from None
    return text


def _known_check(name: str) -> str:
    if name not in CHECKS:
        raise ValueError(f"there is no check {name!r}; there are: {', '.join(CHECKS)}")
    return name


def _known_type(name: str) -> str:
    if name.lower() not in _CALLERS:
        raise ValueError(f"there is no caller type {name!r}; there are: {', '.join(_CALLERS.values())}")
    return name.lower()


def _within_parameters(path: str) -> str:
    head = path.split(".", 1)[0]
    if head.lower() in _AROUND_PARAMETERS:
        raise ValueError(f"begins with the parameters themselves, so {head!r} is never found; leave it out")
    return path


# `userIdentity.type` of CloudTrail, lower case → as it is written there.
_CALLERS = {
    name.lower(): name
    for name in ("Root", "IAMUser", "AssumedRole", "Role", "FederatedUser", "SAMLUser", "WebIdentityUser", "Directory",
                 "IdentityCenterUser", "AWSAccount", "AWSService", "Unknown")
}  # fmt: skip
# Fields of a record, beside or around the parameters.
_AROUND_PARAMETERS = {"requestparameters", "responseelements", "additionaleventdata", "useridentity"}
# Conditions in conditions: more is a mistake, and would not be read in the end.
_MAX_DEPTH = 16
_Scalar = str | int | float | bool
_Regex = Annotated[str, AfterValidator(_pattern)]
_SUBJECTS = ("path", "check", "caller", "failed", "error", "any", "all", "not")
_OPERATORS = ("is", "in", "contains", "matches", "at_least", "at_most", "present")


class Caller(BaseModel):
    """What is known of a call without its parameters.

    Attributes:
        type: principal type, such as ``Root``.
        error: error code, "" if the call succeeded.
    """

    model_config = ConfigDict(frozen=True)

    type: str = ""
    error: str = ""


class Condition(BaseModel):
    """One condition: exactly one of path (with one operator), check, caller, failed, error, any, all, not.

    Attributes:
        path: keys joined by dots, through all elements of lists; ``*`` is any key, ``**`` any number of keys, and at
            the end every value that is no object. The first key is that of a parameter. Upper and lower case are the
            same, here and in values. It holds if any value found there does:

            ``is`` (equal), ``in`` (one of), ``contains`` (a piece of text), ``matches`` (regular expression),
            ``at_least`` and ``at_most`` (numbers), ``present`` (whether there is one that is not empty).
        check: a name in ``checks.CHECKS``.
        caller: principal types, such as ``Root``, in any case.
        failed: whether the call failed.
        error: regular expression that finds something in the error code, in any case.
        any, all, not: conditions of conditions.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=False, validate_by_alias=True, allow_inf_nan=False
    )

    path: Annotated[str, AfterValidator(_within_parameters)] | None = Field(
        default=None, pattern=r"^[^.\s]+(\.[^.\s]+)*$"
    )
    is_: _Scalar | None = Field(default=None, alias="is")
    in_: tuple[_Scalar, ...] | None = Field(default=None, alias="in", min_length=1)
    contains: str | None = None
    matches: _Regex | None = None
    at_least: float | None = None
    at_most: float | None = None
    present: bool | None = None
    check: Annotated[str, AfterValidator(_known_check)] | None = None
    caller: tuple[Annotated[str, AfterValidator(_known_type)], ...] | None = Field(default=None, min_length=1)
    failed: bool | None = None
    error: _Regex | None = None
    any_: tuple["Condition", ...] | None = Field(default=None, alias="any", min_length=1)
    all_: tuple["Condition", ...] | None = Field(default=None, alias="all", min_length=1)
    not_: "Condition | None" = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        given = self.model_dump(by_alias=True, exclude_none=True)
        subjects = [name for name in _SUBJECTS if name in given]
        if len(subjects) != 1:
            raise ValueError(f"needs exactly one of {', '.join(_SUBJECTS)}")
        operators = [name for name in _OPERATORS if name in given]
        if len(operators) != (1 if subjects == ["path"] else 0):
            raise ValueError(f"needs path with exactly one of {', '.join(_OPERATORS)}, and none without path")
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"holds conditions in conditions more than {_MAX_DEPTH} deep")
        return self

    @cached_property
    def _inner(self) -> tuple["Condition", ...]:
        return (*(self.any_ or ()), *(self.all_ or ()), *((self.not_,) if self.not_ else ()))

    @cached_property
    def _depth(self) -> int:
        return 1 + max((each._depth for each in self._inner), default=0)

    @cached_property
    def needs_parameters(self) -> bool:
        """Whether it looks at parameters; if not, the caller is enough to decide."""
        return bool(self.path or self.check) or any(each.needs_parameters for each in self._inner)

    @cached_property
    def personal(self) -> bool:
        """Whether it depends on who calls, and not just on the account."""
        return self.check in PERSONAL or any(each.personal for each in self._inner)

    @cached_property
    def about_failure(self) -> bool:
        """Whether it asks for a call that failed."""
        inner = (*(self.any_ or ()), *(self.all_ or ()))
        return self.failed is True or self.error is not None or any(each.about_failure for each in inner)

    def holds(self, caller: Caller, call: Call) -> bool:
        """Whether it holds."""
        if self.path is not None:
            found = find(call.parameters, self._steps)
            if self._steps[-1] == "**":
                # What is not a leaf has the names of keys in its text.
                found = (value for value in found if not isinstance(value, dict))
            if self.present is not None:
                return any(value not in (None, "", {}, []) for value in found) == self.present
            return any(self._fits(value) for value in found)
        if self.check is not None:
            return CHECKS[self.check](call)
        if self.caller is not None:
            return caller.type.lower() in self.caller
        if self.failed is not None:
            return bool(caller.error) == self.failed
        if self.error is not None:
            return bool(caller.error) and re.search(self.error, caller.error, re.IGNORECASE) is not None
        if self.any_ is not None:
            return any(each.holds(caller, call) for each in self.any_)
        if self.all_ is not None:
            return all(each.holds(caller, call) for each in self.all_)
        return self.not_ is not None and not self.not_.holds(caller, call)

    @cached_property
    def _steps(self) -> tuple[str, ...]:
        return tuple((self.path or "").lower().split("."))

    def _fits(self, value: Any) -> bool:
        text = plain(value)
        if self.is_ is not None:
            return text == plain(self.is_)
        if self.in_ is not None:
            return any(text == plain(each) for each in self.in_)
        if self.contains is not None:
            return self.contains.lower() in text
        if self.matches is not None:
            return re.search(self.matches, text, re.IGNORECASE) is not None
        try:
            number = float(text)
        except ValueError:
            return False
        return number >= self.at_least if self.at_least is not None else number <= (self.at_most or 0.0)
