"""Shapes that parameters take in CloudTrail: every call that shares something, conditions, ports, patterns, dates."""

import fnmatch
import json

import pytest

from s3sentinel_assets.ml.priority.sensitivity import SensitivityRule
from tests.ml.priority.calls import ACCOUNT, FOREIGN, added, bucket, ingress, level, levels, policy, trust
from tests.ml.priority.judged import SENSITIVITY

ROOT_OF_FOREIGN = f"arn:aws:iam::{FOREIGN}:root"
KEY_OF_FOREIGN = f"arn:aws:kms:eu-west-1:{FOREIGN}:key/x"
STREAM_OF_FOREIGN = f"arn:aws:kinesis:eu-west-1:{FOREIGN}:stream/x"
DOCUMENT = json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": ROOT_OF_FOREIGN}, "Action": "*"}]})
GRANTED = {
    "Owner": {"ID": "a" * 64},
    "AccessControlList": {"Grant": [{"Grantee": {"ID": "b" * 64}, "Permission": "READ"}]},
}
RULE = {"Destination": {"Bucket": "arn:aws:s3:::copy", "Account": FOREIGN}, "Status": "Enabled"}

#: What each action that can share something looks like when it does so with another account.
SHARED = {
    "iam:CreateRole": {"assumeRolePolicyDocument": DOCUMENT},
    "iam:UpdateAssumeRolePolicy": {"policyDocument": DOCUMENT},
    "logs:PutSubscriptionFilter": {"destinationArn": STREAM_OF_FOREIGN},
    "logs:PutDestinationPolicy": {"accessPolicy": DOCUMENT},
    "logs:PutAccountPolicy": {"policyDocument": json.dumps({"DestinationArn": STREAM_OF_FOREIGN})},
    "s3:PutBucketPolicy": {"bucketPolicy": json.loads(DOCUMENT)},
    "s3:PutBucketAcl": {"AccessControlPolicy": GRANTED},
    "s3:PutAccessPointPolicy": {"PutAccessPointPolicyRequest": {"Policy": DOCUMENT}},
    "s3:PutMultiRegionAccessPointPolicy": {"request": {"Details": {"Name": "x", "Policy": DOCUMENT}}},
    "s3:PutBucketReplication": {"ReplicationConfiguration": {"Rule": RULE}},
    "s3:PutBucketEncryption": {"ServerSideEncryptionConfiguration": {"KMSMasterKeyID": KEY_OF_FOREIGN}},
    "lambda:AddPermission": {"principal": FOREIGN, "action": "lambda:InvokeFunction"},
    "lambda:AddLayerVersionPermission": {"principal": FOREIGN, "action": "lambda:GetLayerVersion"},
    "sqs:AddPermission": {"aWSAccountIds": [FOREIGN], "actions": ["*"]},
    "sqs:SetQueueAttributes": {"attributes": {"Policy": DOCUMENT}},
    "sns:AddPermission": {"aWSAccountId": [FOREIGN], "actionName": ["Publish"]},
    "sns:SetTopicAttributes": {"attributeName": "Policy", "attributeValue": DOCUMENT},
    "ecr:SetRepositoryPolicy": {"policyText": DOCUMENT},
    "ecr:PutRegistryPolicy": {"policyText": DOCUMENT},
    "ecr-public:SetRepositoryPolicy": {"policyText": DOCUMENT},
    "kms:PutKeyPolicy": {"policy": DOCUMENT},
    "kms:CreateKey": {"policy": DOCUMENT},
    "kms:CreateGrant": {"granteePrincipal": f"arn:aws:iam::{FOREIGN}:user/x", "operations": ["Decrypt"]},
    "secretsmanager:PutResourcePolicy": {"resourcePolicy": DOCUMENT},
    "es:CreateElasticsearchDomain": {"accessPolicies": DOCUMENT},
    "es:UpdateElasticsearchDomainConfig": {"accessPolicies": DOCUMENT},
    "es:CreateDomain": {"accessPolicies": DOCUMENT},
    "es:UpdateDomainConfig": {"accessPolicies": DOCUMENT},
    "aoss:CreateAccessPolicy": {"policy": json.dumps([{"Rules": [], "Principal": [ROOT_OF_FOREIGN]}])},
    "aoss:UpdateAccessPolicy": {"policy": [{"Rules": [], "Principal": [ROOT_OF_FOREIGN]}]},
    "glue:PutResourcePolicy": {"policyInJson": DOCUMENT},
    "dynamodb:PutResourcePolicy": {"policy": DOCUMENT},
    "kinesis:PutResourcePolicy": {"policy": DOCUMENT},
    "elasticfilesystem:PutFileSystemPolicy": {"policy": DOCUMENT},
    "backup:PutBackupVaultAccessPolicy": {"policy": DOCUMENT},
    "events:PutPermission": {"principal": FOREIGN, "action": "events:PutEvents"},
    "events:PutResourcePolicy": {"policy": DOCUMENT},
    "logs:PutResourcePolicy": {"policyDocument": DOCUMENT},
    "glacier:SetVaultAccessPolicy": {"policy": {"policy": DOCUMENT}},
    "codeartifact:PutDomainPermissionsPolicy": {"policyDocument": DOCUMENT},
    "apigateway:UpdateRestApi": {"patchOperations": [{"op": "replace", "path": "/policy", "value": DOCUMENT}]},
    "apigateway:CreateRestApi": {"createRestApiInput": {"policy": DOCUMENT}},
    "redshift:PutResourcePolicy": {"policy": DOCUMENT},
    "mediastore:PutContainerPolicy": {"policy": DOCUMENT},
    "ses:PutIdentityPolicy": {"policy": DOCUMENT},
    "acm-pca:PutPolicy": {"policy": DOCUMENT},
    "cloudtrail:PutResourcePolicy": {"resourcePolicy": DOCUMENT},
    "ec2:ModifyVpcEndpoint": {"ModifyVpcEndpointRequest": {"PolicyDocument": DOCUMENT}},
    "lex:CreateResourcePolicy": {"policy": DOCUMENT},
    "ram:CreateResourceShare": {"principals": [FOREIGN]},
    "ram:AssociateResourceShare": {"principals": [FOREIGN]},
    "ram:UpdateResourceShare": {"allowExternalPrincipals": True},
    "ec2:ModifyImageAttribute": {"launchPermission": {"add": {"items": [{"userId": FOREIGN}]}}},
    "ec2:ModifySnapshotAttribute": added(userId=FOREIGN),
    "ec2:ModifyFpgaImageAttribute": {"loadPermission": {"add": {"items": [{"userId": FOREIGN}]}}},
    "rds:ModifyDBSnapshotAttribute": {"attributeName": "restore", "valuesToAdd": [FOREIGN]},
    "rds:ModifyDBClusterSnapshotAttribute": {"attributeName": "restore", "valuesToAdd": [FOREIGN]},
    "redshift:AuthorizeSnapshotAccess": {"snapshotIdentifier": "s", "accountWithRestoreAccess": FOREIGN},
    "redshift:AuthorizeDataShare": {"dataShareArn": "x", "consumerIdentifier": FOREIGN},
    "ssm:ModifyDocumentPermission": {"permissionType": "Share", "accountIdsToAdd": [FOREIGN]},
    "imagebuilder:PutImagePolicy": {"policy": DOCUMENT},
    "ec2:CreateVpcPeeringConnection": {"vpcId": "vpc-1", "peerVpcId": "vpc-2", "peerOwnerId": FOREIGN},
    "ec2:CreateTransitGatewayPeeringAttachment": {"Request": {"TransitGatewayId": "t", "PeerAccountId": FOREIGN}},
    "ec2:ModifyVpcEndpointServicePermissions": {
        "Request": {"AddAllowedPrincipals": {"tag": 1, "content": ROOT_OF_FOREIGN}}
    },
}


