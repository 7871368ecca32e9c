"""The model of a template: resources, parameters and outputs, with expressions in their values.

A value is plain JSON (text, number, truth, list, mapping) with expressions anywhere in it. ARM templates and Bicep are
two ways to write the same model (``arm``, ``bicep``), so what one of them says, the other says.

Belongs here: the kinds of expressions, and what they refer to. Does not belong here: their syntax.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Call",
    "Expression",
    "Filled",
    "Id",
    "Member",
    "Not",
    "Output",
    "Parameter",
    "Property",
    "Resource",
    "Template",
    "Value",
    "referred",
    "symbol_of",
]


@dataclass(frozen=True)
class Parameter:
    """A parameter of the template, and the expression for its value.

    Attributes:
        name: in the template.
        kind: ``string`` or ``int``.
        description: for whoever deploys.
        default: None: it must be given.
        allowed: the only values; empty: any.
    """

    name: str
    kind: str
    description: str
    default: "Value" = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filled:
    """A text with values at ``{0}``, ``{1}`` …; no other braces."""

    text: str
    values: tuple["Expression", ...]


@dataclass(frozen=True)
class Call:
    """A function that ARM templates and Bicep both have, such as ``guid``."""

    function: str
    arguments: tuple["Value", ...] = ()


@dataclass(frozen=True)
class Member:
    """A member of what a function gives."""

    of: Call
    name: str


@dataclass(frozen=True)
class Not:
    """The opposite."""

    of: Call


@dataclass(frozen=True)
class Id:
    """A resource's id, known before it exists."""

    of: "Resource"


@dataclass(frozen=True)
class Property:
    """Something of a resource that is known once it exists: a path below ``properties``."""

    of: "Resource"
    path: tuple[str, ...]


Expression = Parameter | Filled | Call | Member | Not | Id | Property
Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"] | Expression


@dataclass(frozen=True)
class Resource:
    """One resource.

    Attributes:
        symbol: its name within the template: letters, digits and '_'.
        kind: such as ``Microsoft.Insights/dataCollectionRules``.
        version: of its API.
        name: without the parent's.
        body: ``location``, ``properties`` and so on.
        parent: whose child it is.
        scope: the resource that it extends.
        condition: deployed only if true; None: always.
        after: resources that must be there before, beside those it refers to.
        existing: it is there already and only referred to.
        remark: a line for people, in Bicep.
        waived: key → code of a Bicep warning that does not hold for it.
    """

    symbol: str
    kind: str
    version: str
    name: str | Expression
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parent: "Resource | None" = None
    scope: "Resource | None" = None
    condition: Expression | None = None
    after: tuple["Resource", ...] = ()
    existing: bool = False
    remark: str | None = None
    waived: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Output:
    """One output; ``kind`` is ``string``, ``array`` or ``object``."""

    name: str
    kind: str
    value: Value


@dataclass(frozen=True)
class Template:
    """Everything that a deployment needs to know."""

    parameters: tuple[Parameter, ...]
    resources: tuple[Resource, ...]
    outputs: tuple[Output, ...]


def referred(value: Any) -> Iterator[Resource]:
    """The resources that a value refers to."""
    match value:
        case Id() | Property():
            yield value.of
        case Filled():
            yield from referred(value.values)
        case Call():
            yield from referred(value.arguments)
        case Member() | Not():
            yield from referred(value.of)
        case Mapping():
            yield from referred(list(value.values()))
        case list() | tuple():
            for each in value:
                yield from referred(each)
        case _:
            pass


def symbol_of(name: str) -> str:
    """A name as part of a symbol."""
    return "".join(each if each.isascii() and each.isalnum() else "_" for each in name)
