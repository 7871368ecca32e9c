"""Who did what to which thing: the entity view of CloudTrail.

Belongs here: action and target of a record, column-wise. Does not belong here: who it was (``callers``), scoring
(``ml``).

An Insights event tells of many calls at once: its service and its action are those of the calls, the action marked as
``Insight/…``; it has no caller, and no ``eventSource`` and ``eventName`` of its own.
"""

import polars as pl

from s3sentinel_assets.formats.cloudtrail.callers import ACCOUNT, PEER, PRINCIPAL, PRINCIPAL_TYPE
from s3sentinel_assets.formats.frames import non_empty
from s3sentinel_assets.formats.mapping import Origin, derived, field

__all__ = ["ENTITIES", "INSIGHT_NAME", "SERVICE", "TARGET", "with_service", "with_target"]

#: Raw columns: the service without its domain, the first thing acted upon, the call that an Insights event is about.
SERVICE, TARGET, INSIGHT_NAME = "_service", "_target", "_insight_name"
_INSIGHT_ACTION = "_insight_action"

# Request parameters that name the thing acted upon, when the record lists no resource.
_NAME_KEYS = (
    "bucketName|roleName|userName|groupName|policyArn|policyName|functionName|secretId|keyId|instanceId|groupId|dBInstanceIdentifier"
    "|trailName|name|tableName|queueUrl|topicArn|roleArn|snapshotId|imageId|volumeId|clusterName|stackName|logGroupName|resourceArn|arn"
)
_NAME = rf'"(?:{_NAME_KEYS})"\s*:\s*"([^"\\]+)"'
_ARN = r'"ARN"\s*:\s*"([^"\\]+)"'
_BYTES = r'"bytesTransferredOut"\s*:\s*(\d{1,18})'


_INSIGHT_SOURCE = r'"eventSource"\s*:\s*"([^"\\]+)"'
_INSIGHT_NAME = r'"eventName"\s*:\s*"([^"\\]+)"'

#: Calls that change nothing, whose parameters still say what somebody is after: start scripts, parameters that may hold
#: secrets.
_TELLING_READS = ("DescribeInstanceAttribute", "GetParameter", "GetParameters", "GetParametersByPath")


def _joined(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Two JSON objects as one; what is no object counts as none."""
    bodies = [
        pl.when(one.str.contains(r"^\{.*\S.*\}$")).then(one.str.strip_chars().str.slice(1).str.head(-1))
        for one in (first, second)
    ]
    body = pl.concat_str(*bodies, separator=",", ignore_nulls=True)
    return pl.when(body != "").then(pl.format("{{{}}}", body))


_ACTION = pl.coalesce("eventName", _INSIGHT_ACTION, pl.lit("-"))
ENTITIES: dict[str, Origin] = {
    "account": derived("`recipientAccountId`, else `userIdentity.accountId`", pl.col(ACCOUNT)),
    "region": field("awsRegion"),
    "principal": derived(
        "account and user, or role (with the session where that is a person's), from `userIdentity`", pl.col(PRINCIPAL)
    ),
    "principal_type": derived("`userIdentity.type`", pl.col(PRINCIPAL_TYPE)),
    "peer": derived("account, `userIdentity.type` and the role's family", pl.col(PEER)),
    "service": derived("`eventSource` without `.amazonaws.com`", pl.col(SERVICE)),
    "action": derived(
        "service and `eventName`; of an Insights event, that in `insightDetails`",
        pl.concat_str(pl.col(SERVICE).fill_null("-"), _ACTION, separator=":"),
    ),
    "target": derived("first ARN of `resources`, else the first name among `requestParameters`", pl.col(TARGET)),
    "source_ip": field("sourceIPAddress"),
    "user_agent": field("userAgent"),
    "error": derived("`errorCode`", non_empty("errorCode")),
    "read_only": field("readOnly"),
    "bytes": derived(
        "`bytesTransferredOut` in `additionalEventData`",
        pl.col("additionalEventData").str.extract(_BYTES).cast(pl.Int64),
    ),
    "detail": derived(
        "`requestParameters` of a management call that changes something or reads what may be secret; "
        "`additionalEventData` and `responseElements` of a sign-in, as one object",
        pl.when(pl.col(SERVICE) == "signin")
        .then(_joined(pl.col("additionalEventData"), pl.col("responseElements")))
        .when(pl.col("managementEvent") & (~pl.col("readOnly") | pl.col("eventName").is_in(_TELLING_READS)))
        .then("requestParameters"),
    ),
}


def with_target(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds `TARGET`: the first resource's ARN, else the first name among the request parameters."""
    target = raw.select(pl.col("resources").str.extract(_ARN)).to_series()
    unnamed = target.is_null().arg_true()
    found = target.scatter(unnamed, raw["requestParameters"].gather(unnamed).str.extract(_NAME))
    return raw.with_columns(found.alias(TARGET))


def with_service(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds `SERVICE` and `INSIGHT_NAME`."""
    source, name = pl.col("eventSource"), pl.lit(None, dtype=pl.String)
    action = name
    if raw["insightDetails"].null_count() < raw.height:
        details = pl.col("insightDetails")
        source = pl.coalesce(source, details.str.extract(_INSIGHT_SOURCE))
        name = details.str.extract(_INSIGHT_NAME)
        action = pl.lit("Insight/") + name
    service = source.str.strip_suffix(".amazonaws.com")
    return raw.with_columns(service.alias(SERVICE), name.alias(INSIGHT_NAME), action.alias(_INSIGHT_ACTION))
