"""AWS WAF requests → ASIM's web sessions.

Source: Microsoft, "ASIM Web Session Schema Reference" (learn.microsoft.com/azure/sentinel/normalization-schema-web).

Belongs here: this mapping. Does not belong here: the native table (``waf``).
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import whole_url
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.mapping import Origin, TableMapping, derived, field

__all__ = ["asim_mapping"]

_ALLOWED = pl.col("action") == "ALLOW"
_HOST = pl.coalesce("httpRequest.host", "host")
_ARGS = pl.when(pl.col("httpRequest.args") != "").then(pl.concat_str(pl.lit("?"), "httpRequest.args"))
_TARGET = pl.concat_str(pl.col("httpRequest.uri").fill_null("/"), _ARGS, ignore_nulls=True)
_SCHEME = pl.coalesce("httpRequest.scheme", pl.lit("https"))


def asim_mapping(entities: dict[str, Origin]) -> TableMapping:
    """The mapping, with the format's own entity view."""
    return TableMapping(
        "ASimWebSessionLogs",
        {
            **asim_columns(
                "WebSession",
                event_type="HTTPsession",
                result=derived(
                    "`action`: ALLOW is Success",
                    pl.when(_ALLOWED.fill_null(value=False)).then(pl.lit("Success")).otherwise(pl.lit("Failure")),
                ),
                product="WAF",
                dvc=derived("`webaclId`", pl.coalesce("webaclId", pl.lit("WAF"))),
                severity=derived(
                    "Low for a request that was not let through",
                    pl.when(_ALLOWED.fill_null(value=False)).then(pl.lit("Informational")).otherwise(pl.lit("Low")),
                ),
                original_uid=field("httpRequest.requestId"),
                original_result_details=field("terminatingRuleType"),
                product_version=field("formatVersion"),
            ),
            "EventResultDetails": field("responseCodeSent"),
            "Url": derived(
                "scheme, host, `httpRequest.uri` and `httpRequest.args`; https where no scheme is logged",
                whole_url(_SCHEME, _HOST, _TARGET).fill_null(""),
            ),
            "SrcIpAddr": field("httpRequest.clientIp"),
            "SrcGeoCountry": field("httpRequest.country"),
            "DstHostname": derived("host of the request", _HOST),
            "HttpHost": derived("header `Host`", _HOST),
            "HttpRequestMethod": field("httpRequest.httpMethod"),
            "HttpUserAgent": derived("header `User-Agent`", pl.col("user-agent")),
            "HttpVersion": field("httpRequest.httpVersion"),
            "DvcAction": derived(
                "`action`: ALLOW is Allow, else Deny",
                pl.when(_ALLOWED).then(pl.lit("Allow")).when(pl.col("action").is_not_null()).then(pl.lit("Deny")),
            ),
            "DvcOriginalAction": field("action"),
            "RuleName": field("terminatingRuleId"),
            "Rule": field("terminatingRuleId"),
            "DstAppName": field("httpSourceName"),
            "DstAppId": field("httpSourceId"),
            "SrcBytes": field("requestBodySize"),
            "AdditionalFields": derived(
                "rule group, labels, fingerprint and header fields as text",
                json_object(
                    {
                        "ruleGroupId": "_group",
                        "labels": "labels",
                        "ja3Fingerprint": "ja3Fingerprint",
                        "headers": "httpRequest.headers",
                        "nonTerminatingMatchingRules": "nonTerminatingMatchingRules",
                    }
                ),
            ),
        },
        entities,
    )
