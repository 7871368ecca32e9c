"""CloudTrail events → ASIM: signing in to the Authentication table, all else to the Audit table.

Source: Microsoft, "ASIM Audit Event / Authentication normalization schema reference" (learn.microsoft.com/azure/
sentinel/normalization-schema-audit, -authentication); AWS, "AWS Management Console sign-in events" and "IAM Identity
Center sign-in events in CloudTrail" (docs.aws.amazon.com/awscloudtrail/latest/userguide/
cloudtrail-event-reference-aws-console-sign-in-events.html, docs.aws.amazon.com/singlesignon/latest/userguide/
understanding-sign-in-events.html).

Belongs here: these two mappings. Does not belong here: the native table (``columns``), the verbs (``verbs``).

What has no column in ASIM is in ``AdditionalFields`` under its own name. A role's user name is role and session.
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import ip_version
from s3sentinel_assets.formats.cloudtrail.callers import ACCOUNT, PRINCIPAL, SESSION_NAME
from s3sentinel_assets.formats.cloudtrail.columns import EVENT_ID
from s3sentinel_assets.formats.cloudtrail.entities import ENTITIES, INSIGHT_NAME, SERVICE, TARGET
from s3sentinel_assets.formats.cloudtrail.verbs import event_type
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.frames import non_empty
from s3sentinel_assets.formats.mapping import Origin, TableMapping, constant, derived, field

__all__ = ["ASIM"]

_IDENTITY, _SESSION = "userIdentity.", "userIdentity.sessionContext."
_KIND = pl.col(f"{_IDENTITY}type")
_SOURCE, _NAME = pl.col("eventSource"), pl.col("eventName")
_ADDRESS = pl.col("sourceIPAddress")
_TEXTS = (
    *("eventVersion", "eventCategory", "requestID", "sharedEventID", "apiVersion", "vpcEndpointId"),
    *("readOnly", "managementEvent", "errorCode", "errorMessage", "sourceIPAddress"),
    *(f"{_IDENTITY}{name}" for name in ("arn", "accountId", "accessKeyId", "userName", "invokedBy")),
    *(f"{_IDENTITY}onBehalfOf.{name}" for name in ("userId", "identityStoreArn")),
    *(f"{_SESSION}sessionIssuer.{name}" for name in ("type", "principalId", "arn", "accountId", "userName")),
    *(f"{_SESSION}{name}" for name in ("ec2RoleDelivery", "attributes.creationDate", "attributes.mfaAuthenticated")),
    *(f"tlsDetails.{name}" for name in ("tlsVersion", "cipherSuite", "clientProvidedHostHeader")),
)
_OBJECTS = (
    *("requestParameters", "responseElements", "additionalEventData", "resources", "serviceEventDetails"),
    "insightDetails",
)


def _additional() -> pl.Expr:
    """All that has no column of its own, as one JSON object."""
    objects = [pl.concat_str(pl.lit(f'"{name}":'), name) for name in _OBJECTS]
    texts = json_object({name: name for name in _TEXTS}).str.strip_prefix("{").str.strip_suffix("}")
    joined = pl.concat_str(texts, *objects, separator=",", ignore_nulls=True)
    return pl.concat_str(pl.lit("{"), joined, pl.lit("}"))


_ROLE_NAME = pl.col(f"{_SESSION}sessionIssuer.userName")
_USERNAME = derived(
    "`userIdentity.userName`; of a role, its name and the session's; else the name in `userIdentity.arn`, "
    "`userIdentity.invokedBy` or `userIdentity.principalId`",
    pl.coalesce(
        pl.when(_KIND.is_in(["AssumedRole", "Role"])).then(
            pl.concat_str(_ROLE_NAME, pl.col(SESSION_NAME), separator="/", ignore_nulls=True).replace("", None)
        ),
        non_empty(f"{_IDENTITY}userName"),
        pl.when(_KIND == "Root").then(pl.lit("root")),
        pl.col(f"{_IDENTITY}arn").str.extract(r"[:/]([^:/]+)$"),
        non_empty(f"{_IDENTITY}invokedBy"),
        non_empty(f"{_IDENTITY}principalId"),
    ),
)
_USER_TYPE = derived(
    "`userIdentity.type`: Admin for the root user, Service for an AWS service, Service Principal for roles, Regular "
    "for people, also behind a role; Other",
    pl.when(_KIND == "Root")
    .then(pl.lit("Admin"))
    .when(_KIND == "AWSService")
    .then(pl.lit("Service"))
    # account/role/person
    .when(_KIND.is_in(["AssumedRole", "Role"]) & (pl.col(PRINCIPAL).str.count_matches("/", literal=True) < 2))
    .then(pl.lit("Service Principal"))
    .when(_KIND.is_in(["AWSAccount", "Unknown"]))
    .then(pl.lit("Other"))
    .when(_KIND.is_not_null())
    .then(pl.lit("Regular")),
)


def _user(who: str) -> dict[str, Origin]:
    return {
        f"{who}Username": _USERNAME,
        f"{who}UsernameType": constant("Simple"),
        f"{who}UserId": field(f"{_IDENTITY}principalId"),
        f"{who}UserIdType": derived(
            "AWSId where there is one", pl.when(pl.col(f"{_IDENTITY}principalId") != "").then(pl.lit("AWSId"))
        ),
        f"{who}UserType": _USER_TYPE,
        f"{who}OriginalUserType": field(f"{_IDENTITY}type"),
    }


_SOURCE_COLUMNS = {
    "SrcIpAddr": derived(
        "`sourceIPAddress` where it is an address", pl.when(ip_version(_ADDRESS).is_not_null()).then(_ADDRESS)
    ),
    "SrcHostname": derived(
        "`sourceIPAddress` where it is the name of a service",
        pl.when(ip_version(_ADDRESS).is_null() & _ADDRESS.str.contains(r"^[\w-]+(?:\.[\w-]+)+$")).then(_ADDRESS),
    ),
    "HttpUserAgent": field("userAgent"),
    "DvcScopeId": derived("`recipientAccountId`, else `userIdentity.accountId`", pl.col(ACCOUNT)),
    "DvcZone": field("awsRegion"),
    "ActingAppName": field(f"{_IDENTITY}invokedBy"),
    "ActingAppType": derived(
        "Service where `userIdentity.invokedBy` names one",
        pl.when(pl.col(f"{_IDENTITY}invokedBy") != "").then(pl.lit("Service")),
    ),
    "TargetAppName": derived("`eventSource`", _SOURCE),
    "TargetAppType": constant("CSP"),
    "AdditionalFields": derived("all fields that have no column here", _additional()),
}

# ---- signing in

_SIGN_IN_NAMES = (
    *("ConsoleLogin", "CheckMfa", "CredentialChallenge", "CredentialVerification", "UserAuthentication"),
    *("SwitchRole", "ExitRole", "RenewRole", "GetSigninToken", "Logout", "Authenticate", "Federate"),
)
_ASSUME_NAMES = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetFederationToken")
_SIGN_IN = (_SOURCE.is_in(["signin.amazonaws.com", "sso.amazonaws.com"]) & _NAME.is_in(_SIGN_IN_NAMES)) | (
    (_SOURCE == "sts.amazonaws.com") & _NAME.is_in(_ASSUME_NAMES)
)

_OUTCOME = (
    r'"(?:ConsoleLogin|CheckMfa|SwitchRole|ExitRole|RenewRole|CredentialVerification|UserAuthentication)"\s*:\s*"(\w+)"'
)
_SAID = pl.coalesce(
    pl.col("responseElements").str.extract(_OUTCOME), pl.col("serviceEventDetails").str.extract(_OUTCOME)
)
_REFUSED = (
    (_SAID == "Failure").fill_null(value=False)
    | non_empty("errorCode").is_not_null()
    | (_SAID.is_null() & non_empty("errorMessage").is_not_null())
)
_MESSAGE = pl.col("errorMessage")
_LOGIN_DETAILS = (
    pl.when(~_REFUSED)
    .then(None)
    .when(_MESSAGE.str.contains(r"(?i)no username found|unknown user"))
    .then(pl.lit("No such user"))
    .when(_MESSAGE.str.contains(r"(?i)failed authentication|incorrect password"))
    .then(pl.lit("Incorrect password"))
    .when(pl.col("errorCode").str.contains("AccessDenied"))
    .then(pl.lit("Logon violates policy"))
    .when(pl.col("errorCode").str.contains("Expired"))
    .then(pl.lit("Session expired"))
    .otherwise(pl.lit("Other"))
)
_ROLE_ARN = pl.col("requestParameters").str.extract(r'"roleArn"\s*:\s*"([^"\\]+)"')
_FEDERATES = _NAME.is_in(_ASSUME_NAMES)
_AUTHENTICATION = TableMapping(
    "ASimAuthenticationEventLogs",
    {
        **asim_columns(
            "Authentication",
            event_type=derived(
                "Logoff for Logout and ExitRole, Elevate for SwitchRole, else Logon",
                pl.when(_NAME.is_in(["Logout", "ExitRole"]))
                .then(pl.lit("Logoff"))
                .when(_NAME == "SwitchRole")
                .then(pl.lit("Elevate"))
                .otherwise(pl.lit("Logon")),
            ),
            result=derived(
                "Failure where the response says so or there is an `errorCode`, else Success",
                pl.when(_REFUSED).then(pl.lit("Failure")).otherwise(pl.lit("Success")),
            ),
            product="CloudTrail",
            result_details=derived("of a failure, from `errorMessage` and `errorCode`", _LOGIN_DETAILS),
            original_result_details=derived(
                "`errorMessage`, else `errorCode`", pl.coalesce("errorMessage", "errorCode")
            ),
            original_uid=field("eventID"),
            original_type=field("eventName"),
            original_sub_type=field("eventType"),
            product_version=field("eventVersion"),
            message=field("errorMessage"),
        ),
        **_user("Target"),
        **_SOURCE_COLUMNS,
        "ActorUsername": derived(
            "of a federated caller, as `TargetUsername`", pl.when(_FEDERATES).then(_USERNAME.value)
        ),
        "ActorUserId": derived(
            "of a federated caller, `userIdentity.principalId`",
            pl.when(_FEDERATES).then(f"{_IDENTITY}principalId"),
        ),
        "LogonMethod": derived(
            "Multi factor authentication where `additionalEventData.MFAUsed` says so",
            pl.when(pl.col("additionalEventData").str.contains(r'"MFAUsed"\s*:\s*"Yes"')).then(
                pl.lit("Multi factor authentication")
            ),
        ),
        "LogonProtocol": derived(
            "SAML or OpenID Connect, by `eventName`",
            pl.when(_NAME == "AssumeRoleWithSAML")
            .then(pl.lit("SAML"))
            .when(_NAME == "AssumeRoleWithWebIdentity")
            .then(pl.lit("OpenID Connect")),
        ),
        "TargetDescription": derived("`requestParameters.roleArn`", _ROLE_ARN),
        "TargetUrl": derived(
            "`additionalEventData.LoginTo`",
            pl.col("additionalEventData").str.extract(r'"LoginTo"\s*:\s*"([^"\\]+)"'),
        ),
        "TargetUserScopeId": derived("`userIdentity.accountId`", pl.col(f"{_IDENTITY}accountId")),
    },
    ENTITIES,
    where=_SIGN_IN,
    event_id=EVENT_ID,
)

# ---- all else

_INSIGHT = (pl.col("eventType") == "AwsCloudTrailInsight").fill_null(value=False)
_AUDIT = TableMapping(
    "ASimAuditEventLogs",
    {
        **asim_columns(
            "AuditEvent",
            event_type=derived("the verb that `eventName` begins with", event_type("eventName", "readOnly")),
            result=derived(
                "Failure where there is an `errorCode`, NA for Insights events, else Success",
                pl.when(_INSIGHT)
                .then(pl.lit("NA"))
                .when(non_empty("errorCode").is_not_null())
                .then(pl.lit("Failure"))
                .otherwise(pl.lit("Success")),
            ),
            product="CloudTrail",
            original_result_details=field("errorCode"),
            original_uid=field("eventID"),
            original_type=field("eventName"),
            original_sub_type=field("eventType"),
            product_version=field("eventVersion"),
            message=field("errorMessage"),
        ),
        **_user("Actor"),
        **_SOURCE_COLUMNS,
        "ActorScopeId": field(f"{_IDENTITY}accountId"),
        "ActorSessionId": field(f"{_IDENTITY}accessKeyId"),
        "Operation": derived(
            "`eventName`; of an Insights event, that in `insightDetails`; else `eventType`",
            pl.coalesce("eventName", INSIGHT_NAME, "eventType", pl.lit("-")),
        ),
        "Object": derived(
            "first ARN of `resources`, else the first name among `requestParameters`, else the service",
            pl.coalesce(TARGET, SERVICE, pl.lit("-")),
        ),
        "ObjectId": derived("first ARN of `resources`", pl.col("resources").str.extract(r'"ARN"\s*:\s*"([^"\\]+)"')),
        "ObjectType": constant("Cloud Resource"),
        "OriginalObjectType": derived(
            "first type of `resources`", pl.col("resources").str.extract(r'"type"\s*:\s*"([^"\\]+)"')
        ),
    },
    ENTITIES,
    event_id=EVENT_ID,
)

ASIM: tuple[TableMapping, ...] = (_AUTHENTICATION, _AUDIT)