def asks(rule: SensitivityRule, name: str) -> bool:
    """Whether any condition of a rule is a certain check."""
    return any(f'"check":"{name}"' in condition.model_dump_json(by_alias=True) for condition in rule.when)


#: The rules that ask whether something goes to another account, but for the one that asks where a copy comes from.
SHARING = [
    rule
    for rule in SENSITIVITY.rules
    if (asks(rule, "foreign_account") or asks(rule, "foreign_arn")) and rule.id != "snapshot-to-region"
]


@pytest.mark.parametrize("rule", SHARING, ids=lambda rule: rule.id)
def test_every_action_of_a_sharing_rule_can_share(rule):
    for pattern in rule.actions:
        named = [action for action in SHARED if fnmatch.fnmatchcase(action, pattern)]
        assert named, f"{pattern} has no case in SHARED"
        assert levels([(action, SHARED[action], {}) for action in named]) == [(rule.level, rule.id)] * len(named)
        # The same within the account is less.
        own = {action: json.loads(json.dumps(SHARED[action]).replace(FOREIGN, ACCOUNT)) for action in named}
        told = [(action, given, {}) for action, given in own.items() if given != SHARED[action]]
        assert all(less < rule.level for less, _ in levels(told))


def image(**who) -> dict:
    return {"imageId": "ami-1", "launchPermission": {"add": {"items": [who]}}}


