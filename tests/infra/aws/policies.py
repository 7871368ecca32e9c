"""What CloudFormation makes of a template, and whether IAM allows a request: as much as the tests ask of either."""

import re
from typing import Any

ACCOUNT = "123456789012"
_GONE = object()


def resolve(
    template: dict[str, Any], *, region: str = "us-east-1", account: str = ACCOUNT, **parameters: Any
) -> dict[str, Any]:
    """The template's resources with every function carried out; those whose condition is false are left out."""
    known: dict[str, Any] = {
        name: value["Default"].split(",") if value["Type"] == "CommaDelimitedList" else value["Default"]
        for name, value in template["Parameters"].items()
        if "Default" in value
    }
    known |= {
        "AWS::AccountId": account,
        "AWS::Region": region,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
    }
    known |= {"AWS::NoValue": _GONE} | parameters
    resources = template["Resources"]

    def condition(value: Any) -> bool:
        if isinstance(value, str):
            return condition(template["Conditions"][value])
        (name, operand), *_ = value.items()
        if name == "Condition":
            return condition(operand)
        if name == "Fn::Not":
            return not condition(operand[0])
        if name == "Fn::And":
            return all(map(condition, operand))
        assert name == "Fn::Equals"
        return filled(operand[0]) == filled(operand[1])

    def attribute(logical: str) -> str:
        properties = resources[logical]["Properties"]
        if resources[logical]["Type"] == "AWS::SQS::Queue":
            return f"arn:aws:sqs:{region}:{account}:{properties['QueueName']}"
        assert "Condition" not in resources[logical] or condition(resources[logical]["Condition"])
        return f"arn:aws:events:{region}:{account}:rule/{logical}"

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [each for each in map(filled, value) if each is not _GONE]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            return known.get(value["Ref"], value["Ref"])
        if "Fn::GetAtt" in value:
            return attribute(value["Fn::GetAtt"][0])
        if "Fn::If" in value:
            name, yes, no = value["Fn::If"]
            return filled(yes if condition(name) else no)
        if "Fn::Join" in value:
            between, parts = value["Fn::Join"]
            return between.join(filled(parts))
        if "Fn::Sub" in value:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: known[found[1]], value["Fn::Sub"])
        return {
            name: each for name, each in ((name, filled(each)) for name, each in value.items()) if each is not _GONE
        }

    return {
        logical: filled(resource["Properties"])
        for logical, resource in resources.items()
        if "Condition" not in resource or condition(resource["Condition"])
    }


def like(pattern: str, text: str) -> bool:
    """Whether an IAM pattern matches: ``*`` is anything, ``?`` one character."""
    wild = {"*": ".*", "?": "."}
    return re.fullmatch("".join(wild.get(each) or re.escape(each) for each in pattern), text, re.DOTALL) is not None


def allows(policy: dict[str, Any], action: str, resource: str, **context: str) -> bool:
    """Whether a permissions policy (which denies nothing) allows a request. Names in ``context``: ``s3_prefix``…"""
    known = {name.replace("_", ":", 1).lower(): value for name, value in context.items()}
    return any(_allows(statement, action, resource, known) for statement in policy["Statement"])


def _allows(statement: dict[str, Any], action: str, resource: str, known: dict[str, str]) -> bool:
    assert statement["Effect"] == "Allow"
    if action not in statement["Action"] or not any(like(each, resource) for each in _list(statement["Resource"])):
        return False
    for operator, conditions in statement.get("Condition", {}).items():
        test = {"StringLike": like, "StringEquals": str.__eq__}[operator]
        for key, values in conditions.items():
            value = known.get(key.lower())
            if value is None or not any(test(each, value) for each in _list(values)):
                return False
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
