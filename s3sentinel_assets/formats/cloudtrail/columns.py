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

from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, FLAGS, OBJECT, ORDINAL, conform, flags, null_column
from s3sentinel_assets.formats.instants import parse_iso8601

__all__ = ["to_rows"]

_TABLE = "AWSCloudTrail"
_IDENTITY = "userIdentity."
_SESSION = "userIdentity.sessionContext."
_ISSUER = "userIdentity.sessionContext.sessionIssuer."
_CREATED = "userIdentity.sessionContext.attributes.creationDate"
_MFA = "userIdentity.sessionContext.attributes.mfaAuthenticated"

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


def _event_id(identities: Mapping[int, str]) -> pl.Expr:
    """Account and eventID; without an eventID, the object and the record's place in it."""
    account = pl.coalesce("recipientAccountId", f"{_IDENTITY}accountId", pl.lit("-"))
    place = pl.concat_str(
        pl.col(OBJECT).replace_strict(dict(identities), return_dtype=pl.String),
        pl.col(ORDINAL).cast(pl.String),
        separator="-",
    )
    return (
        pl.when(pl.col("eventID").is_not_null() & (pl.col("eventID") != ""))
        .then(pl.concat_str(account, "eventID", separator=":"))
        .otherwise(place)
    )


def _mfa() -> pl.Expr:
    text = pl.col(_MFA).str.to_lowercase()
    return pl.when(text == "true").then(True).when(text == "false").then(False)


def _unfit_flags() -> pl.Expr:
    """Says which values had no place in their column's type."""
    created, mfa = pl.col(_CREATED), pl.col(_MFA)
    return flags(
        pl.col(FLAGS),
        pl.when(created.is_not_null() & pl.col("session_created").is_null()).then(
            pl.format("drift:SessionCreationDate={}", created.str.head(200))
        ),
        pl.when(mfa.is_not_null() & _mfa().is_null()).then(
            pl.format("drift:SessionMfaAuthenticated={}", mfa.str.head(200))
        ),
    )


def _security_group_rules(raw: pl.DataFrame) -> pl.DataFrame:
    """The four rule columns, filled for calls that change security group rules."""
    parameters = raw["requestParameters"]
    concerned = (raw["eventName"].str.contains("SecurityGroup", literal=True) & parameters.is_not_null()).fill_null(
        False
    )
    if not concerned.any():
        nothing = null_column(pl.String(), raw.height)
        return pl.DataFrame([nothing.alias(name) for name in _RULE_PARTS])
    return raw.select(
        pl.when(concerned)
        .then(
            pl.when(concerned)
            .then("requestParameters")
            .str.extract_all(pattern)
            .list.eval(pl.element().str.extract(pattern))
            .list.unique(maintain_order=True)
            .list.join(",")
        )
        .replace("", None)
        .alias(name)
        for name, pattern in _RULE_PARTS.items()
    )


def to_rows(raw: pl.DataFrame, identities: Mapping[int, str]) -> pl.DataFrame:
    """Records as rows of ``AWSCloudTrail``; see `frames.conform`.

    Args:
        raw: the fields of `record.Record`, ``eventTime`` already an instant without nulls.
        identities: object id → object identity.
    """
    prepared = raw.with_columns(parse_iso8601(raw[_CREATED]).alias("session_created"))
    prepared = prepared.with_columns(_unfit_flags().alias(FLAGS)).hstack(_security_group_rules(raw))
    columns = {name: pl.col(field) for name, field in _PLAIN.items()}
    columns |= {name: pl.col(name) for name in _RULE_PARTS}
    columns |= {
        "TimeGenerated": pl.col("eventTime"),
        EVENT_TIME: pl.col("eventTime"),
        EVENT_ID: _event_id(identities),
        "OperationName": pl.lit("CloudTrail"),
        "SessionCreationDate": pl.col("session_created"),
        "SessionMfaAuthenticated": _mfa(),
    }
    return conform(prepared, _TABLE, columns)
