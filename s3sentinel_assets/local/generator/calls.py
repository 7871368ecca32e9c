"""The AWS API calls the cast makes: names, parameters, responses and touched resources, as CloudTrail records them.

Belongs here: the catalogue. ``%(name)s`` marks what differs from event to event; ``cast`` says which values a
principal uses. Does not belong here: who calls what how often (``cast``) and the rest of a record (``cloudtrail``).
"""

from dataclasses import dataclass
from typing import Any

__all__ = ["CALLS", "Call"]


@dataclass(frozen=True)
class Call:
    """One API call.

    Attributes:
        service: host part of ``eventSource``.
        name: ``eventName``.
        read: ``readOnly``.
        request: ``requestParameters``.
        response: ``responseElements``.
        resources: (resource type, ARN) pairs.
        extra: ``additionalEventData``.
        data: a data event, not a management event.
        everywhere: belongs to a global service, whose events are recorded in us-east-1.
    """

    service: str
    name: str
    read: bool
    request: Any = None
    response: Any = None
    resources: tuple[tuple[str, str], ...] = ()
    extra: Any = None
    data: bool = False
    everywhere: bool = False


_S3_EXTRA = {
    "SignatureVersion": "SigV4",
    "CipherSuite": "ECDHE-RSA-AES128-GCM-SHA256",
    "bytesTransferredIn": 0,
    "AuthenticationMethod": "AuthHeader",
    "x-amz-id-2": "%(id2)s",
    "bytesTransferredOut": "%(size)s",
}
_BUCKET = ("AWS::S3::Bucket", "arn:aws:s3:::%(bucket)s")
_OBJECT = ("AWS::S3::Object", "arn:aws:s3:::%(bucket)s/%(object)s")
_ROLE = ("AWS::IAM::Role", "arn:aws:iam::%(account)s:role/%(role)s")
_KEY = ("AWS::KMS::Key", "arn:aws:kms:%(region)s:%(account)s:key/%(kms_key)s")
_TABLE = ("AWS::DynamoDB::Table", "arn:aws:dynamodb:%(region)s:%(account)s:table/%(table)s")
_CREDENTIALS = {
    "accessKeyId": "ASIA%(temporary)s",
    "sessionToken": "%(token)s",
    "expiration": "%(expires)s",
}


def _s3(name: str, read: bool, sub: str | None = None, **more: Any) -> Call:
    """A call on a bucket's configuration; ``sub`` is the sub-resource that S3 records as an empty parameter."""
    request = {"bucketName": "%(bucket)s", "Host": "%(bucket)s.s3.%(region)s.amazonaws.com"}
    return Call("s3", name, read, request | ({sub: ""} if sub else {}), resources=(_BUCKET,), extra=_S3_EXTRA, **more)


def _s3_data(name: str, read: bool) -> Call:
    request = {"bucketName": "%(bucket)s", "Host": "%(bucket)s.s3.%(region)s.amazonaws.com", "key": "%(object)s"}
    response = None if read else {"x-amz-server-side-encryption": "aws:kms"}
    return Call("s3", name, read, request, response, (_OBJECT, _BUCKET), _S3_EXTRA, data=True)


def _iam(name: str, read: bool, request: Any = None, response: Any = None, resources: Any = ()) -> Call:
    return Call("iam", name, read, request, response, resources, everywhere=True)


def _ec2(name: str, request: Any = None, read: bool = True, response: Any = None) -> Call:
    return Call("ec2", name, read, request, response)


_INSTANCES = {"instancesSet": {"items": [{"instanceId": "%(instance)s"}]}}
_EC2_OK = {"requestId": "%(request_id)s", "_return": True}
_FILTERS = {
    "maxResults": 100,
    "filterSet": {
        "items": [
            {"name": "tag:Environment", "valueSet": {"items": [{"value": "%(environment)s"}]}},
            {"name": "instance-state-name", "valueSet": {"items": [{"value": "running"}, {"value": "pending"}]}},
        ]
    },
}

