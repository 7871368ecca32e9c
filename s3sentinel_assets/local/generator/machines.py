"""The machines of the cast: workloads, pipelines, a scanner, a backup user and AWS services.

Belongs here: their habits as tables. Does not belong here: what a principal is and who the people are (``cast``).
"""

from s3sentinel_assets.local.generator.cast import PROD, SECURITY, STAGING, Principal, estate

__all__ = ["machines", "services"]

_BOTO = (
    "Boto3/1.40.{minor} md/Botocore#1.40.{minor} ua/2.1 os/linux#6.1.153-175.280.amzn2023.x86_64 md/arch#x86_64 "
    "lang/python#3.12.11 md/pyimpl#CPython m/Z,b,D cfg/retry-mode#standard Botocore/1.40.{minor}"
)
_JAVA = (
    "aws-sdk-java/2.33.4 md/io#async md/http#NettyNio md/internal ua/2.1 os/Linux#6.1.153 lang/java#21.0.8 "
    "md/OpenJDK_64-Bit_Server_VM#21.0.8+9-LTS md/vendor#Amazon.com_Inc. md/en m/D,F,N"
)
_TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) terraform-provider-aws/6.15.0 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.24.6"
)
_SSM_AGENT = "aws-sdk-go/1.55.5 (go1.23.9; linux; amd64) amazon-ssm-agent/3.3.1611.0"
_BACKUP = "aws-cli/1.42.40 Python/3.9.23 Linux/5.10.242-239.961.amzn2.x86_64 botocore/1.40.40"

_ORDERS: dict[str, float] = {
    "kms:Decrypt": 6,
    "secretsmanager:GetSecretValue": 1,
    "s3:PutObject": 6,
    "s3:GetObject": 8,
    "sts:AssumeRole": 0.5,
}
_ETL: dict[str, float] = {
    "s3:ListObjects": 3,
    "s3:GetObject": 12,
    "s3:PutObject": 5,
    "glue:GetTables": 2,
    "kms:GenerateDataKey": 4,
}
_LAMBDA: dict[str, float] = {"logs:CreateLogStream": 3, "kms:Decrypt": 4, "s3:GetObject": 3, "lambda:Invoke": 2}
_WEB: dict[str, float] = {"s3:GetObject": 10, "s3:HeadObject": 3, "kms:Decrypt": 2, "ssm:GetParametersByPath": 0.5}
_TERRAFORM_CALLS: dict[str, float] = {
    "ec2:DescribeInstances": 6,
    "ec2:DescribeSecurityGroups": 8,
    "ec2:DescribeVpcs": 5,
    "ec2:DescribeRouteTables": 5,
    "ec2:DescribeImages": 3,
    "autoscaling:DescribeAutoScalingGroups": 3,
    "elasticloadbalancing:DescribeTargetHealth": 3,
    "iam:GetRole": 8,
    "iam:ListAttachedRolePolicies": 6,
    "iam:GetPolicyVersion": 5,
    "s3:GetBucketAcl": 4,
    "s3:GetBucketPolicy": 4,
    "s3:GetBucketVersioning": 4,
    "s3:GetBucketEncryption": 4,
    "dynamodb:DescribeTable": 3,
    "sts:GetCallerIdentity": 2,
    "ec2:CreateTags": 1.5,
    "iam:TagRole": 0.6,
    "ec2:RunInstances": 0.3,
    "lambda:UpdateFunctionCode20150331v2": 0.6,
}
_GITHUB: dict[str, float] = {
    "ecr:GetAuthorizationToken": 3,
    "ecr:BatchGetImage": 6,
    "ecs:UpdateService": 2,
    "ecs:DescribeServices": 8,
    "sts:GetCallerIdentity": 1,
}
_SCANNER: dict[str, float] = dict.fromkeys(
    (
        "s3:GetBucketAcl",
        "s3:GetBucketPolicy",
        "s3:GetBucketEncryption",
        "s3:GetBucketVersioning",
        "s3:GetBucketLifecycle",
        "s3:GetBucketLocation",
        "iam:GetRole",
        "iam:ListAttachedRolePolicies",
        "iam:GetPolicyVersion",
        "iam:GetAccountSummary",
        "iam:ListAccessKeys",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumes",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeNetworkInterfaces",
        "rds:DescribeDBInstances",
        "rds:DescribeDBSnapshots",
        "secretsmanager:ListSecrets",
        "guardduty:ListDetectors",
        "cloudtrail:GetTrailStatus",
        "config:DescribeConfigurationRecorderStatus",
    ),
    1.0,
)
_SCANNER_ERRORS = {
    "s3:GetBucketPolicy": (0.5, "NoSuchBucketPolicy"),
    "s3:GetBucketLifecycle": (0.5, "NoSuchLifecycleConfiguration"),
    "secretsmanager:ListSecrets": (1.0, "AccessDenied"),
}
_BACKUP_CALLS: dict[str, float] = {"ec2:DescribeVolumes": 3, "ec2:CreateSnapshot": 2, "ec2:DescribeSnapshots": 3}
_BUILDERS = ("198.18.4.20", "198.18.4.21")


