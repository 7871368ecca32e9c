"""The catalogue of log formats: which Sentinel tables each fills, natively and normalised.

Belongs here: names and tables as plain data, so that a configuration is checked without loading a parser. Does not
belong here: how a format is read (``formats``); a test holds the parsers to this catalogue.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["AUTO", "FIELD_FORMATS", "FORMATS", "FormatTables", "Normalise"]

Normalise = Literal["native", "asim"]

#: The format of a source whose objects are each recognised by content.
AUTO = "auto"

#: Formats whose files may come without a line that names their fields.
FIELD_FORMATS = ("cloudfront_realtime", "csv", "tgw_flow", "vpc_flow", "w3c")


@dataclass(frozen=True)
class FormatTables:
    """What a format fills.

    Attributes:
        native: Sentinel's own tables for it, or a custom one; empty where Sentinel has none.
        asim: the tables of ASIM's normalised schemas; empty where none fits.
        title: the format in a few words.
    """

    native: tuple[str, ...]
    asim: tuple[str, ...]
    title: str

    def tables(self, normalise: Normalise) -> tuple[str, ...]:
        """The tables that rows go to: those asked for, else those there are."""
        first, second = (self.asim, self.native) if normalise == "asim" else (self.native, self.asim)
        return first or second


_AUDIT, _SIGN_IN = "ASimAuditEventLogs", "ASimAuthenticationEventLogs"
_NETWORK, _WEB = "ASimNetworkSessionLogs", "ASimWebSessionLogs"
_DNS, _ALERT = "ASimDnsActivityLogs", "ASimAlertEventLogs"
_CLOUDFRONT = "AWSCloudFront_AccessLog_CL"
_FIREWALL = ("AWSNetworkFirewallAlert", "AWSNetworkFirewallFlow", "AWSNetworkFirewallTls")
_ANY_EVENT = "S3Events_CL"

#: Format name → what it fills.
FORMATS: dict[str, FormatTables] = {
    "alb": FormatTables(("AWSALBAccessLogs",), (_WEB,), "Application Load Balancer access logs"),
    "aws_config": FormatTables(("AWSConfig_CL",), (), "AWS Config snapshots and history"),
    "cef": FormatTables(("CommonSecurityLog",), (), "Common Event Format, alone or in syslog"),
    "cloudfront": FormatTables((_CLOUDFRONT,), (_WEB,), "CloudFront standard access logs"),
    "cloudfront_realtime": FormatTables((_CLOUDFRONT,), (_WEB,), "CloudFront real-time logs"),
    "cloudtrail": FormatTables(("AWSCloudTrail",), (_AUDIT, _SIGN_IN), "CloudTrail events"),
    "cloudwatch_export": FormatTables(("AWSCloudWatch",), (), "CloudWatch Logs by export task"),
    "cloudwatch_logs": FormatTables(("AWSCloudWatch",), (), "CloudWatch Logs by subscription"),
    "csv": FormatTables((_ANY_EVENT,), (), "Separated values of any kind"),
    "eks_audit": FormatTables((), (_AUDIT,), "Kubernetes audit logs of EKS"),
    "elb": FormatTables((), (_WEB, _NETWORK), "Classic Load Balancer access logs"),
    "guardduty": FormatTables(("AWSGuardDuty",), (_ALERT,), "GuardDuty findings"),
    "json_lines": FormatTables((_ANY_EVENT,), (), "JSON of any kind"),
    "leef": FormatTables(("CommonSecurityLog",), (), "Log Event Extended Format, alone or in syslog"),
    "logfmt": FormatTables((_ANY_EVENT,), (), "Lines of key=value"),
    "network_firewall": FormatTables(_FIREWALL, (_NETWORK,), "Network Firewall alert, flow and TLS logs"),
    "nlb": FormatTables(("AWSNLBAccessLogs",), (_NETWORK,), "Network Load Balancer access logs"),
    "ocsf": FormatTables(
        (), (_NETWORK, _DNS, _SIGN_IN, _AUDIT, _ALERT, _WEB, "OCSF_CL"), "OCSF events, as Security Lake keeps them"
    ),
    "rds_audit": FormatTables((), (_AUDIT,), "Audit logs of RDS and Aurora"),
    "route53_public": FormatTables((), (_DNS,), "Route 53 public DNS query logs"),
    "route53_resolver": FormatTables(("AWSRoute53Resolver",), (_DNS,), "Route 53 Resolver query logs"),
    "s3_access": FormatTables(("AWSS3ServerAccess",), (_WEB,), "S3 server access logs"),
    "securityhub": FormatTables(("AWSSecurityHubFindings",), (_ALERT,), "Security Hub findings"),
    "syslog": FormatTables(("Syslog",), (), "Syslog, RFC 3164 and RFC 5424"),
    "tgw_flow": FormatTables((), (_NETWORK,), "Transit Gateway flow logs"),
    "vpc_flow": FormatTables(("AWSVPCFlow",), (_NETWORK,), "VPC flow logs"),
    "w3c": FormatTables((), (_WEB,), "W3C extended logs, such as those of IIS"),
    "waf": FormatTables(("AWSWAF",), (_WEB,), "WAF web ACL logs"),
    "web_access": FormatTables((), (_WEB,), "Access logs of Apache and nginx"),
    "zeek": FormatTables((), (_NETWORK, _DNS, _WEB, "Zeek_CL"), "Zeek logs"),
    "zeek_json": FormatTables((), (_NETWORK, _DNS, _WEB, "Zeek_CL"), "Zeek logs as JSON"),
}
