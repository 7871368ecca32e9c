"""What is left to do once the files are written, as commands for the people who may do it.

Belongs here: sentences and commands. Does not belong here: running any of them, printing (``cli``).
"""

import shlex
from pathlib import Path

from s3sentinel_assets.infra.aws.documents import DIRECT_BYTES, may_be_elsewhere, may_be_here, template_file
from s3sentinel_assets.infra.aws.names import ACCOUNT_PLACEHOLDER
from s3sentinel_assets.infra.aws.plan import Plan, ReadBucket

__all__ = ["next_steps"]


def next_steps(plan: Plan, folder: Path, files: dict[str, str]) -> list[str]:
    """What to do, in this order; each step is a sentence, with commands on lines of their own behind it."""
    steps = [_deploy(plan, folder, region, files) for region in plan.regions]
    for bucket in plan.buckets:
        if may_be_elsewhere(plan, bucket):
            steps.append(_of_another_account(plan, bucket))
        if bucket.woken:
            steps.append(_send(plan, folder, bucket))
    steps.append(
        "Where objects are encrypted with a KMS key: give its ARN in KmsKeyArns, and have its owner add the statement "
        "of kms-key-statement.json to the key's policy."
    )
    steps.append(
        f"Put the outputs into s3sentinel.yaml as their descriptions say:\n  {_outputs(plan, plan.home)}"
        + "".join(f"\n  {_outputs(plan, region)}" for region in plan.regions[1:])
    )
    if plan.account is None:
        steps.append(
            f"{ACCOUNT_PLACEHOLDER} in these files stands for the stack's account, which the configuration does not "
            "tell: give --account."
        )
    return steps


def _deploy(plan: Plan, folder: Path, region: str, files: dict[str, str]) -> str:
    name = template_file(plan, region)
    command = (
        f"aws cloudformation deploy --region {region} --stack-name {plan.name} "
        f"--template-file {shlex.quote(str(folder / name))}"
    )
    if region == plan.home:
        given = (
            "OidcSubject=system:serviceaccount:<namespace>:<name>"
            if plan.trust.issuer
            else f"TrustedPrincipalArn={plan.trust.principal or '<arn>'} ExternalId=<external id>"
        )
        command += f" --capabilities CAPABILITY_NAMED_IAM --parameter-overrides {given}"
    if len(files[name].encode()) > DIRECT_BYTES:
        command += " --s3-bucket <a bucket for templates>"
    return f"Deploy the stack of {region}:\n  {command}"


def _of_another_account(plan: Plan, bucket: ReadBucket) -> str:
    if bucket.is_access_point:
        return f"The owner ({bucket.owner}) of {bucket.name} allows the role in its policy and in that of its bucket."
    unless = "" if plan.account else ", unless that is the stack's account"
    return (
        f"The owner ({bucket.owner}) of {bucket.name} adds the statements of bucket-policy-{bucket.name}.json to the "
        f"bucket's policy{unless}."
    )


def _send(plan: Plan, folder: Path, bucket: ReadBucket) -> str:
    show = f"aws s3api get-bucket-notification-configuration --bucket {bucket.name}"
    put = f"aws s3api put-bucket-notification-configuration --bucket {bucket.name} --notification-configuration "
    direct = put + shlex.quote(f"file://{folder / f'notifications-{bucket.name}.json'}")
    merge = (
        "The command replaces all notifications of the bucket: if there are some, add them to the file before; they "
        f"are shown by\n  {show}"
    )
    if not may_be_here(plan, bucket):
        return f"The owner of {bucket.name} has S3 send to the queue:\n  {direct}\n{merge}"
    by_events = put + shlex.quote(f"file://{folder / f'eventbridge-{bucket.name}.json'}")
    return (
        f"Switch events on for {bucket.name}, for stacks with SendBy=EventBridge (the default):\n  {by_events}\n"
        f"or, with SendBy=S3 or a bucket of another account, have S3 send to the queue itself:\n  {direct}\n{merge}"
    )


def _outputs(plan: Plan, region: str) -> str:
    return f"aws cloudformation describe-stacks --region {region} --stack-name {plan.name} --query 'Stacks[0].Outputs'"
