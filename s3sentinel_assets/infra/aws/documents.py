"""All files of a plan: templates, and what owners of buckets and keys put in place themselves.

Belongs here: which files there are, and their text. Does not belong here: writing them (``folder``).
"""

import json
from typing import Any

from s3sentinel_assets.infra.aws.notifications import EVENT_BRIDGE_ON, direct_configuration
from s3sentinel_assets.infra.aws.plan import Plan, ReadBucket
from s3sentinel_assets.infra.aws.role import bucket_policy, key_statement
from s3sentinel_assets.infra.aws.template import build_template

__all__ = ["DIRECT_BYTES", "documents", "may_be_elsewhere", "may_be_here", "rendered", "template_file"]


#: The longest template that CloudFormation takes without a detour by S3.
DIRECT_BYTES = 51_200


def rendered(document: dict[str, Any]) -> str:
    """A document as text; the same for the same document, ASCII only. Without white space where that lets it fit."""
    text = json.dumps(document, indent=2) + "\n"
    return text if len(text) <= DIRECT_BYTES else json.dumps(document, separators=(",", ":")) + "\n"


def template_file(plan: Plan, region: str) -> str:
    """The name of a region's template."""
    return f"{plan.name}-{region}.json"


def may_be_here(plan: Plan, bucket: ReadBucket) -> bool:
    """Whether the bucket may lie in the stack's own account."""
    return not (plan.account and bucket.owner and bucket.owner != plan.account)


def may_be_elsewhere(plan: Plan, bucket: ReadBucket) -> bool:
    """Whether the configuration says, or leaves open, that the bucket lies in another account than the stack."""
    return bucket.owner is not None and bucket.owner != plan.account


def documents(plan: Plan) -> dict[str, str]:
    """File name → text.

    Raises:
        UserError: IAM would not take the role.
    """
    files = {template_file(plan, region): rendered(build_template(plan, region)) for region in plan.regions}
    for bucket in plan.buckets:
        if bucket.woken:
            direct = direct_configuration(plan.name, plan.account, bucket)
            files[f"notifications-{bucket.name}.json"] = rendered(direct)
            if may_be_here(plan, bucket):
                files[f"eventbridge-{bucket.name}.json"] = rendered(EVENT_BRIDGE_ON)
        if may_be_elsewhere(plan, bucket) and not bucket.is_access_point:
            files[f"bucket-policy-{bucket.name}.json"] = rendered(bucket_policy(plan, bucket))
    files["kms-key-statement.json"] = rendered(key_statement(plan))
    return files
