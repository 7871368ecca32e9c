"""The calls there are: every API of the usual AWS services, named as CloudTrail names it, from botocore's models.

Belongs here: names, whether a call only reads, whether it is a data event, whether its service is global, how common it
is within its service. Does not belong here: who calls what, parameters (``requests``).

The models ship with botocore, so nothing here was chosen with an eye to what intruders do: whatever they call is in the
vocabulary because AWS offers it.
"""

import functools
from dataclasses import dataclass

import numpy as np
from botocore.loaders import Loader

from evaluation.background.draws import Integers, rng_for, words

__all__ = ["SERVICES", "Vocabulary", "vocabulary"]

#: Name in botocore → source in CloudTrail, where they differ.
_SOURCES = {
    "cloudwatch": "monitoring",
    "elbv2": "elasticloadbalancing",
    "stepfunctions": "states",
    "efs": "elasticfilesystem",
    "emr": "elasticmapreduce",
    "opensearch": "es",
    "resourcegroupstaggingapi": "tagging",
    "service-quotas": "servicequotas",
    "wafv2": "wafv2",
    "ecr": "ecr",
    "bedrock-runtime": "bedrock",
    "sso-admin": "sso",
    "accessanalyzer": "access-analyzer",
    "application-autoscaling": "application-autoscaling",
    "sesv2": "ses",
    "apigatewayv2": "apigateway",
    "logs": "logs",
}
#: Services by botocore's name, in the order of how much an ordinary company uses them.
SERVICES: tuple[str, ...] = words(
    "ec2 s3 iam sts kms lambda logs cloudwatch dynamodb ssm secretsmanager ecs ecr rds cloudformation sqs sns "
    "elbv2 autoscaling events stepfunctions apigateway cloudtrail config route53 acm eks glue athena kinesis "
    "firehose cloudfront wafv2 backup guardduty securityhub organizations ce budgets elasticache es "
    "opensearch efs batch codebuild codepipeline codedeploy codecommit redshift emr sagemaker bedrock "
    "bedrock-runtime quicksight cognito-idp sso-admin identitystore inspector2 macie2 accessanalyzer "
    "resourcegroupstaggingapi resource-groups servicecatalog service-quotas support health xray synthetics "
    "appsync amplify mq kafka fsx transfer datasync dms storagegateway workspaces ses sesv2 connect "
    "lakeformation elasticbeanstalk imagebuilder license-manager ram network-firewall route53resolver "
    "directconnect globalaccelerator shield account iot kendra comprehend rekognition textract s3control "
    "acm-pca ds detective fms auditmanager compute-optimizer savingsplans application-autoscaling "
    "ec2-instance-connect memorydb grafana amp appconfig apprunner scheduler apigatewayv2"
)
_GLOBAL = ("iam", "organizations", "cloudfront", "route53", "account", "shield", "ce", "budgets", "support", "health")
_READ_VERBS = (
    "Get", "List", "Describe", "Head", "BatchGet", "BatchDescribe", "Search", "Lookup", "Query", "Scan", "Select",
    "Check", "Test", "Validate", "Simulate", "Preview", "Estimate", "Filter", "Detect", "Retrieve", "View", "Discover",
    "Receive", "Count", "Resolve",
)  # fmt: skip
# Reads that AWS logs as such although their names do not say so.
_READS = {"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML", "kms:Decrypt", "kms:Encrypt",
          "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt", "kms:Sign", "kms:Verify",
          "bedrock:InvokeModel", "bedrock:Converse", "rds:DownloadDBLogFilePortion"}  # fmt: skip
# … and what it logs as a change.
_WRITES = {"sts:GetFederationToken"}
_LAMBDA_V2 = ("AddPermission", "GetFunction", "GetFunctionConfiguration", "GetPolicy", "RemovePermission",
              "TagResource", "UpdateFunctionCode", "UpdateFunctionConfiguration")  # fmt: skip
_S3_NAMES = {"ListObjectsV2": "ListObjects", "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
             "GetBucketLifecycleConfiguration": "GetBucketLifecycle",
             "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
             "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
             "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
             "PutBucketNotificationConfiguration": "PutBucketNotification",
             "GetBucketNotificationConfiguration": "GetBucketNotification"}  # fmt: skip
_S3_DATA = ("GetObject", "PutObject", "DeleteObject", "DeleteObjects", "HeadObject", "ListObjects", "CopyObject",
            "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObjectTagging", "HeadBucket",
            "GetObjectAttributes", "ListParts", "PutObjectTagging", "GetObjectAcl", "PutObjectAcl")  # fmt: skip
