"""Who did what to which thing: the entity view of CloudTrail.

Belongs here: action and target of a record, column-wise. Does not belong here: who it was (``callers``), scoring
(``ml``).
"""

import polars as pl

from s3sentinel_assets.formats.cloudtrail.callers import ACCOUNT, PEER, PRINCIPAL, PRINCIPAL_TYPE
from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, non_empty, to_entity_view

__all__ = ["to_entities"]

# Request parameters that name the thing acted upon, when the record lists no resource.
_NAME_KEYS = (
    "bucketName|roleName|userName|groupName|policyArn|policyName|functionName|secretId|keyId|instanceId|groupId|dBInstanceIdentifier"
    "|trailName|name|tableName|queueUrl|topicArn|roleArn|snapshotId|imageId|volumeId|clusterName|stackName|logGroupName|resourceArn|arn"
)
_NAME = rf'"(?:{_NAME_KEYS})"\s*:\s*"([^"\\]+)"'
_ARN = r'"ARN"\s*:\s*"([^"\\]+)"'
_BYTES = r'"bytesTransferredOut"\s*:\s*(\d{1,18})'


def _target(raw: pl.DataFrame) -> pl.Series:
    """The first resource's ARN, else the first name among the request parameters."""
    target = raw.select(pl.col("resources").str.extract(_ARN)).to_series()
    unnamed = target.is_null().arg_true()
    return target.scatter(unnamed, raw["requestParameters"].gather(unnamed).str.extract(_NAME))


def to_entities(raw: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The entity view, row by row with ``rows``.

    Args:
        raw: the fields of `record.Record`, with the columns of `callers.with_callers`.
        rows: what `columns.to_rows` made of them.
    """
    api = pl.col("eventSource").str.strip_suffix(".amazonaws.com")
    parts = raw.with_columns(rows[EVENT_ID], rows[EVENT_TIME], _target(raw).alias("target"), api.alias("service"))
    return to_entity_view(
        parts,
        {
            "event_id": pl.col(EVENT_ID),
            "time": pl.col(EVENT_TIME),
            "account": pl.col(ACCOUNT),
            "region": pl.col("awsRegion"),
            "principal": pl.col(PRINCIPAL),
            "principal_type": pl.col(PRINCIPAL_TYPE),
            "peer": pl.col(PEER),
            "service": pl.col("service"),
            "action": pl.concat_str(
                pl.col("service").fill_null("-"), pl.col("eventName").fill_null("-"), separator=":"
            ),
            "target": pl.col("target"),
            "source_ip": pl.col("sourceIPAddress"),
            "user_agent": pl.col("userAgent"),
            "error": non_empty("errorCode"),
            "read_only": pl.col("readOnly"),
            "bytes": pl.col("additionalEventData").str.extract(_BYTES).cast(pl.Int64),
        },
    )
