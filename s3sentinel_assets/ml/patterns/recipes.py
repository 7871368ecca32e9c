"""What makes up the kind of an event, table by table, as data.

Belongs here: which columns count, and how. Does not belong here: reading them (``skeletons``).

Values of ``values`` and ``entities`` go into the pattern as they are, so only columns with few different values are
named. Whatever people or machines can fill in freely is masked (``texts``, ``paths``) or counted by its member names
(``keys``).
"""

from dataclasses import dataclass

__all__ = ["FLOW_FORMATS", "RECIPES", "Recipe", "recipe_of"]

#: Formats whose events are flows: a flow's action is its pattern already, so rows stay short without another id.
FLOW_FORMATS = ("vpc_flow", "tgw_flow")


@dataclass(frozen=True)
class Recipe:
    """What of an event makes up its pattern.

    Attributes:
        entities: columns of the entity view, as they are.
        values: columns of the table, as they are.
        classes: columns of the table that hold HTTP status codes; only the first digit counts.
        keys: columns of JSON objects: the names of their members count, not the values.
        texts: columns of free text; the first that is filled is masked and mined.
        path: columns of web addresses, request lines or paths; the first that is filled counts by its path template.
        filled: whether the set of filled columns counts: for tables that nothing better is known of.
        delivered: whether rows get the id; else the pattern is only counted.
    """

    entities: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    filled: bool = False
    delivered: bool = True

    @property
    def mined(self) -> bool:
        """Whether there is text whose changing parts are found by comparison."""
        return bool(self.texts or self.path)


_FLOW = Recipe(entities=("action",), delivered=False)
_ASIM = ("EventProduct", "EventType", "EventSubType", "EventOriginalType", "EventOriginalSubType", "EventResult")
_OTHER = Recipe(entities=("service", "action", "principal_type", "error"), filled=True)

#: Table → recipe.
RECIPES: dict[str, Recipe] = {
    "ASimAlertEventLogs": Recipe(values=(*_ASIM, "AlertName")),
    "ASimAuditEventLogs": Recipe(
        values=("EventProduct", "EventType", "Operation", "ObjectType", "EventResult", "EventResultDetails"),
        texts=("EventMessage",),
    ),
    "ASimAuthenticationEventLogs": Recipe(values=(*_ASIM, "EventResultDetails", "LogonMethod", "LogonProtocol")),
    "ASimDhcpEventLogs": Recipe(values=_ASIM),
    "ASimDnsActivityLogs": Recipe(
        values=(
            "EventProduct",
            "EventSubType",
            "DnsQueryTypeName",
            "EventResultDetails",
            "NetworkProtocol",
            "DvcAction",
        )
    ),
    "ASimFileEventLogs": Recipe(values=(*_ASIM, "EventResultDetails")),
    "ASimNetworkSessionLogs": Recipe(
        values=(
            "EventProduct",
            "NetworkProtocol",
            "NetworkApplicationProtocol",
            "NetworkDirection",
            "DvcAction",
            "EventOriginalResultDetails",
        )
    ),
    "ASimUserManagementActivityLogs": Recipe(values=(*_ASIM, "EventResultDetails")),
    "ASimWebSessionLogs": Recipe(
        values=("EventProduct", "HttpRequestMethod", "DvcAction"), classes=("EventResultDetails",), path=("Url",)
    ),
    "AWSALBAccessLogs": Recipe(
        values=("ALBType", "ActionsExecuted"), classes=("ElbStatusCode", "TargetStatusCode"), path=("RequestRaw",)
    ),
    "AWSCloudFront_AccessLog_CL": Recipe(
        values=("CsMethod", "XEdgeResultType"), classes=("ScStatus",), path=("CsUriStem",)
    ),
    "AWSCloudTrail": Recipe(entities=("service", "action", "principal_type", "error"), keys=("RequestParameters",)),
    "AWSCloudWatch": Recipe(texts=("Message",)),
    "AWSConfig_CL": Recipe(values=("MessageType", "ResourceType", "ItemStatus"), keys=("Configuration",)),
    "AWSGuardDuty": Recipe(values=("ActivityType",), keys=("ResourceDetails",)),
    "AWSNLBAccessLogs": Recipe(values=("NLBType", "TLSProtocolVersion", "TLSCipher", "IncomingTLSAlert")),
    "AWSNetworkFirewallAlert": Recipe(
        values=("EventType", "AlertAction", "Proto", "AppProto", "SignatureId", "Category")
    ),
    "AWSNetworkFirewallFlow": Recipe(values=("EventType", "Proto", "AppProto")),
    "AWSNetworkFirewallTls": Recipe(values=("Action", "Status"), texts=("ErrorMessage",)),
    "AWSRoute53Resolver": Recipe(values=("LogType", "QueryType", "Rcode", "Transport", "FirewallRuleAction")),
    "AWSS3ServerAccess": Recipe(values=("Operation", "HttpStatus", "ErrorCode", "AuthenticationType")),
    "AWSSecurityHubFindings": Recipe(
        values=("AwsSecurityFindingProductName", "ComplianceStatus", "RecordState", "WorkflowState"),
        texts=("AwsSecurityFindingTitle",),
    ),
    "AWSVPCFlow": _FLOW,
    "AWSWAF": Recipe(values=("Action", "TerminatingRuleType", "TerminatingRuleId", "HttpMethod", "ResponseCodeSent")),
    "CommonSecurityLog": Recipe(
        values=("DeviceVendor", "DeviceProduct", "DeviceEventClassID", "DeviceAction"), texts=("Message", "Activity")
    ),
    "OCSF_CL": Recipe(
        values=("ClassUid", "ActivityId", "StatusId", "SeverityId", "ApiService", "ApiOperation"),
        texts=("FindingTitle", "Message"),
    ),
    "S3Events_CL": Recipe(values=("Format", "Level"), texts=("Message", "RawData")),
    "Syslog": Recipe(values=("ProcessName",), texts=("SyslogMessage",)),
    "Zeek_CL": Recipe(values=("Path",), keys=("Fields",), texts=("Message",)),
}


def recipe_of(log_format: str, table: str) -> Recipe:
    """The recipe for rows of a format in a table; for an unknown table a general one."""
    return _FLOW if log_format in FLOW_FORMATS else RECIPES.get(table, _OTHER)