# Calls on single items: data events, of which request parameters matter to nobody here.
_ITEMS = {
    "dynamodb": ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"),
    "lambda": ("Invoke",),
    "sqs": ("SendMessage", "ReceiveMessage", "DeleteMessage", "SendMessageBatch", "DeleteMessageBatch"),
    "sns": ("Publish", "PublishBatch"),
    "kinesis": ("PutRecord", "PutRecords", "GetRecords", "GetShardIterator"),
    "bedrock": ("InvokeModelWithResponseStream",),
    "s3": _S3_DATA,
    "monitoring": ("PutMetricData",),
    "events": ("PutEvents",),
    "states": ("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"),
    "ses": ("SendEmail", "SendRawEmail", "SendTemplatedEmail", "SendBulkEmail"),
    "firehose": ("PutRecord", "PutRecordBatch"),
    "logs": ("PutLogEvents",),
    "xray": ("PutTraceSegments", "PutTelemetryRecords"),
}
#: What consoles and tools ask first; the rest of a service follows in an order drawn once.
_COMMON = {
    "ec2": "DescribeInstances DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeVolumes DescribeImages "
    "DescribeInstanceStatus DescribeTags DescribeRegions DescribeAvailabilityZones DescribeNetworkInterfaces "
    "DescribeSnapshots DescribeAddresses DescribeRouteTables DescribeKeyPairs DescribeAccountAttributes",
    "s3": "ListBuckets GetBucketLocation ListObjects GetObject GetBucketPolicy GetBucketVersioning GetBucketEncryption",
    "iam": "ListRoles GetRole ListPolicies ListUsers GetPolicy GetPolicyVersion ListAttachedRolePolicies "
    "ListAccountAliases "
    "GetAccountSummary ListRolePolicies ListInstanceProfiles",
    "sts": "GetCallerIdentity AssumeRole",
    "kms": "ListAliases DescribeKey ListKeys Decrypt GenerateDataKey",
    "lambda": "ListFunctions20150331 GetFunction20150331v2 GetFunctionConfiguration20150331v2 ListTags20170331",
    "logs": "DescribeLogGroups DescribeLogStreams GetLogEvents StartQuery GetQueryResults FilterLogEvents",
    "monitoring": "GetMetricData DescribeAlarms ListMetrics GetMetricStatistics ListDashboards",
    "ssm": "GetParameter GetParameters DescribeInstanceInformation DescribeParameters GetParametersByPath",
    "secretsmanager": "ListSecrets DescribeSecret GetSecretValue",
    "cloudformation": "DescribeStacks ListStacks DescribeStackEvents DescribeStackResources GetTemplate",
    "rds": "DescribeDBInstances DescribeDBClusters DescribeDBSnapshots DescribeDBSubnetGroups",
    "cloudtrail": "LookupEvents DescribeTrails GetTrailStatus",
    "ce": "GetCostAndUsage GetCostForecast",
    "elasticloadbalancing": "DescribeLoadBalancers DescribeTargetGroups DescribeTargetHealth DescribeListeners",
    "ecs": "DescribeServices DescribeTasks ListTasks ListServices DescribeClusters DescribeTaskDefinition",
}
#: The same for what changes something: what people and tools do most.
_COMMON_WRITES = {
    "ec2": "CreateTags RunInstances StartInstances StopInstances TerminateInstances AuthorizeSecurityGroupIngress "
    "CreateSecurityGroup CreateNetworkInterface RevokeSecurityGroupIngress CreateSnapshot ModifyInstanceAttribute",
    "s3": (
        "PutBucketPolicy CreateBucket PutBucketTagging PutBucketPublicAccessBlock PutBucketEncryption "
        "PutBucketLifecycle"
    ),
    "iam": "CreateRole PutRolePolicy AttachRolePolicy CreatePolicyVersion TagRole UpdateAssumeRolePolicy CreatePolicy "
    "DetachRolePolicy DeleteRolePolicy CreateServiceLinkedRole CreateInstanceProfile AddRoleToInstanceProfile",
    "lambda": "UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 CreateFunction20150331 "
    "AddPermission20150331v2 PublishVersion20150331",
    "ecs": "RegisterTaskDefinition UpdateService RunTask",
    "ssm": "PutParameter StartSession SendCommand",
    "logs": "CreateLogStream CreateLogGroup PutRetentionPolicy",
    "cloudformation": "CreateChangeSet ExecuteChangeSet UpdateStack CreateStack",
    "monitoring": "PutMetricAlarm PutDashboard",
    "rds": "ModifyDBInstance CreateDBSnapshot AddTagsToResource",
    "secretsmanager": "PutSecretValue CreateSecret UpdateSecret",
    "kms": "CreateGrant EnableKeyRotation CreateKey PutKeyPolicy",
    "elasticloadbalancing": "ModifyListener RegisterTargets ModifyTargetGroup",
}


