"""Who did what to which thing: the entity view of CloudTrail.

Belongs here: principal, peer, action and target of a record, column-wise. Does not belong here: scoring (``ml``).

A principal must be the same for all that one person or workload does, and different for two people. Hence: behind IAM
Identity Center, SAML and web identity the session *is* the person and stays; with a source identity that is the person;
otherwise the session's name is chosen by a machine or at will and is left out. ``AWSCloudTrail`` keeps the full names.
"""

import polars as pl

from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, to_entity_view

__all__ = ["to_entities"]

_IDENTITY = "userIdentity."
_SESSION = "userIdentity.sessionContext."
_SSO_ROLE = "AWSReservedSSO_"

# Session names that software makes up: instance ids, tool names with a time, bare numbers, hexadecimal, UUIDs.
_MACHINE_SESSION = (
    r"(?i)^(?:i-[0-9a-f]{8,17}"
    r"|(?:botocore|aws-(?:sdk-|go-sdk|cli)|aws-java|aws-node|aws-crt|boto3|assume-?role|session|web-identity-token|"
    r"terraform|k8s|eks)[\w.@-]*\d[\w.@-]*"
    r"|[0-9._:TZ-]{6,}|[0-9a-f]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w.@-]*\d{9,}[\w.@-]*)$"
)
# What differs between roles of one family: hexadecimal tails, numbers, random suffixes of templates.
_ROLE_VARIANT = r"[-_.](?:[0-9a-fA-F]{8,}|[A-Z0-9]{10,}|\d+)"

# Request parameters that name the thing acted upon, when the record lists no resource.
_NAME_KEYS = (
    "bucketName|roleName|userName|groupName|policyArn|policyName|functionName|secretId|keyId|instanceId|groupId|dBInstanceIdentifier"
    "|trailName|name|tableName|queueUrl|topicArn|roleArn|snapshotId|imageId|volumeId|clusterName|stackName|logGroupName|resourceArn|arn"
)
_NAME = rf'"(?:{_NAME_KEYS})"\s*:\s*"([^"\\]+)"'
_ARN = r'"ARN"\s*:\s*"([^"\\]+)"'


def _text(name: str) -> pl.Expr:
    """The column with empty text as null."""
    column = pl.col(name)
    return pl.when(column != "").then(column)


def _columns() -> dict[str, pl.Expr]:
    """Parts that the principal is made of."""
    arn = _text(f"{_IDENTITY}arn")
    federated = _text(f"{_SESSION}webIdFederationData")
    return {
        "type": _text(f"{_IDENTITY}type"),
        "account": pl.coalesce(_text(f"{_IDENTITY}accountId"), _text("recipientAccountId")),
        "user": _text(f"{_IDENTITY}userName"),
        "service": _text(f"{_IDENTITY}invokedBy"),
        "arn": arn,
        "role": pl.coalesce(
            _text(f"{_SESSION}sessionIssuer.userName"),
            arn.str.extract(r":assumed-role/([^/]+)"),
            arn.str.extract(r":role/(?:.*/)?([^/]+)$"),
        ),
        "session": pl.coalesce(
            arn.str.extract(r":assumed-role/[^/]+/(.+)$"), _text(f"{_IDENTITY}principalId").str.extract(r"^[^:]+:(.+)$")
        ),
        "source_identity": _text(f"{_SESSION}sourceIdentity"),
        "web_identity": federated.str.contains('"federatedProvider"', literal=True).fill_null(False),
    }


def _principal() -> pl.Expr:
    kind, account, role, session = pl.col("type"), pl.col("account"), pl.col("role"), pl.col("session")
    # A session named like a mail address is a person's behind SAML, which leaves no other trace in the record.
    personal = (
        role.str.starts_with(_SSO_ROLE) | pl.col("web_identity") | session.str.contains(r"^[^@\s]+@[^@\s]+\.[A-Za-z]+$")
    )
    person = pl.coalesce(
        "source_identity",
        pl.when(personal.fill_null(False) & ~session.str.contains(_MACHINE_SESSION)).then(session),
    )
    named = pl.coalesce("user", pl.col("arn").str.extract(r"[:/]([^:/]+)$"), _text(f"{_IDENTITY}principalId"))
    return pl.coalesce(
        pl.when(kind == "Root").then(pl.concat_str(account, pl.lit("root"), separator="/")),
        pl.when(kind == "AWSService").then(pl.col("service")),
        pl.when(kind.is_in(["AssumedRole", "Role"])).then(
            pl.concat_str(account, role, person, separator="/", ignore_nulls=True)
        ),
        pl.when(kind == "IdentityCenterUser").then(
            pl.concat_str(account, pl.col(f"{_IDENTITY}onBehalfOf.userId"), separator="/")
        ),
        pl.when(named.is_not_null()).then(pl.concat_str(account, named, separator="/", ignore_nulls=True)),
        "service",
        "account",
        pl.lit("unknown"),
    )


def _peer() -> pl.Expr:
    family = pl.col("role").str.replace_all(_ROLE_VARIANT, "")
    return pl.concat_str("account", pl.coalesce("type", pl.lit("-")), family, separator="/", ignore_nulls=True)


def to_entities(raw: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The entity view, row by row with ``rows``.

    Args:
        raw: the fields of `record.Record`.
        rows: what `columns.to_rows` made of them.
    """
    parts = raw.with_columns(**_columns()).hstack(rows.select(EVENT_ID, EVENT_TIME))
    api = pl.col("eventSource").str.strip_suffix(".amazonaws.com")
    return to_entity_view(
        parts,
        {
            "event_id": pl.col(EVENT_ID),
            "time": pl.col(EVENT_TIME),
            "account": pl.coalesce(_text("recipientAccountId"), "account"),
            "region": pl.col("awsRegion"),
            "principal": _principal(),
            "principal_type": pl.col("type"),
            "peer": _peer(),
            "service": api,
            "action": pl.concat_str(
                pl.coalesce(api, pl.lit("-")), pl.coalesce("eventName", pl.lit("-")), separator=":"
            ),
            "target": pl.coalesce(
                pl.col("resources").str.extract(_ARN), pl.col("requestParameters").str.extract(_NAME)
            ),
            "source_ip": pl.col("sourceIPAddress"),
            "user_agent": pl.col("userAgent"),
            "error": _text("errorCode"),
            "read_only": pl.col("readOnly"),
            "bytes": pl.col("additionalEventData")
            .str.extract(r'"bytesTransferredOut"\s*:\s*(\d{1,18})')
            .cast(pl.Int64),
        },
    )