def trail(*fields: dict) -> dict:
    return {"advancedEventSelectors": [{"name": "m", "fieldSelectors": [MANAGEMENT, *fields]}]}


def basic(*selectors: tuple[str, bool]) -> dict:
    return {"eventSelectors": [{"readWriteType": kind, "includeManagementEvents": kept} for kind, kept in selectors]}


MANAGEMENT = {"field": "eventCategory", "equals": ["Management"]}
DATA = {"fieldSelectors": [{"field": "eventCategory", "equals": ["Data"]}, {"field": "readOnly", "equals": ["true"]}]}
PUBLIC_GRANT = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
ENDPOINT = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})


def lifecycle(*rules: dict, name: str = "org-audit") -> dict:
    # One rule is no list: so CloudTrail makes of XML.
    given = list(rules)
    return {"bucketName": name, "LifecycleConfiguration": {"Rule": given if len(given) > 1 else given[0]}}


def enabled(**what) -> dict:
    return {"Status": "Enabled", **what}


def icmp(first: int, last: int, cidr: str = "0.0.0.0/0") -> dict:
    given = ingress(cidr, 1, 2, "icmp")
    given["ipPermissions"]["items"][0] |= {"fromPort": first, "toPort": last}
    return given


def together(*rules: dict) -> dict:
    return {"ipPermissions": {"items": [item for each in rules for item in each["ipPermissions"]["items"]]}}


