"""CloudTrail files → rows of ``AWSCloudTrail`` and events to score, record by record."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.ordinary.event import Event

__all__ = ["read_cloudtrail"]

_MACHINE_SESSION = re.compile(
    r"(?i)^(?:i-[0-9a-f]{8,17}"
    r"|(?:botocore|aws-(?:sdk-|go-sdk|cli)|aws-java|aws-node|aws-crt|boto3|assume-?role|session|web-identity-token|"
    r"terraform|k8s|eks)[\w.@-]*\d[\w.@-]*"
    r"|[0-9._:TZ-]{6,}|[0-9a-f]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w.@-]*\d{9,}[\w.@-]*)$"
)
_MAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[A-Za-z]+$")
_ROLE_VARIANT = re.compile(r"[-_.](?:[0-9a-fA-F]{8,}|[A-Z0-9]{10,}|\d+)")
_RULES = {
    "CidrIp": re.compile(r'"cidrIp(?:v6)?"\s*:\s*"([^"]+)"'),
    "IpProtocol": re.compile(r'"ipProtocol"\s*:\s*"?([^",}\s]+)'),
    "SourcePort": re.compile(r'"fromPort"\s*:\s*"?(-?\d+)'),
    "DestinationPort": re.compile(r'"toPort"\s*:\s*"?(-?\d+)'),
}


_TELLING_READS = {"DescribeInstanceAttribute", "GetParameter", "GetParameters", "GetParametersByPath"}


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _row(record: dict[str, Any]) -> dict[str, Any]:
    identity = record.get("userIdentity") or {}
    session = identity.get("sessionContext") or {}
    issuer = session.get("sessionIssuer") or {}
    attributes = session.get("attributes") or {}
    behalf = identity.get("onBehalfOf") or {}
    tls = record.get("tlsDetails") or {}
    parameters = _text(record.get("requestParameters"))
    rules: dict[str, Any] = {}
    if parameters and "SecurityGroup" in record.get("eventName", ""):
        rules = {name: ",".join(dict.fromkeys(rule.findall(parameters))) or None for name, rule in _RULES.items()}
    event_id = record.get("eventID")
    account = record.get("recipientAccountId") or identity.get("accountId") or "-"
    row = {
        "TimeGenerated": record["eventTime"],
        "EventTime_CF": record["eventTime"],
        "EventId_CF": f"{account}:{event_id}",
        "AdditionalEventData": _text(record.get("additionalEventData")),
        "APIVersion": record.get("apiVersion"),
        "AwsEventId": event_id,
        "AWSRegion": record.get("awsRegion"),
        "AwsRequestId_": record.get("requestID"),
        "Category": record.get("eventCategory"),
        "CipherSuite": tls.get("cipherSuite"),
        "ClientProvidedHostHeader": tls.get("clientProvidedHostHeader"),
        "EC2RoleDelivery": session.get("ec2RoleDelivery"),
        "ErrorCode": record.get("errorCode"),
        "ErrorMessage": record.get("errorMessage"),
        "EventName": record.get("eventName"),
        "EventSource": record.get("eventSource"),
        "EventTypeName": record.get("eventType"),
        "EventVersion": record.get("eventVersion"),
        "ManagementEvent": record.get("managementEvent"),
        "OperationName": "CloudTrail",
        "ReadOnly": record.get("readOnly"),
        "RecipientAccountId": record.get("recipientAccountId"),
        "RequestParameters": parameters,
        "Resources": _text(record.get("resources")),
        "ResponseElements": _text(record.get("responseElements")),
        "ServiceEventDetails": _text(record.get("serviceEventDetails")),
        "SessionCreationDate": attributes.get("creationDate"),
        "SessionIssuerAccountId": issuer.get("accountId"),
        "SessionIssuerArn": issuer.get("arn"),
        "SessionIssuerPrincipalId": issuer.get("principalId"),
        "SessionIssuerType": issuer.get("type"),
        "SessionIssuerUserName": issuer.get("userName"),
        "SessionMfaAuthenticated": {"true": True, "false": False}.get(attributes.get("mfaAuthenticated", "")),
        "SharedEventId": record.get("sharedEventID"),
        "SourceIpAddress": record.get("sourceIPAddress"),
        "TlsVersion": tls.get("tlsVersion"),
        "UserAgent": record.get("userAgent"),
        "UserIdentityAccessKeyId": identity.get("accessKeyId"),
        "UserIdentityAccountId": identity.get("accountId"),
        "UserIdentityArn": identity.get("arn"),
        "UserIdentityInvokedBy": identity.get("invokedBy"),
        "UserIdentityPrincipalid": identity.get("principalId"),
        "UserIdentityStoreArn": behalf.get("identityStoreArn"),
        "UserIdentityType": identity.get("type"),
        "UserIdentityUserId": behalf.get("userId"),
        "UserIdentityUserName": identity.get("userName"),
        "VpcEndpointId": record.get("vpcEndpointId"),
        **rules,
    }
    return {name: value for name, value in row.items() if value is not None}


def _after(text: str, mark: str) -> str | None:
    return text.partition(mark)[2] or None


def _role(identity: dict[str, Any], arn: str) -> str | None:
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    if issuer.get("userName"):
        return issuer["userName"]
    if role := _after(arn, ":assumed-role/"):
        return role.partition("/")[0]
    role = _after(arn, ":role/")
    return role.rpartition("/")[2] if role else None


def _person(identity: dict[str, Any], arn: str, role: str | None) -> str | None:
    """Who is behind a role's session, where the record says so."""
    context = identity.get("sessionContext") or {}
    if context.get("sourceIdentity"):
        return context["sourceIdentity"]
    session = (_after(arn, ":assumed-role/") or "").partition("/")[2] or _after(identity.get("principalId") or "", ":")
    if not session or _MACHINE_SESSION.match(session):
        return None
    federated = "federatedProvider" in (context.get("webIdFederationData") or {})
    return session if (role or "").startswith("AWSReservedSSO_") or federated or _MAIL.match(session) else None


