"""The table of formats the project knows.

Belongs here: name → parser class, nothing else. A new format adds one import path.
"""

import functools
import importlib

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.formats.model import FormatParser

__all__ = ["AUTO", "FORMATS", "format_names", "format_parser"]

#: Recognise each object by its content.
AUTO = "auto"

#: Format name → module:class. Modules are imported when first needed.
FORMATS: dict[str, str] = {
    "alb": "s3sentinel_assets.formats.alb:AlbParser",
    "aws_config": "s3sentinel_assets.formats.aws_config:AwsConfigParser",
    "cef": "s3sentinel_assets.formats.cef:CefParser",
    "cloudfront": "s3sentinel_assets.formats.cloudfront:CloudFrontParser",
    "cloudfront_realtime": "s3sentinel_assets.formats.cloudfront_realtime:CloudFrontRealtimeParser",
    "cloudtrail": "s3sentinel_assets.formats.cloudtrail.parser:CloudTrailParser",
    "cloudwatch_export": "s3sentinel_assets.formats.cloudwatch_export:CloudWatchExportParser",
    "cloudwatch_logs": "s3sentinel_assets.formats.cloudwatch_logs:CloudWatchLogsParser",
    "csv": "s3sentinel_assets.formats.csv_table:CsvParser",
    "eks_audit": "s3sentinel_assets.formats.eks_audit:EksAuditParser",
    "elb": "s3sentinel_assets.formats.elb:ElbParser",
    "guardduty": "s3sentinel_assets.formats.guardduty:GuardDutyParser",
    "json_lines": "s3sentinel_assets.formats.json_lines:JsonLinesParser",
    "leef": "s3sentinel_assets.formats.leef:LeefParser",
    "logfmt": "s3sentinel_assets.formats.logfmt:LogfmtParser",
    "network_firewall": "s3sentinel_assets.formats.network_firewall:NetworkFirewallParser",
    "nlb": "s3sentinel_assets.formats.nlb:NlbParser",
    "ocsf": "s3sentinel_assets.formats.ocsf.parser:OcsfParser",
    "rds_audit": "s3sentinel_assets.formats.rds_audit:RdsAuditParser",
    "route53_public": "s3sentinel_assets.formats.route53_public:Route53PublicParser",
    "route53_resolver": "s3sentinel_assets.formats.route53_resolver:Route53ResolverParser",
    "s3_access": "s3sentinel_assets.formats.s3_access:S3AccessParser",
    "securityhub": "s3sentinel_assets.formats.securityhub:SecurityHubParser",
    "syslog": "s3sentinel_assets.formats.syslog:SyslogParser",
    "tgw_flow": "s3sentinel_assets.formats.tgw_flow:TgwFlowParser",
    "vpc_flow": "s3sentinel_assets.formats.vpc_flow.parser:VpcFlowParser",
    "w3c": "s3sentinel_assets.formats.w3c:W3cParser",
    "waf": "s3sentinel_assets.formats.waf:WafParser",
    "web_access": "s3sentinel_assets.formats.web_access:WebAccessParser",
    "zeek": "s3sentinel_assets.formats.zeek:ZeekParser",
    "zeek_json": "s3sentinel_assets.formats.zeek_json:ZeekJsonParser",
}


def format_names() -> list[str]:
    """The known formats, sorted."""
    return sorted(FORMATS)


@functools.cache
def format_parser(name: str) -> type[FormatParser]:
    """The parser class of the format ``name``.

    Raises:
        ConfigurationError: there is no such format.
    """
    if name not in FORMATS:
        raise ConfigurationError(f"unknown format {name!r}; known formats: {AUTO}, {', '.join(format_names())}")
    module, _, attribute = FORMATS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