@pytest.mark.parametrize(
    ("action", "given", "expected"),
    [
        # An organisation is named by the account that manages it.
        ("ec2:ModifyImageAttribute", image(organizationArn=f"arn:aws:organizations::{FOREIGN}:organization/o-a"), 3),
        ("ec2:ModifyImageAttribute", image(organizationalUnitArn=f"arn:aws:organizations::{FOREIGN}:ou/o-a/ou-b"), 3),
        ("ec2:ModifyImageAttribute", image(organizationArn=f"arn:aws:organizations::{ACCOUNT}:organization/o-a"), 0),
        ("ec2:ModifyImageAttribute", image(somebodyNew="x"), 2),
        ("ec2:ModifyImageAttribute", {"imageId": "ami-1", "description": {"value": "x"}}, 0),
        ("ec2:ModifyImageAttribute", {"attributeType": "x", "operationType": "remove", "userIds": [FOREIGN]}, 0),
        ("redshift:AuthorizeDataShare", {"dataShareArn": "x", "consumerIdentifier": "ADX"}, 2),
        ("sqs:AddPermission", {"aWSAccountIds": ["*"], "actions": ["*"]}, 3),
        ("s3:PutBucketAcl", {"x-amz-grant-read": [PUBLIC_GRANT]}, 3),
        # The owner's own grant, and numbers in the names of one's own.
        ("s3:PutBucketAcl", {"AccessControlPolicy": json.loads(json.dumps(GRANTED).replace("b", "a"))}, 1),
        ("kms:CreateGrant", {"granteePrincipal": f"arn:aws:iam::{ACCOUNT}:role/for-{FOREIGN}"}, 1),
        ("iam:CreateRole", trust({"Federated": f"arn:aws:iam::{FOREIGN}:saml-provider/x"}), 3),
        ("iam:CreateRole", trust({"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/x"}), 1),
        ("ec2:ModifyVpcEndpointServicePermissions",
         {"Request": {"AddAllowedPrincipals": {"tag": 1, "content": "*"}}}, 2),
        ("ec2:ModifyVpcEndpoint", {"ModifyVpcEndpointRequest": {"PolicyDocument": ENDPOINT}}, 1),
        ("sns:PutDataProtectionPolicy", {"dataProtectionPolicy": json.dumps(
            {"Statement": [{"Principal": ["*"], "Operation": {"Deny": {}}}]})}, 1),
        ("s3:PutBucketReplication", {"ReplicationConfiguration": {"Rule": {**RULE, "Destination": {
            "Bucket": "arn:aws:s3:::copy", "Account": ACCOUNT}}}}, 2),
        ("ec2:ModifyInstanceAttribute", {"instanceId": "i-1", "attribute": "userData", "value": "x"}, 3),
        ("ec2:ModifyInstanceAttribute", {"instanceId": "i-1", "attribute": "instanceType", "value": "x"}, 1),
        ("eks:UpdateClusterConfig", {"resourcesVpcConfig": {"publicAccessCidrs": ["0.0.0.0/0"]}}, 2),
        ("eks:UpdateClusterConfig", {"resourcesVpcConfig": {"publicAccessCidrs": ["203.0.113.0/24"]}}, 0),
        ("ssm:CreateAssociation", {"name": "AWS-GatherSoftwareInventory"}, 1),
        ("ssm:CreateAssociation", {"name": "AWS-RunShellScript"}, 2),
        ("ssm:CreateAssociation", {"name": "name"}, 2),
        ("ssm:SendCommand", {"documentName": "arn:aws:ssm:eu-west-1::document/AWS-RunPatchBaseline"}, 1),
        ("ssm:SendCommand", {"documentName": f"arn:aws:ssm:eu-west-1:{FOREIGN}:document/AWS-RunPatchBaseline"}, 2),
        # Selectors: each field with its own values; what one selector keeps is kept.
        ("cloudtrail:PutEventSelectors", trail(), 1),
        ("cloudtrail:PutEventSelectors", trail({"field": "readOnly", "equals": ["true"]}), 3),
        ("cloudtrail:PutEventSelectors", trail({"field": "readOnly", "notEquals": ["false"]}), 3),
        ("cloudtrail:PutEventSelectors", trail({"field": "readOnly", "equals": ["false"]}), 2),
        ("cloudtrail:PutEventSelectors", trail({"field": "eventSource", "equals": ["rds.amazonaws.com"]}), 3),
        ("cloudtrail:PutEventSelectors", trail({"field": "eventSource", "notEquals": ["kms.amazonaws.com"]}), 2),
        ("cloudtrail:PutEventSelectors", {"advancedEventSelectors": [DATA, *trail()["advancedEventSelectors"]]}, 1),
        ("cloudtrail:PutEventSelectors", basic(("All", True), ("ReadOnly", False)), 0),
        ("cloudtrail:PutEventSelectors", basic(("ReadOnly", True)), 3),
        ("cloudtrail:PutEventSelectors", basic(("WriteOnly", True)), 2),
        # Names of keys are no names of alarms.
        ("monitoring:DeleteAlarms", {"alarmNames": ["cpu-high"]}, 1),
        ("monitoring:DeleteAlarms", {"alarmNames": ["cpu-high", "cloudtrail-changes"]}, 2),
        ("events:RemoveTargets", {"rule": "nightly", "ids": ["1"]}, 1),
        ("events:DisableRule", {"name": "guardduty-findings"}, 2),
        ("sns:DeleteTopic", {"topicArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:security-alerts"}, 2),
        # Lifecycles: in force and expiring, both in one rule.
        ("s3:PutBucketLifecycle", lifecycle(enabled(Transition={"Days": 0})), 0),
        ("s3:PutBucketLifecycle", lifecycle(
            enabled(Expiration={"Days": 365}), {"Status": "Disabled", "Expiration": {"Days": 1}}), 0),
        ("s3:PutBucketLifecycle", lifecycle(enabled(Expiration={"Days": 9}), enabled(Expiration={"Days": 1})), 3),
        ("s3:PutBucketLifecycle", lifecycle(enabled(Expiration={"Date": "2020-01-01T00:00:00.000Z"})), 3),
        ("s3:PutBucketLifecycle", lifecycle(enabled(Expiration={"Date": "2020-01-01"}), name="tmp"), 2),
        ("s3:PutBucketLifecycle", lifecycle(enabled(Expiration={"Date": "2030-01-01T00:00:00.000Z"})), 3),
        ("s3:PutBucketVersioning", {"VersioningConfiguration": {"Status": "Enabled", "MfaDelete": "Disabled"}}, 1),
        ("s3:PutBucketVersioning", {"VersioningConfiguration": {"Status": "Suspended", "MfaDelete": "Disabled"}}, 2),
        # AWS waits 30 days where nothing is said.
        ("kms:ScheduleKeyDeletion", {"keyId": "k"}, 2),
        ("kms:DeleteImportedKeyMaterial", {"keyId": "k"}, 3),
        # ICMP has types and codes, and no ports.
        ("ec2:AuthorizeSecurityGroupIngress", icmp(-1, -1), 1),
        ("ec2:AuthorizeSecurityGroupIngress", icmp(8, 0), 1),
        ("ec2:AuthorizeSecurityGroupIngress", icmp(3, 22), 1),
        ("ec2:AuthorizeSecurityGroupIngress", icmp(8, 0, "203.0.113.7/32"), 2),
        ("ec2:AuthorizeSecurityGroupIngress", together(icmp(8, 0), ingress("0.0.0.0/0", 443)), 1),
        ("ec2:AuthorizeSecurityGroupIngress", together(icmp(8, 0), ingress("0.0.0.0/0", 22)), 3),
        ("ec2:AuthorizeSecurityGroupIngress", together(ingress("0.0.0.0/0", 443), ingress("203.0.113.7/32", 22)), 2),
        ("ec2:CreateNetworkAclEntry", {
            "ruleAction": "allow", "egress": False, "aclProtocol": "1", "cidrBlock": "0.0.0.0/0"}, 1),
    ],
)  # fmt: skip
def test_what_parameters_look_like(action, given, expected):
    assert level(action, given) == expected