def _principal(identity: dict[str, Any], account: str | None, role: str | None) -> str:
    kind, arn, service = identity.get("type"), identity.get("arn") or "", identity.get("invokedBy")
    if kind == "Root":
        return f"{account}/root"
    if kind == "AWSService" and service:
        return service
    if kind in ("AssumedRole", "Role"):
        return "/".join(part for part in (account, role, _person(identity, arn, role)) if part)
    if kind == "IdentityCenterUser" and (identity.get("onBehalfOf") or {}).get("userId"):
        return f"{account}/{identity['onBehalfOf']['userId']}"
    tail = re.search(r"[:/]([^:/]+)$", arn)
    named = identity.get("userName") or (tail and tail[1]) or identity.get("principalId")
    if named:
        return "/".join(part for part in (account, named) if part)
    return service or account or "unknown"


def _detail(record: dict[str, Any], row: dict[str, Any], service: str) -> str | None:
    """What a rule about a call's parameters may look at."""
    if service == "signin":
        said = (record.get("additionalEventData") or {}) | (record.get("responseElements") or {})
        return json.dumps(said) if said else None
    if not record.get("managementEvent"):
        return None
    if record.get("readOnly") is False or record["eventName"] in _TELLING_READS:
        return row.get("RequestParameters")
    return None


def _event(record: dict[str, Any], row: dict[str, Any]) -> Event:
    identity = record.get("userIdentity") or {}
    account = identity.get("accountId") or record.get("recipientAccountId")
    role = _role(identity, identity.get("arn") or "")
    service = record["eventSource"].removesuffix(".amazonaws.com")
    family = _ROLE_VARIANT.sub("", role) if role else None
    peer = "/".join(part for part in (account, identity.get("type") or "-", family) if part)
    return Event(
        row=row,
        event_id=row["EventId_CF"],
        time=record["eventTime"],
        account=record.get("recipientAccountId") or account,
        region=record.get("awsRegion"),
        principal=_principal(identity, account, role),
        kind=identity.get("type"),
        peer=peer,
        service=service,
        action=f"{service}:{record['eventName']}",
        address=record.get("sourceIPAddress"),
        agent=record.get("userAgent"),
        error=record.get("errorCode"),
        size=(record.get("additionalEventData") or {}).get("bytesTransferredOut"),
        read_only=record.get("readOnly"),
        detail=_detail(record, row, service),
    )


def read_cloudtrail(file: Path) -> Iterator[Event]:
    """The events of one file, with their rows."""
    with gzip.open(file) as stream:
        records = json.loads(stream.read())["Records"]
    for record in records:
        yield _event(record, _row(record))
