"""A template in the syntax of Azure Resource Manager: JSON with expressions in brackets.

Source: "ARM template syntax" and "ARM template functions" (learn.microsoft.com), schema 2019-04-01.

Belongs here: syntax. Does not belong here: what is in the template (``resources``), files (``files``).
"""

import json
from collections.abc import Mapping
from typing import Any

from s3sentinel_assets.infra.azure.expressions import (
    Call,
    Expression,
    Filled,
    Id,
    Member,
    Not,
    Parameter,
    Property,
    Resource,
    Template,
    referred,
)
from s3sentinel_assets.infra.azure.limits import check_template

__all__ = ["SCHEMA", "arm_text"]

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def arm_text(template: Template, generator: str) -> str:
    """The template as JSON; the same template always gives the same text.

    Args:
        template: what to write.
        generator: kept in its metadata.

    Raises:
        ConfigurationError: Azure Resource Manager would not take it, for its size.
    """
    document = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "metadata": {"generator": generator},
        "parameters": {each.name: _parameter(each) for each in template.parameters},
        "resources": [_resource(each) for each in template.resources if not each.existing],
        "outputs": {each.name: {"type": each.kind, "value": _value(each.value)} for each in template.outputs},
    }
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    check_template(len(text.encode()), len(document["resources"]), len(document["outputs"]))
    return text


def _parameter(parameter: Parameter) -> dict[str, Any]:
    written: dict[str, Any] = {"type": parameter.kind, "metadata": {"description": parameter.description}}
    if parameter.default is not None:
        written["defaultValue"] = _value(parameter.default)
    if parameter.allowed:
        written["allowedValues"] = list(parameter.allowed)
    return written


def _resource(resource: Resource) -> dict[str, Any]:
    name = _name(resource)
    written: dict[str, Any] = {
        "type": resource.kind,
        "apiVersion": resource.version,
        "name": f"[{_syntax(name)}]" if not isinstance(name, str) else _value(name),
        **{key: _value(value) for key, value in resource.body.items()},
    }
    if resource.scope is not None:
        written["scope"] = f"[{_id(resource.scope)}]"
    if resource.condition is not None:
        written["condition"] = f"[{_syntax(resource.condition)}]"
    before = [*resource.after, *referred(resource.body), *referred([resource.name]), *filter(None, [resource.scope])]
    needed = sorted({f"[{_id(each)}]" for each in before if not each.existing})
    if needed:
        written["dependsOn"] = needed
    return written


def _name(resource: Resource) -> str | Expression:
    """The full name: parents first."""
    if resource.parent is None:
        return resource.name
    return Filled("{0}/{1}", (resource.parent.name, resource.name))  # type: ignore[arg-type]


def _value(value: Any) -> Any:
    match value:
        case str():
            # Only a text in brackets would be taken for an expression.
            return f"[{value}" if value.startswith("[") and value.endswith("]") else value
        case Mapping():
            return {key: _value(each) for key, each in value.items()}
        case list() | tuple():
            return [_value(each) for each in value]
        case None | bool() | int():
            return value
        case _:
            return f"[{_syntax(value)}]"


def _syntax(value: Any) -> str:
    match value:
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Parameter():
            return f"parameters('{value.name}')"
        case Filled():
            return _call("format", (value.text, *value.values))
        case Call():
            return _call(value.function, value.arguments)
        case Member():
            return f"{_syntax(value.of)}.{value.name}"
        case Not():
            return f"not({_syntax(value.of)})"
        case Id():
            return _id(value.of)
        case Property():
            return f"reference({_id(value.of)}, '{value.of.version}').{'.'.join(value.path)}"
        case _:
            raise TypeError(f"{value!r} is no argument of an expression")


def _call(function: str, arguments: tuple[Any, ...]) -> str:
    return f"{function}({', '.join(_syntax(each) for each in arguments)})"


def _id(resource: Resource) -> str:
    names = (resource.name,) if resource.parent is None else (resource.parent.name, resource.name)
    return _call("resourceId", (resource.kind, *names))