def _fleet(
    seed: int,
    role: str,
    account: str,
    rate: float,
    calls: dict[str, float],
    agent: str,
    burst: float = 1,
    bucket: str = "",
) -> Principal:
    """A role on a handful of instances, each with its own address and the instance id as session name."""
    first = sum(map(ord, role + account))
    instances = estate(seed, account)["instance"]
    chosen = tuple(instances[(first + step) % len(instances)] for step in range(3))
    return Principal(
        name=" ".join(chosen),
        kind="instance",
        account=account,
        role=role,
        rate=rate,
        calls=calls,
        networks=tuple(f"10.20.{first % 200}.{10 + step}" for step in range(3)),
        agents=(agent.format(minor=first % 30),),
        burst=burst,
        own={"instance": chosen} | ({"bucket": (bucket,)} if bucket else {}),
    )


def machines(seed: int) -> list[Principal]:
    """Everything that calls AWS without a person behind it, except AWS itself."""
    return [
        _fleet(seed, "app-orders", PROD, 110, _ORDERS, _JAVA, bucket="acme-prod-customer-exports"),
        _fleet(seed, "app-web", PROD, 60, _WEB, _BOTO, bucket="acme-prod-app-assets"),
        _fleet(seed, "batch-etl", PROD, 90, _ETL, _BOTO, burst=0.3, bucket="acme-prod-data-lake"),
        _fleet(seed, "ssm-agent", PROD, 40, {"ssm:UpdateInstanceInformation": 1}, _SSM_AGENT),
        _fleet(seed, "app-orders", STAGING, 35, _ORDERS, _JAVA, bucket="acme-staging-customer-exports"),
        _fleet(seed, "ssm-agent", STAGING, 20, {"ssm:UpdateInstanceInformation": 1}, _SSM_AGENT),
        Principal(
            "billing-close", "role", PROD, "lambda-billing", 50, _LAMBDA, ("198.18.6.11",), (_BOTO.format(minor=12),)
        ),
        Principal(
            "terraform-cloud", "role", PROD, "deploy", 80, _TERRAFORM_CALLS, _BUILDERS, (_TERRAFORM,), burst=0.15
        ),
        Principal(
            "terraform-cloud", "role", STAGING, "deploy", 60, _TERRAFORM_CALLS, _BUILDERS, (_TERRAFORM,), burst=0.2
        ),
        Principal(
            "GitHubActions",
            "oidc",
            STAGING,
            "github-actions",
            40,
            _GITHUB,
            ("198.19.30.7", "198.19.31.99", "198.19.32.18"),
            (_BOTO.format(minor=41),),
            burst=0.25,
        ),
        Principal(
            "posture-scan",
            "role",
            SECURITY,
            "posture-scanner",
            60,
            _SCANNER,
            ("198.18.9.50",),
            (_BOTO.format(minor=3),),
            burst=0.3,
            errors=_SCANNER_ERRORS,
        ),
        Principal(
            "backup-operator",
            "user",
            PROD,
            "",
            24,
            _BACKUP_CALLS,
            ("198.18.7.5",),
            (_BACKUP,),
            burst=0.3,
            regions={"us-east-1": 1.0},
        ),
    ]


def services() -> list[Principal]:
    """AWS's own calls: roles handed to instances and functions, log delivery with its endless denials."""

    def service(name: str, account: str, rate: float, calls: dict[str, float], **errors: float) -> Principal:
        return Principal(
            name,
            "service",
            account,
            "",
            rate,
            calls,
            (name,),
            (name,),
            errors={call.replace("_", ":"): (share, "AccessDenied") for call, share in errors.items()},
        )

    return [
        service("ec2.amazonaws.com", PROD, 25, {"sts:AssumeRole": 1}),
        service("lambda.amazonaws.com", PROD, 20, {"sts:AssumeRole": 1}),
        service("ecs-tasks.amazonaws.com", STAGING, 15, {"sts:AssumeRole": 1}),
        service("cloudtrail.amazonaws.com", SECURITY, 12, {"s3:GetBucketAcl": 1, "kms:GenerateDataKey": 4}),
        service("delivery.logs.amazonaws.com", SECURITY, 20, {"s3:PutObject": 1}, s3_PutObject=0.9),
        service("config.amazonaws.com", PROD, 15, {"sts:AssumeRole": 2, "config:PutEvaluations": 1}),
    ]