@dataclass(frozen=True)
class Vocabulary:
    """All calls, as arrays that are parallel; a call is known by its place in them.

    Attributes:
        names: ``service:EventName``.
        services: the service of each.
        operations: botocore's service and operation, which say what parameters there are.
        read: whether the call only reads.
        data: whether it is a data event.
        everywhere: whether its service has one endpoint for the world, so that it is logged in us-east-1.
        rank: place among the reads, or among the writes, of its service, the most common first.
    """

    names: tuple[str, ...]
    services: tuple[str, ...]
    operations: tuple[tuple[str, str], ...]
    read: np.ndarray
    data: np.ndarray
    everywhere: np.ndarray
    rank: Integers
    code: dict[str, int]

    def codes(self, names: str) -> Integers:
        """Places of the calls in a text that separates them by blanks."""
        return np.array([self.code[name] for name in names.split()], dtype=np.int64)

    def of(self, service: str, *, read: bool) -> Integers:
        """Management calls of a service, the most common first."""
        return self._by_service.get((service, read), np.empty(0, dtype=np.int64))

    @functools.cached_property
    def _by_service(self) -> dict[tuple[str, bool], Integers]:
        found: dict[tuple[str, bool], list[int]] = {}
        for place, service in enumerate(self.services):
            if not self.data[place]:
                found.setdefault((service, bool(self.read[place])), []).append(place)
        return {key: np.array(sorted(places, key=lambda at: self.rank[at])) for key, places in found.items()}


def _event_name(source: str, operation: str, path: str) -> str:
    if source == "s3":
        return _S3_NAMES.get(operation, operation)
    if source == "lambda" and operation != "Invoke":
        # Lambda's event names carry the version of the API, as its paths do: /2015-03-31/functions.
        return operation + path[1:11].replace("-", "") + ("v2" if operation in _LAMBDA_V2 else "")
    return operation


@functools.cache
def vocabulary() -> Vocabulary:
    """All calls; the order is fixed for a version of botocore."""
    loader = Loader()
    entries: dict[str, tuple[str, tuple[str, str]]] = {}
    for service in SERVICES:
        model = loader.load_service_model(service, "service-2")
        source = _SOURCES.get(service, service)
        for operation in sorted(model["operations"]):
            path = model["operations"][operation].get("http", {}).get("requestUri", "/")
            name = f"{source}:{_event_name(source, operation, path)}"
            entries.setdefault(name, (source, (service, operation)))
    for name in ("signin:ConsoleLogin", "signin:SwitchRole", "signin:GetSigninToken", "sso:Authenticate",
                 "sso:Federate", "health:DescribeEventAggregates"):  # fmt: skip
        entries.setdefault(name, (name.partition(":")[0], ("", name.partition(":")[2])))
    names = tuple(entries)
    services = tuple(source for source, _ in entries.values())
    calls = [name.partition(":")[2] for name in names]
    read = np.array(
        [
            name in _READS or (call.startswith(_READ_VERBS) and name not in _WRITES)
            for name, call in zip(names, calls, strict=True)
        ]
    )
    data = np.array([call in _ITEMS.get(service, ()) for service, call in zip(services, calls, strict=True)])
    order = rng_for(0, "order of calls").permutation(len(names))
    common = {
        f"{service}:{call}": place
        for listing in (_COMMON, _COMMON_WRITES)
        for service, listed in listing.items()
        for place, call in enumerate(listed.split())
    }
    rank = np.array([common.get(name, 1_000 + int(order[place])) for place, name in enumerate(names)], dtype=np.int64)
    return Vocabulary(
        names=names,
        services=services,
        operations=tuple(operation for _, operation in entries.values()),
        read=read,
        data=data,
        everywhere=np.isin(np.array(services), _GLOBAL),
        rank=rank,
        code={name: place for place, name in enumerate(names)},
    )
