"""The CloudFormation template of one region: queues for its buckets, and in the home region the role.

Belongs here: putting parts together, and the outputs that go back into the configuration. Does not belong here: the
parts (``queues``, ``notifications``, ``role``).

Sources: CloudFormation user guide on templates; limits of a template that is given directly: 51,200 bytes.
"""

from typing import Any

from s3sentinel_assets.infra.aws.names import logical_id
from s3sentinel_assets.infra.aws.notifications import (
    SEND_PARAMETERS,
    by_rule_condition,
    rule_resources,
    send_conditions,
)
from s3sentinel_assets.infra.aws.plan import Plan
from s3sentinel_assets.infra.aws.queues import QUEUE_PARAMETERS, queue_resources
from s3sentinel_assets.infra.aws.role import role_conditions, role_parameters, role_resources

__all__ = ["build_template"]


def build_template(plan: Plan, region: str) -> dict[str, Any]:
    """The template for one of the plan's regions. The same plan gives the same template.

    Raises:
        UserError: IAM would not take the role.
    """
    parameters, conditions = dict[str, Any](), dict[str, Any]()
    resources, outputs = dict[str, Any](), dict[str, Any]()
    if region == plan.home:
        parameters |= role_parameters(plan)
        conditions |= role_conditions()
        resources |= role_resources(plan)
        outputs["RoleArn"] = {"Description": _role_words(plan), "Value": {"Fn::GetAtt": ["ConnectorRole", "Arn"]}}
    buckets = [bucket for bucket in plan.buckets if bucket.woken and bucket.region == region]
    if buckets:
        parameters |= SEND_PARAMETERS | QUEUE_PARAMETERS
        conditions |= send_conditions(buckets)
    for bucket in buckets:
        rules = rule_resources(bucket)
        resources |= rules | queue_resources(plan.name, bucket, by_rule_condition(bucket), list(rules))
        start = logical_id(bucket.name)
        keys = " and ".join(f"sources.{source}.queue_url" for source in bucket.woken)
        outputs[f"{start}QueueUrl"] = {
            "Description": _fitting(f"{keys} in s3sentinel.yaml"),
            "Value": {"Ref": f"{start}Queue"},
        }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"s3sentinel: what reads logs from S3 for Microsoft Sentinel, region {region}",
        "Metadata": {"s3sentinel": {"name": plan.name, "region": region, "sources": sorted(plan.sections)}},
        "Parameters": parameters,
        "Conditions": conditions,
        "Resources": resources,
        "Outputs": outputs,
    }


def _role_words(plan: Plan) -> str:
    """Where the role's ARN goes in the configuration, and what beside it."""
    sections = sorted(set(plan.sections.values()))
    beside = "web_identity_token_file" if plan.trust.issuer else "external_id = the parameter ExternalId"
    keys = " and ".join(f"{section}.role_arn" for section in sections)
    return _fitting(f"{keys} in s3sentinel.yaml, beside it {beside}")


def _fitting(text: str) -> str:
    """A description as long as CloudFormation takes one: 1,024 bytes; names and words here are ASCII."""
    return text if len(text) <= 1024 else f"{text[:1000]} and more"
