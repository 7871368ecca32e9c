"""A template in the syntax of Bicep.

Source: "Bicep file structure and syntax" and "Strings" (learn.microsoft.com).

Belongs here: syntax. Does not belong here: what is in the template (``resources``), files (``files``).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from s3sentinel_assets.infra.azure.expressions import (
    Call,
    Filled,
    Id,
    Member,
    Not,
    Output,
    Parameter,
    Property,
    Resource,
    Template,
)

__all__ = ["bicep_text"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_WARNINGS: Mapping[str, str] = {}
_PLACE = re.compile(r"\{(\d)\}")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "${": "\\${"}


def bicep_text(template: Template, generator: str) -> str:
    """The template as Bicep; the same template always gives the same text.

    Args:
        template: what to write.
        generator: kept in its metadata.
    """
    blocks = ["targetScope = 'resourceGroup'", f"metadata generator = {_text(generator)}"]
    blocks += ["\n".join(_parameter(each)) for each in template.parameters]
    blocks += ["\n".join(_resource(each)) for each in template.resources]
    blocks += [_output(each) for each in template.outputs]
    return "\n\n".join(blocks) + "\n"


def _parameter(parameter: Parameter) -> Iterator[str]:
    yield f"@description({_text(parameter.description)})"
    if parameter.allowed:
        yield f"@allowed({_value(parameter.allowed, 0)})"
    default = "" if parameter.default is None else f" = {_value(parameter.default, 0)}"
    yield f"param {parameter.name} {parameter.kind}{default}"


def _resource(resource: Resource) -> Iterator[str]:
    if resource.remark is not None:
        yield f"// {resource.remark}"
    body: dict[str, Any] = {}
    if resource.parent is not None:
        body["parent"] = _Symbol(resource.parent.symbol)
    if resource.scope is not None:
        body["scope"] = _Symbol(resource.scope.symbol)
    body |= {"name": resource.name, **resource.body}
    if resource.after:
        body["dependsOn"] = [_Symbol(symbol) for symbol in sorted(each.symbol for each in resource.after)]
    start = f"resource {resource.symbol} '{resource.kind}@{resource.version}'"
    start += " existing =" if resource.existing else " ="
    if resource.condition is not None:
        start += f" if ({_syntax(resource.condition)})"
    yield f"{start} {_value(body, 0, resource.waived)}"


def _output(output: Output) -> str:
    return f"output {output.name} {output.kind} = {_value(output.value, 0)}"


class _Symbol(str):
    """A name that stands for a resource."""

    __slots__ = ()


def _value(value: Any, depth: int, waived: Mapping[str, str] = _NO_WARNINGS) -> str:
    inner, outer = "  " * (depth + 1), "  " * depth
    match value:
        case Mapping():
            if not value:
                return "{}"
            lines: list[str] = []
            for key, each in value.items():
                if key in waived:
                    lines.append(f"{inner}#disable-next-line {waived[key]}")
                lines.append(f"{inner}{_key(key)}: {_value(each, depth + 1, waived)}")
            return "\n".join(["{", *lines, outer + "}"])
        case list() | tuple():
            if not value:
                return "[]"
            return "\n".join(["[", *(inner + _value(each, depth + 1) for each in value), outer + "]"])
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return _syntax(value)


def _syntax(value: Any) -> str:
    match value:
        case _Symbol():
            return str(value)
        case str():
            return _text(value)
        case Parameter():
            return value.name
        case Filled():
            # The pieces between the places are texts, the places expressions.
            pieces = _PLACE.split(value.text)
            return (
                "'"
                + "".join(
                    f"${{{_syntax(value.values[int(piece)])}}}" if number % 2 else _escaped(piece)
                    for number, piece in enumerate(pieces)
                )
                + "'"
            )
        case Call():
            return f"{value.function}({', '.join(_syntax(each) for each in value.arguments)})"
        case Member():
            return f"{_syntax(value.of)}.{value.name}"
        case Not():
            return f"!{_syntax(value.of)}"
        case Id():
            return f"{value.of.symbol}.id"
        case Property():
            return f"{value.of.symbol}.properties.{'.'.join(value.path)}"
        case _:
            raise TypeError(f"{value!r} is no argument of an expression")


def _key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    if "\n" in text and "\r" not in text and "'''" not in text:
        return f"'''\n{text}'''"  # as it is; the first line break does not count
    return f"'{_escaped(text)}'"


def _escaped(text: str) -> str:
    return re.sub(r"\\|'|\n|\r|\t|\$\{", lambda match: _ESCAPES[match[0]], text)