def test_only_root_can_switch_off_the_second_factor_of_a_bucket():
    given = {"VersioningConfiguration": {"Status": "Enabled", "MfaDelete": "Disabled"}}
    root = {"principal": f"{ACCOUNT}/root", "principal_type": "Root", "peer": f"{ACCOUNT}/Root"}
    assert levels([("s3:PutBucketVersioning", given, root)]) == [(2, "bucket-versions-off")]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, 1),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-1/r-1/*"]}}, 1),
        ({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": ["o-1/r-1/*"]}}, 3),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, 3),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}, 3),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}, 3),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, 1),
        ({"StringLike": {"aws:SourceVpce": "*"}}, 3),
        ({"Null": {"aws:PrincipalOrgID": "false"}}, 3),
        ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, 1),
        ({"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, FOREIGN]}}, 2),
        ({"StringLike": {"aws:PrincipalAccount": "*"}}, 3),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{FOREIGN}:role/x"}}, 2),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}}, 1),
        ({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, 3),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::reports"}}, 2),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}, 3),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.66/32"}}, 2),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "fd00::/8"]}}, 1),
        ({"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}}, 3),
        ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "::/1"]}}, 3),
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.66/32"}}, 3),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.66/32"}, "StringEquals": {"aws:PrincipalOrgID": "o-1"}}, 1),
        ({"StringEquals": {"sts:ExternalId": "x"}}, 3),
        ({"Bool": {"aws:SecureTransport": "true"}}, 3),
        ({"Bool": {"aws:PrincipalIsAWSService": "false"}}, 3),
    ],
)
def test_a_condition_bounds_by_its_operator_and_its_values(condition, expected):
    assert level("s3:PutBucketPolicy", bucket(Principal="*", Condition=condition)) == expected


@pytest.mark.parametrize(
    ("action", "beside", "expected"),
    [
        ("lambda:AddPermission", {"sourceAccount": FOREIGN}, 2),
        ("lambda:AddPermission", {"sourceArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:x"}, 1),
        ("lambda:AddPermission", {"principalOrgID": "o-1"}, 1),
        ("lambda:AddLayerVersionPermission", {"organizationId": "o-1"}, 1),
        (
            "events:PutPermission",
            {"condition": {"type": "StringEquals", "key": "aws:PrincipalOrgID", "value": "o-1"}},
            1,
        ),
        ("events:PutPermission", {}, 3),
    ],
)
def test_what_stands_beside_a_principal_bounds_it(action, beside, expected):
    assert level(action, {"principal": "*", **beside}) == expected


@pytest.mark.parametrize(
    ("actions", "resource", "expected"),
    [
        ("iam:Put*", "*", 3),
        ("iam:Attach*", "*", 3),
        ("iam:?*", "*", 3),
        ("*:Attach*", "*", 3),
        ("i*", "*", 3),
        ("**", "*", 3),
        ("iam:Create*", "*", 3),
        ("iam:Get*", "*", 2),
        ("iam:[a-z]*", "*", 2),
        ("s3:*", "*", 2),
        ("*", "arn:*", 3),
        ("*", "arn:aws:*:*:*:*", 3),
        ("*", "arn:aws:iam::*:*", 3),
        ("iam:*", f"arn:aws:iam::{ACCOUNT}:*", 3),
        ("iam:*", f"arn:aws:iam::{FOREIGN}:*", 2),
        ("iam:PassRole", "arn:aws-cn:iam::*:role/*", 3),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/app-*", 2),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:user/*", 2),
        ("iam:*AccessKey*", "arn:aws:iam::*:user/${aws:username}", 2),
        ("*", "arn:aws:s3:::*", 2),
        (["s3:GetObject", "iam:" + "*a" * 2_000], ["*", "*a" * 2_000], 2),
    ],
)  # fmt: skip
def test_policies_are_patterns(actions, resource, expected):
    given = policy({"Effect": "Allow", "Action": actions, "Resource": resource})
    assert level("iam:PutUserPolicy", given) == expected


def test_all_but_a_few_resources_is_everywhere():
    given = {"Effect": "Allow", "Action": "iam:PassRole", "NotResource": "arn:aws:s3:::x"}
    assert level("iam:PutUserPolicy", policy(given)) == 3
