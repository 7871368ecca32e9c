"""CloudTrail records → the columns of ``AWSCloudTrail``.

Belongs here: the mapping, as Microsoft's own connector fills the table. Decisions where a name does not say it all:

* ``RequestParameters``, ``ResponseElements``, ``AdditionalEventData``, ``Resources`` and ``ServiceEventDetails`` hold
  the original JSON text, byte for byte.
* ``AwsRequestId_`` is the request id; ``AwsRequestId`` is deprecated in the table's reference and stays null.
* ``OperationName`` is the constant ``CloudTrail``: the column is inherited from Azure's common schema and the API
  call's name has its own column, ``EventName``.
* ``CidrIp``, ``IpProtocol``, ``SourcePort``, ``DestinationPort`` are documented as parts of a security group rule in
  the request parameters: range, protocol, first and last port. A call with several rules gets each distinct value
  once, joined by commas.
* ``UserIdentityUserId`` and ``UserIdentityStoreArn`` come from ``onBehalfOf`` (IAM Identity Center).
"""

import polars as pl

from s3sentinel_assets.formats.cloudtrail.callers import ID_ACCOUNT, SESSION_CREATED, SESSION_MFA
from s3sentinel_assets.formats.cloudtrail.entities import ENTITIES
from s3sentinel_assets.formats.frames import null_column
from s3sentinel_assets.formats.mapping import Origin, TableMapping, constant, derived, field

__all__ = ["EVENT_ID", "NATIVE", "with_rule_parts"]

_IDENTITY = "userIdentity."
_SESSION = "userIdentity.sessionContext."
_ISSUER = "userIdentity.sessionContext.sessionIssuer."

_PLAIN = {
    "AdditionalEventData": "additionalEventData",
    "APIVersion": "apiVersion",
    "AwsEventId": "eventID",
    "AWSRegion": "awsRegion",
    "AwsRequestId_": "requestID",
    "Category": "eventCategory",
    "CipherSuite": "tlsDetails.cipherSuite",
    "ClientProvidedHostHeader": "tlsDetails.clientProvidedHostHeader",
    "EC2RoleDelivery": f"{_SESSION}ec2RoleDelivery",
    "ErrorCode": "errorCode",
    "ErrorMessage": "errorMessage",
    "EventName": "eventName",
    "EventSource": "eventSource",
    "EventTypeName": "eventType",
    "EventVersion": "eventVersion",
    "ManagementEvent": "managementEvent",
    "ReadOnly": "readOnly",
    "RecipientAccountId": "recipientAccountId",
    "RequestParameters": "requestParameters",
    "Resources": "resources",
    "ResponseElements": "responseElements",
    "ServiceEventDetails": "serviceEventDetails",
    "SessionIssuerAccountId": f"{_ISSUER}accountId",
    "SessionIssuerArn": f"{_ISSUER}arn",
    "SessionIssuerPrincipalId": f"{_ISSUER}principalId",
    "SessionIssuerType": f"{_ISSUER}type",
    "SessionIssuerUserName": f"{_ISSUER}userName",
    "SharedEventId": "sharedEventID",
    "SourceIpAddress": "sourceIPAddress",
    "TlsVersion": "tlsDetails.tlsVersion",
    "UserAgent": "userAgent",
    "UserIdentityAccessKeyId": f"{_IDENTITY}accessKeyId",
    "UserIdentityAccountId": f"{_IDENTITY}accountId",
    "UserIdentityArn": f"{_IDENTITY}arn",
    "UserIdentityInvokedBy": f"{_IDENTITY}invokedBy",
    "UserIdentityPrincipalid": f"{_IDENTITY}principalId",
    "UserIdentityStoreArn": f"{_IDENTITY}onBehalfOf.identityStoreArn",
    "UserIdentityType": f"{_IDENTITY}type",
    "UserIdentityUserId": f"{_IDENTITY}onBehalfOf.userId",
    "UserIdentityUserName": f"{_IDENTITY}userName",
    "VpcEndpointId": "vpcEndpointId",
}

# Column, raw column → the parameter, and how it stands there; a value may be text or a number.
_RULE_PARTS = {
    ("CidrIp", "_cidr"): ("cidrIp", r'"cidrIp(?:v6)?"\s*:\s*"([^"]+)"'),
    ("IpProtocol", "_protocol"): ("ipProtocol", r'"ipProtocol"\s*:\s*"?([^",}\s]+)'),
    ("SourcePort", "_from_port"): ("fromPort", r'"fromPort"\s*:\s*"?(-?\d+)'),
    ("DestinationPort", "_to_port"): ("toPort", r'"toPort"\s*:\s*"?(-?\d+)'),
}
_RULES: dict[str, Origin] = {
    column: derived(f"`{parameter}` in `requestParameters` of calls about security groups", pl.col(raw))
    for (column, raw), (parameter, _) in _RULE_PARTS.items()
}

#: Account and eventID; null where there is no eventID.
EVENT_ID = pl.when(pl.col("eventID") != "").then(pl.concat_str(ID_ACCOUNT, "eventID", separator=":"))

NATIVE = TableMapping(
    "AWSCloudTrail",
    {
        **{column: field(name) for column, name in _PLAIN.items()},
        **_RULES,
        "OperationName": constant("CloudTrail"),
        "SessionCreationDate": derived(f"`{_SESSION}attributes.creationDate`", pl.col(SESSION_CREATED)),
        "SessionMfaAuthenticated": derived(f"`{_SESSION}attributes.mfaAuthenticated`", pl.col(SESSION_MFA)),
    },
    ENTITIES,
    event_id=EVENT_ID,
)


def with_rule_parts(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds the four parts of security group rules, filled for calls about security groups."""
    names = [name for _, name in _RULE_PARTS]
    concerned = raw["eventName"].str.contains("SecurityGroup", literal=True).fill_null(value=False).arg_true()
    nothing = null_column(pl.String(), raw.height)
    if concerned.is_empty():
        return raw.hstack([nothing.alias(name) for name in names])
    parameters = raw["requestParameters"].gather(concerned).to_frame()
    found = parameters.select(
        pl.col("requestParameters")
        .str.extract_all(pattern)
        .list.eval(pl.element().str.extract(pattern))
        .list.unique(maintain_order=True)
        .list.join(",")
        .replace("", None)
        .alias(name)
        for (_, name), (_, pattern) in _RULE_PARTS.items()
    )
    return raw.hstack([nothing.scatter(concerned, found[name]).alias(name) for name in names])