_ALL = (
    # Identity
    Call("sts", "GetCallerIdentity", True),
    Call(
        "sts",
        "AssumeRole",
        True,
        {
            "roleArn": "arn:aws:iam::%(account)s:role/%(role)s",
            "roleSessionName": "%(role_session)s",
            "durationSeconds": 3600,
        },
        {
            "credentials": _CREDENTIALS,
            "assumedRoleUser": {
                "assumedRoleId": "AROA5FLEXAMPLE77SVC2Q:%(role_session)s",
                "arn": "arn:aws:sts::%(account)s:assumed-role/%(role)s/%(role_session)s",
            },
        },
        (_ROLE,),
    ),
    Call(
        "signin",
        "ConsoleLogin",
        False,
        None,
        {"ConsoleLogin": "Success"},
        extra={"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": "No"},
        everywhere=True,
    ),
    _iam("ListUsers", True, {"maxItems": 100}),
    _iam("ListRoles", True, {"maxItems": 100}),
    _iam("ListAttachedRolePolicies", True, {"roleName": "%(role)s"}, None, (_ROLE,)),
    _iam("GetRole", True, {"roleName": "%(role)s"}, None, (_ROLE,)),
    _iam("GetPolicyVersion", True, {"policyArn": "arn:aws:iam::%(account)s:policy/%(policy)s", "versionId": "v3"}),
    _iam("GetAccountSummary", True),
    _iam("GetAccountAuthorizationDetails", True, {"maxItems": 1000}),
    _iam("ListAccessKeys", True, {"userName": "%(user)s"}),
    _iam("GenerateCredentialReport", False, None, {"state": "COMPLETE"}),
    _iam("TagRole", False, {"roleName": "%(role)s", "tags": [{"key": "Büro", "value": "Zürich"}]}, None, (_ROLE,)),
    _iam(
        "UpdateAssumeRolePolicy",
        False,
        {
            "roleName": "%(role)s",
            "policyDocument": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":'
            '"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}',
        },
        None,
        (_ROLE,),
    ),
    _iam(
        "CreateUser",
        False,
        {"userName": "%(user)s"},
        {
            "user": {
                "path": "/",
                "userName": "%(user)s",
                "userId": "AIDA%(temporary)s7",
                "arn": "arn:aws:iam::%(account)s:user/%(user)s",
                "createDate": "%(written_time)s",
            }
        },
    ),
    _iam(
        "AttachUserPolicy",
        False,
        {"userName": "%(user)s", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    _iam(
        "CreateAccessKey",
        False,
        {"userName": "%(user)s"},
        {
            "accessKey": {
                "userName": "%(user)s",
                "accessKeyId": "AKIA%(temporary)s",
                "status": "Active",
                "createDate": "%(written_time)s",
            }
        },
    ),
    _iam("CreateLoginProfile", False, {"userName": "%(user)s", "passwordResetRequired": False}),
    # Compute and network
    _ec2("DescribeInstances", _INSTANCES | {"filterSet": {}}),
    _ec2("DescribeInstanceStatus", _FILTERS | {"includeAllInstances": True}),
    _ec2("DescribeSecurityGroups", _FILTERS),
    _ec2("DescribeVolumes", _FILTERS),
    _ec2("DescribeSnapshots", {"ownersSet": {"items": [{"owner": "self"}]}, "filterSet": {}, "maxResults": 200}),
    _ec2("DescribeNetworkInterfaces", _FILTERS),
    _ec2("DescribeVpcs", {"vpcSet": {}, "filterSet": {}}),
    _ec2("DescribeRouteTables", {"routeTableIdSet": {}, "filterSet": {}}),
    _ec2(
        "DescribeImages", {"executableBySet": {}, "imagesSet": {"items": [{"imageId": "%(image)s"}]}, "filterSet": {}}
    ),
    _ec2("DescribeRegions", {"allRegions": True, "regionSet": {}}),
    _ec2("GetConsoleOutput", {"instanceId": "%(instance)s", "latest": False}),
    _ec2(
        "CreateSnapshot",
        {"volumeId": "%(volume)s", "description": "nightly backup", "tagSpecificationSet": {}},
        False,
        {
            "requestId": "%(request_id)s",
            "snapshotId": "%(snapshot)s",
            "volumeId": "%(volume)s",
            "status": "pending",
            "startTime": "%(epoch)s000",
            "progress": "",
            "ownerId": "%(account)s",
            "volumeSize": "200",
            "encrypted": True,
        },
    ),
    _ec2(
        "ModifySnapshotAttribute",
        {
            "snapshotId": "%(snapshot)s",
            "createVolumePermission": {"add": {"items": [{"userId": "%(foreign_account)s"}]}},
            "attributeType": "CREATE_VOLUME_PERMISSION",
        },
        False,
        _EC2_OK,
    ),
    _ec2("StopInstances", _INSTANCES | {"force": False}, False, {"requestId": "%(request_id)s"} | _INSTANCES),
    _ec2(
        "CreateTags",
        {
            "resourcesSet": {"items": [{"resourceId": "%(instance)s"}]},
            "tagSet": {
                "items": [
                    {"key": "Environment", "value": "%(environment)s"},
                    {"key": "ManagedBy", "value": "terraform"},
                    {"key": "CostCenter", "value": "4711"},
                ]
            },
        },
        False,
        _EC2_OK,
    ),
    _ec2(
        "RunInstances",
        {
            "instancesSet": {"items": [{"imageId": "%(image)s", "minCount": 1, "maxCount": 1}]},
            "instanceType": "m6i.large",
            "blockDeviceMapping": {},
            "monitoring": {"enabled": False},
            "disableApiTermination": False,
            "iamInstanceProfile": {"name": "%(role)s"},
            "subnetId": "subnet-0b1c2d3e4f5a60718",
            "launchTemplate": {"launchTemplateId": "lt-0a9b8c7d6e5f40312", "version": "14"},
        },
        False,
        {
            "requestId": "%(request_id)s",
            "reservationId": "r-0%(hex16)s",
            "ownerId": "%(account)s",
            "groupSet": {},
            "instancesSet": {
                "items": [
                    {
                        "instanceId": "i-0%(hex16)s",
                        "imageId": "%(image)s",
                        "instanceState": {"code": 0, "name": "pending"},
                        "instanceType": "m6i.large",
                        "placement": {"availabilityZone": "%(region)sa", "tenancy": "default"},
                    }
                ]
            },
        },
    ),
    _ec2(
        "AuthorizeSecurityGroupIngress",
        {
            "groupId": "%(group)s",
            "ipPermissions": {
                "items": [
                    {
                        "ipProtocol": "tcp",
                        "fromPort": 443,
                        "toPort": 443,
                        "groups": {},
                        "ipRanges": {"items": [{"cidrIp": "10.20.0.0/16", "description": "inner load balancer"}]},
                    }
                ]
            },
        },
        False,
        _EC2_OK,
    ),
    Call("autoscaling", "DescribeAutoScalingGroups", True, {"maxRecords": 100}),
    Call("elasticloadbalancing", "DescribeTargetHealth", True, {"targetGroupArn": "%(target_group)s"}),
    Call("ecs", "DescribeServices", True, {"cluster": "%(cluster)s", "services": ["web", "orders"]}),
    Call(
        "ecs",
        "UpdateService",
        False,
        {"cluster": "%(cluster)s", "service": "orders", "forceNewDeployment": True},
        {
            "service": {
                "serviceName": "orders",
                "clusterArn": "arn:aws:ecs:%(region)s:%(account)s:cluster/%(cluster)s",
                "status": "ACTIVE",
                "desiredCount": 6,
                "runningCount": 6,
                "launchType": "FARGATE",
            }
        },
    ),
    Call("ecr", "GetAuthorizationToken", True),
    Call("ecr", "BatchGetImage", True, {"repositoryName": "%(repository)s", "imageIds": [{"imageTag": "%(hex16)s"}]}),
    Call("lambda", "GetFunction20150331v2", True, {"functionName": "%(function)s"}),
    Call("lambda", "UpdateFunctionCode20150331v2", False, {"functionName": "%(function)s", "publish": True}),
    Call("lambda", "Invoke", False, {"functionName": "%(function)s", "invocationType": "RequestResponse"}, data=True),
    Call("ssm", "UpdateInstanceInformation", False, {"instanceId": "%(instance)s", "agentVersion": "3.3.1611.0"}),
    Call(
        "ssm", "GetParametersByPath", True, {"path": "/%(environment)s/app/", "recursive": True, "withDecryption": True}
    ),
    Call("ssm", "StartSession", False, {"target": "%(instance)s"}, {"sessionId": "%(role_session)s-0%(hex16)s"}),
    # Data
    Call("s3", "ListBuckets", True, {"Host": "s3.%(region)s.amazonaws.com"}, extra=_S3_EXTRA),
    _s3("GetBucketLocation", True, "location"),
    _s3("GetBucketAcl", True, "acl"),
    _s3("GetBucketPolicy", True, "policy"),
    _s3("GetBucketEncryption", True, "encryption"),
    _s3("GetBucketVersioning", True, "versioning"),
    _s3("GetBucketLifecycle", True, "lifecycle"),
    _s3("ListObjects", True, "list-type", data=True),
    _s3_data("GetObject", True),
    _s3_data("PutObject", False),
    _s3_data("HeadObject", True),
    Call("dynamodb", "DescribeTable", True, {"tableName": "%(table)s"}, resources=(_TABLE,)),
    Call("rds", "DescribeDBInstances", True, {"maxRecords": 100}),
    Call("rds", "DescribeDBSnapshots", True, {"dBInstanceIdentifier": "%(database)s", "snapshotType": "automated"}),
    Call("secretsmanager", "ListSecrets", True, {"maxResults": 100}),
    Call("secretsmanager", "GetSecretValue", True, {"secretId": "%(secret)s"}),
    Call(
        "athena",
        "StartQueryExecution",
        False,
        {"queryString": "HIDDEN_DUE_TO_SECURITY_REASONS", "workGroup": "analysts"},
    ),
    Call("athena", "GetQueryResults", True, {"queryExecutionId": "%(request_id)s", "maxResults": 1000}),
    Call("glue", "GetTables", True, {"databaseName": "%(database)s"}),
    # Keys and watching
    Call(
        "kms",
        "Decrypt",
        True,
        {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": {"aws:s3:arn": "arn:aws:s3:::%(bucket)s"}},
        resources=(_KEY,),
    ),
    Call(
        "kms",
        "GenerateDataKey",
        True,
        {
            "keyId": "arn:aws:kms:%(region)s:%(account)s:key/%(kms_key)s",
            "keySpec": "AES_256",
            "encryptionContext": {"aws:s3:arn": "arn:aws:s3:::%(bucket)s"},
        },
        resources=(_KEY,),
    ),
    Call("logs", "DescribeLogGroups", True, {"logGroupNamePrefix": "/aws/%(environment)s/", "limit": 50}),
    Call(
        "logs",
        "CreateLogStream",
        False,
        {"logGroupName": "/aws/lambda/%(function)s", "logStreamName": "%(day)s/[$LATEST]%(hex16)s%(hex16)s"},
    ),
    Call("monitoring", "DescribeAlarms", True, {"stateValue": "ALARM", "maxRecords": 100}),
    Call("cloudtrail", "DescribeTrails", True, {"trailNameList": [], "includeShadowTrails": True}),
    Call("cloudtrail", "GetTrailStatus", True, {"name": "%(trail)s"}),
    Call("cloudtrail", "StopLogging", False, {"name": "%(trail)s"}),
    Call("cloudtrail", "DeleteTrail", False, {"name": "%(trail)s"}),
    Call("guardduty", "ListDetectors", True, {"maxResults": 50}),
    Call("config", "DescribeConfigurationRecorderStatus", True),
    Call("config", "PutEvaluations", False, {"evaluations": [], "resultToken": "%(id2)s", "testMode": False}),
    Call("organizations", "DescribeOrganization", True, everywhere=True),
    Call("health", "DescribeEventAggregates", True, {"aggregateField": "eventTypeCategory"}, everywhere=True),
    Call("ce", "GetCostAndUsage", True, {"granularity": "DAILY", "metrics": ["UnblendedCost"]}, everywhere=True),
)

#: ``service:name`` → call.
CALLS: dict[str, Call] = {f"{call.service}:{call.name}": call for call in _ALL}
