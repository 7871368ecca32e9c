"""AWS WAF web ACL traffic logs, from Firehose or straight to S3.

Belongs here: the record's fields, their columns in ``AWSWAF`` and the entities. Does not belong here: AWS WAF Classic,
whose logs lack ``formatVersion`` and have the same fields otherwise.

Source: "Log fields for web ACL traffic" and "Log examples for web ACL traffic", AWS WAF Developer Guide
(docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html).

Decisions where a name does not say it all:

* ``HttpRequest`` and ``RuleGroupList`` hold the original JSON text; their parts have columns of their own too.
* ``RuleGroupId`` and ``TerminatingRule`` are those of the rule group that ended the evaluation; a request that no rule
  group ended has none. ``ExcludedRules`` are the lists of all rule groups, one after the other.
* ``timestamp`` is in milliseconds since 1970; ISO 8601 texts, which some forwarders write, are read as well.
* Newer fields (``ja4Fingerprint``, ``clientAsn``, ``requestBodySize`` …) have no column: they go to ``ExtraFields_CF``.
"""

from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs import NULL, JsonParser, any_time, named_values, per_distinct
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.waf.asim import asim_mapping

__all__ = ["WafParser"]


class Request(msgspec.Struct, gc=False, rename="camel"):
    """``httpRequest``."""

    client_ip: str | None = None
    country: str | None = None
    headers: msgspec.Raw = NULL
    uri: str | None = None
    args: str | None = None
    http_version: str | None = None
    http_method: str | None = None
    request_id: str | None = None
    host: str | None = None
    scheme: str | None = None
    fragment: str | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One request that a web ACL judged."""

    timestamp: msgspec.Raw = NULL
    format_version: int | None = None
    webacl_id: str | None = None
    terminating_rule_id: str | None = None
    terminating_rule_type: str | None = None
    action: str | None = None
    terminating_rule_match_details: msgspec.Raw = NULL
    http_source_name: str | None = None
    http_source_id: str | None = None
    rule_group_list: msgspec.Raw = NULL
    rate_based_rule_list: msgspec.Raw = NULL
    non_terminating_matching_rules: msgspec.Raw = NULL
    request_headers_inserted: msgspec.Raw = NULL
    response_code_sent: int | None = None
    http_request: msgspec.Raw = NULL
    labels: msgspec.Raw = NULL
    captcha_response: msgspec.Raw = NULL
    challenge_response: msgspec.Raw = NULL
    oversize_fields: msgspec.Raw = NULL
    ja3_fingerprint: str | None = msgspec.field(default=None, name="ja3Fingerprint")
    request_body_size: int | None = None


class RuleGroup(msgspec.Struct, gc=False, rename="camel"):
    """An entry of ``ruleGroupList``."""

    rule_group_id: str | None = None
    terminating_rule: msgspec.Raw = NULL
    excluded_rules: msgspec.Raw = NULL


_GROUP_COLUMNS = {"_group": pl.String(), "_terminating_rule": pl.String(), "_excluded_rules": pl.String()}
_GROUPS = msgspec.json.Decoder(list[RuleGroup])
# In most lists no group did anything.
_TELLING_GROUP = r'"(?:terminatingRule|excludedRules)"\s*:\s*[\[{]'


def _groups(text: str) -> tuple[str | None, str | None, str | None]:
    """Id and terminating rule of the group that ended the evaluation; the excluded rules of all groups."""
    try:
        groups = _GROUPS.decode(text)
    except (ValueError, RecursionError):
        return None, None, None  # the column RuleGroupList holds it as it is
    ended = next((group for group in groups if group.terminating_rule != NULL), None)
    lists = [
        bytes(group.excluded_rules).decode().strip("[] \t\r\n") for group in groups if group.excluded_rules != NULL
    ]
    excluded = ",".join(filter(None, lists))
    return (
        ended and ended.rule_group_id,
        bytes(ended.terminating_rule).decode() if ended else None,
        f"[{excluded}]" if excluded else None,
    )


_ACL = pl.col("webaclId")
_ACCOUNT = pl.coalesce(
    _ACL.str.extract(r"^arn:[^:]*:[^:]*:[^:]*:(\d{12}):"), pl.col("httpSourceId").str.extract(r"^(\d{12})")
)
_ACL_NAME = pl.coalesce(_ACL.str.extract(r"/webacl/([^/]+)"), _ACL)
_HOST = pl.coalesce("httpRequest.host", "host")

_ENTITIES = {
    "account": derived("account in `webaclId`, else in `httpSourceId`", _ACCOUNT),
    "region": derived("region in `webaclId`", _ACL.str.extract(r"^arn:[^:]*:[^:]*:([^:]+):")),
    "principal": field("httpRequest.clientIp"),
    "principal_type": constant("client"),
    "peer": derived(
        "account and name of the web ACL", pl.concat_str(_ACCOUNT, _ACL_NAME, separator="/", ignore_nulls=True)
    ),
    "service": constant("waf"),
    "action": derived(
        "`httpMethod`, `action`, `terminatingRuleId`",
        pl.concat_str(
            *(pl.col(name).fill_null("-") for name in ("httpRequest.httpMethod", "action", "terminatingRuleId")),
            separator="/",
        ),
    ),
    "target": derived("host and path of the request", pl.concat_str(_HOST, "httpRequest.uri", ignore_nulls=True)),
    "source_ip": field("httpRequest.clientIp"),
    "user_agent": derived("header `User-Agent`", pl.col("user-agent")),
    "error": derived(
        "`terminatingRuleId` of a request that was not let through",
        pl.when(pl.col("action") != "ALLOW").then("terminatingRuleId"),
    ),
    "read_only": derived(
        "whether `httpMethod` is GET, HEAD or OPTIONS",
        pl.col("httpRequest.httpMethod").is_in(["GET", "HEAD", "OPTIONS"]),
    ),
    "bytes": field("requestBodySize"),
}

_NATIVE = TableMapping(
    "AWSWAF",
    {
        "Action": field("action"),
        "Args": field("httpRequest.args"),
        "CaptchaResponse": field("captchaResponse"),
        "ChallengeResponse": field("challengeResponse"),
        "ClientIp": field("httpRequest.clientIp"),
        "Country": field("httpRequest.country"),
        "ExcludedRules": derived("`excludedRules` of all entries of `ruleGroupList`", pl.col("_excluded_rules")),
        "FormatVersion": field("formatVersion"),
        "Headers": field("httpRequest.headers"),
        "HttpMethod": field("httpRequest.httpMethod"),
        "HttpRequest": field("httpRequest"),
        "HttpSourceId": field("httpSourceId"),
        "HttpSourceName": field("httpSourceName"),
        "HttpVersion": field("httpRequest.httpVersion"),
        "Ja3Fingerprint": field("ja3Fingerprint"),
        "Labels": field("labels"),
        "NonTerminatingMatchingRules": field("nonTerminatingMatchingRules"),
        "OversizeFields": field("oversizeFields"),
        "RateBasedRuleList": field("rateBasedRuleList"),
        "RequestHeadersInserted": field("requestHeadersInserted"),
        "RequestId": field("httpRequest.requestId"),
        "ResponseCodeSent": field("responseCodeSent"),
        "RuleGroupId": derived(
            "`ruleGroupId` of the entry of `ruleGroupList` that has a `terminatingRule`", pl.col("_group")
        ),
        "RuleGroupList": field("ruleGroupList"),
        "TerminatingRule": derived("the first `terminatingRule` in `ruleGroupList`", pl.col("_terminating_rule")),
        "TerminatingRuleId": field("terminatingRuleId"),
        "TerminatingRuleMatchDetails": field("terminatingRuleMatchDetails"),
        "TerminatingRuleType": field("terminatingRuleType"),
        "Uri": field("httpRequest.uri"),
        "WebAclId": field("webaclId"),
    },
    _ENTITIES,
)


class WafParser(JsonParser):
    """Parses AWS WAF logs."""

    name: ClassVar[str] = "waf"
    title: ClassVar[str] = "an AWS WAF log"
    native: ClassVar[tuple[TableMapping, ...]] = (_NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (asim_mapping(_ENTITIES),)
    Record = Record
    inside: ClassVar = {"httpRequest": Request}
    required: ClassVar = ("webaclId", "httpRequest")
    telling: ClassVar = (
        "timestamp",
        "formatVersion",
        "webaclId",
        "terminatingRuleId",
        "terminatingRuleType",
        "action",
        "httpSourceName",
        "httpSourceId",
        "ruleGroupList",
        "nonTerminatingMatchingRules",
        "httpRequest",
    )
    telling_enough: ClassVar[int] = 5
    unplaced: ClassVar = ("requestBodySize",)

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """The field ``timestamp``."""
        return any_time(frame["timestamp"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the headers ``host`` and ``user-agent``, and what `_groups` finds."""
        headers = named_values(raw["httpRequest.headers"], ("host", "user-agent"))
        lists = raw["ruleGroupList"]
        lists = lists.set(~lists.str.contains(_TELLING_GROUP).fill_null(value=False), None)
        return raw.hstack(headers).hstack(per_distinct(lists, _groups, _GROUP_COLUMNS))
