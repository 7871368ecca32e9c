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
    "alb": "s3sentinel_assets.formats.load_balancers.alb:AlbParser",
    "aws_config": "s3sentinel_assets.formats.aws_config.parser:AwsConfigParser",
    "cef": "s3sentinel_assets.formats.security_events.cef:CefParser",
    "cloudfront": "s3sentinel_assets.formats.cloudfront.standard:CloudFrontParser",
    "cloudfront_realtime": "s3sentinel_assets.formats.cloudfront.realtime:CloudFrontRealtimeParser",
    "cloudtrail": "s3sentinel_assets.formats.cloudtrail.parser:CloudTrailParser",
    "cloudwatch_export": "s3sentinel_assets.formats.cloudwatch.export:CloudWatchExportParser",
    "cloudwatch_logs": "s3sentinel_assets.formats.cloudwatch.subscription:CloudWatchLogsParser",
    "csv": "s3sentinel_assets.formats.generic.csv_table:CsvParser",
    "eks_audit": "s3sentinel_assets.formats.eks_audit.parser:EksAuditParser",
    "elb": "s3sentinel_assets.formats.load_balancers.elb:ElbParser",
    "guardduty": "s3sentinel_assets.formats.guardduty.parser:GuardDutyParser",
    "json_lines": "s3sentinel_assets.formats.generic.json_lines:JsonLinesParser",
    "leef": "s3sentinel_assets.formats.security_events.leef:LeefParser",
    "logfmt": "s3sentinel_assets.formats.generic.logfmt:LogfmtParser",
    "network_firewall": "s3sentinel_assets.formats.network_firewall.parser:NetworkFirewallParser",
    "nlb": "s3sentinel_assets.formats.load_balancers.nlb:NlbParser",
    "ocsf": "s3sentinel_assets.formats.ocsf.parser:OcsfParser",
    "rds_audit": "s3sentinel_assets.formats.rds_audit.parser:RdsAuditParser",
    "route53_public": "s3sentinel_assets.formats.route53.public:Route53PublicParser",
    "route53_resolver": "s3sentinel_assets.formats.route53.resolver:Route53ResolverParser",
    "s3_access": "s3sentinel_assets.formats.s3_access.parser:S3AccessParser",
    "securityhub": "s3sentinel_assets.formats.securityhub.parser:SecurityHubParser",
    "syslog": "s3sentinel_assets.formats.syslog.parser:SyslogParser",
    "tgw_flow": "s3sentinel_assets.formats.flow_logs.transit_gateway:TgwFlowParser",
    "vpc_flow": "s3sentinel_assets.formats.vpc_flow.parser:VpcFlowParser",
    "w3c": "s3sentinel_assets.formats.w3c.parser:W3cParser",
    "waf": "s3sentinel_assets.formats.waf.parser:WafParser",
    "web_access": "s3sentinel_assets.formats.web.access:WebAccessParser",
    "zeek": "s3sentinel_assets.formats.zeek.parser:ZeekParser",
    "zeek_json": "s3sentinel_assets.formats.zeek.json_parser:ZeekJsonParser",
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
