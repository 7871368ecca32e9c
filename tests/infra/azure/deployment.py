"""A deployment without Azure: reads the expressions of an ARM template and gives the resources that would be there.

It knows the few functions that our templates use, and refuses everything else.
"""

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

SUBSCRIPTION, GROUP, REGION = "11111111-2222-4333-8444-555555555555", "rg-sentinel", "westeurope"
_TOKEN = re.compile(r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<name>[A-Za-z]\w*)|(?P<sign>[(),.]))")


def resource_id(kind: str, *names: str) -> str:
    provider, *types = kind.split("/")
    assert len(types) == len(names), (kind, names)
    path = "/".join(f"{one}/{name}" for one, name in zip(types, names, strict=True))
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{provider}/{path}"


@dataclass
class Deployment:
    """What a template makes."""

    template: dict[str, Any]
    given: dict[str, Any]
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for declared in self.template["resources"]:
            body = {key: self.value(each) for key, each in declared.items()}
            if not body.pop("condition", True):
                continue
            name = resource_id(body["type"], *body["name"].split("/"))
            if "scope" in body:
                name = f"{body['scope']}/providers/{body['type']}/{body['name']}"
            assert name not in self.resources, f"{name} is there twice"
            self.resources[name] = body
        self.outputs = {name: self.value(each["value"]) for name, each in self.template["outputs"].items()}

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [body for body in self.resources.values() if body["type"] == kind]

    def value(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self.value(each) for key, each in value.items()}
            case list():
                return [self.value(each) for each in value]
            case str() if value.startswith("[["):
                return value[1:]
            case str() if value.startswith("[") and value.endswith("]"):
                return _Expression(self, value[1:-1]).whole()
            case _:
                return value

    def parameter(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        return self.value(self.template["parameters"][name]["defaultValue"])

    def properties(self, name: str, version: str) -> dict[str, Any]:
        """What `reference` gives, made up from the id."""
        self.asked.append((name, version))
        return {
            "immutableId": "dcr-" + hashlib.md5(name.encode()).hexdigest(),
            "endpoints": {"logsIngestion": f"https://{name.rpartition('/')[2]}.ingest.invalid"},
            "logsIngestion": {"endpoint": f"https://{name.rpartition('/')[2]}.shared.invalid"},
            "customerId": "00000000-0000-4000-8000-000000000001",
        }


class _Expression:
    def __init__(self, deployment: Deployment, text: str) -> None:
        self.deployment, self.text, self.at = deployment, text, 0

    def whole(self) -> Any:
        value = self.read()
        assert self.at == len(self.text), f"{self.text[self.at :]!r} is left of {self.text!r}"
        return value

    def next(self) -> re.Match[str]:
        match = _TOKEN.match(self.text, self.at)
        assert match, f"no expression: {self.text!r} at {self.at}"
        self.at = match.end()
        return match

    def sees(self, sign: str) -> bool:
        match = _TOKEN.match(self.text, self.at)
        if match and match["sign"] == sign:
            self.at = match.end()
            return True
        return False

    def read(self) -> Any:
        token = self.next()
        if token["text"] is not None:
            return token["text"].replace("''", "'")
        assert token["name"], self.text
        assert self.sees("("), self.text
        arguments: list[Any] = []
        if not self.sees(")"):
            arguments.append(self.read())
            while self.sees(","):
                arguments.append(self.read())
            assert self.sees(")"), self.text
        value = self.call(token["name"], arguments)
        while self.sees("."):
            value = value[self.next()["name"]]
        return value

    def call(self, name: str, arguments: list[Any]) -> Any:
        match name:
            case "parameters":
                return self.deployment.parameter(*arguments)
            case "format":
                return arguments[0].format(*arguments[1:])
            case "resourceId":
                return resource_id(*arguments)
            case "subscriptionResourceId":
                return f"/subscriptions/{SUBSCRIPTION}/providers/{arguments[0]}/{arguments[1]}"
            case "reference":
                return self.deployment.properties(*arguments)
            case "guid":
                return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(arguments)))
            case "empty":
                return not arguments[0]
            case "not":
                return not arguments[0]
            case "resourceGroup":
                return {"location": REGION}
        raise AssertionError(f"the function {name} is not known here")


def as_azure_tells(deployment: Deployment, workspace: str, standard: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Resource id → what a GET would answer after the deployment.

    Args:
        deployment: what was deployed.
        workspace: the workspace's name.
        standard: Azure table → the columns that it has by itself.
    """
    kind = "Microsoft.OperationalInsights/workspaces"
    told: dict[str, Any] = {
        resource_id(kind, workspace): {"properties": {"customerId": "00000000-0000-4000-8000-000000000001"}}
    }
    for name, body in deployment.resources.items():
        properties = dict(body["properties"])
        if body["type"] == f"{kind}/tables":
            table = properties["schema"]["name"]
            standing = [{"name": each, "type": type_} for each, type_ in standard.get(table, {}).items()]
            # Azure gives names of types back in small letters.
            columns = [{**each, "type": each["type"].lower()} for each in properties["schema"]["columns"]]
            schema = {"name": table, "columns": columns, "standardColumns": standing}
            told[name] = {"properties": {"plan": "Analytics", **properties, "schema": schema}}
        elif body["type"] == "Microsoft.Insights/dataCollectionRules":
            made = deployment.properties(name, "")
            told[name] = {
                "kind": body["kind"],
                "location": body["location"],
                "properties": {**properties, "immutableId": made["immutableId"], "endpoints": made["endpoints"]},
            }
    return told
