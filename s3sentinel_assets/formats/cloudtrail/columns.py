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

from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.formats.cloudtrail.callers import CALLER_FLAGS, ID_ACCOUNT, SESSION_CREATED, SESSION_MFA
from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, FLAGS, OBJECT, ORDINAL, conform, flags, null_column

__all__ = ["to_rows"]

_TABLE = "AWSCloudTrail"
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

# A rule's value may be text or a number: "fromPort":22, "cidrIp":"0.0.0.0/0".
_RULE_PARTS = {
    "CidrIp": r'"cidrIp(?:v6)?"\s*:\s*"([^"]+)"',
    "IpProtocol": r'"ipProtocol"\s*:\s*"?([^",}\s]+)',
    "SourcePort": r'"fromPort"\s*:\s*"?(-?\d+)',
    "DestinationPort": r'"toPort"\s*:\s*"?(-?\d+)',
}


def _event_id(raw: pl.DataFrame, identities: Mapping[int, str]) -> pl.Expr:
    """Account and eventID; without an eventID, the object and the record's place in it."""
    native = pl.concat_str(ID_ACCOUNT, "eventID", separator=":")
    given = raw["eventID"].str.len_bytes()
    if given.null_count() == 0 and given.min() != 0:
        return native
    place = pl.concat_str(
        pl.col(OBJECT).replace_strict(dict(identities), return_dtype=pl.String),
        pl.col(ORDINAL).cast(pl.String),
        separator="-",
    )
    return pl.when(pl.col("eventID") != "").then(native).otherwise(place)


def _security_group_rules(raw: pl.DataFrame) -> list[pl.Series]:
    """The four rule columns, filled for calls that change security group rules."""
    concerned = raw["eventName"].str.contains("SecurityGroup", literal=True).fill_null(False).arg_true()
    if concerned.is_empty():
        return [null_column(pl.String(), raw.height).alias(name) for name in _RULE_PARTS]
    found = raw.select(pl.col("requestParameters").gather(concerned)).select(
        pl.col("requestParameters")
        .str.extract_all(pattern)
        .list.eval(pl.element().str.extract(pattern))
        .list.unique(maintain_order=True)
        .list.join(",")
        .replace("", None)
        .alias(name)
        for name, pattern in _RULE_PARTS.items()
    )
    return [null_column(pl.String(), raw.height).scatter(concerned, column).alias(column.name) for column in found]


def to_rows(raw: pl.DataFrame, identities: Mapping[int, str]) -> pl.DataFrame:
    """Records as rows of ``AWSCloudTrail``; see `frames.conform`.

    Args:
        raw: the fields of `record.Record`, ``eventTime`` already an instant without nulls, with the columns of
            `callers.with_callers`.
        identities: object id → object identity.
    """
    columns = {name: pl.col(field) for name, field in _PLAIN.items()}
    columns |= {name: pl.col(name) for name in _RULE_PARTS}
    columns |= {
        "TimeGenerated": pl.col("eventTime"),
        EVENT_TIME: pl.col("eventTime"),
        EVENT_ID: _event_id(raw, identities),
        "OperationName": pl.lit("CloudTrail"),
        "SessionCreationDate": pl.col(SESSION_CREATED),
        "SessionMfaAuthenticated": pl.col(SESSION_MFA),
    }
    prepared = raw.with_columns(*_security_group_rules(raw))
    if raw[CALLER_FLAGS].null_count() < raw.height:
        prepared = prepared.with_columns(flags(pl.col(FLAGS), pl.col(CALLER_FLAGS)).alias(FLAGS))
    return conform(prepared, _TABLE, columns)
