"""The shape of a CloudTrail record: its fields, the identity of each kind of principal, errors.

Belongs here: records with ``%(name)s`` slots where events differ. Does not belong here: filling the slots
(``cloudtrail``).
"""

from typing import Any

from s3sentinel_assets.local.generator.calls import Call
from s3sentinel_assets.local.generator.cast import Principal
from s3sentinel_assets.local.generator.draws import rng_for, unique_id

__all__ = ["record_with_slots"]

_MESSAGES = {
    "NoSuchBucketPolicy": "The bucket policy does not exist",
    "NoSuchLifecycleConfiguration": "The lifecycle configuration does not exist",
}


def record_with_slots(seed: int, principal: Principal, call: Call, error: str | None) -> dict[str, Any]:
    """A record with slots, its fields in CloudTrail's order."""
    service = principal.kind == "service"
    web_identity = principal.kind == "oidc" and call.name == "AssumeRole"
    record: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": _web_identity() if web_identity else _identity(seed, principal),
        "eventTime": "%(event_time)s",
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": call.name,
        "awsRegion": "%(region)s",
        "sourceIPAddress": "%(address)s",
        "userAgent": "%(agent)s",
    }
    if error:
        record["errorCode"] = _error_code(call, error)
        record["errorMessage"] = _MESSAGES.get(error) or _denial(principal, call)
    record |= {"requestParameters": call.request, "responseElements": None if error else call.response}
    if call.extra:
        record["additionalEventData"] = call.extra
    record |= {"requestID": "%(request_id)s", "eventID": "%(event_id)s", "readOnly": call.read}
    if call.resources:
        record["resources"] = [
            {"accountId": "%(account)s", "type": kind, "ARN": arn} if "S3" not in kind or kind.endswith("Bucket")
            else {"type": kind, "ARN": arn}
            for kind, arn in call.resources
        ]  # fmt: skip
    record |= {
        "eventType": "AwsConsoleSignIn" if call.service == "signin" else "AwsApiCall",
        "managementEvent": not call.data,
        "recipientAccountId": "%(account)s",
        "eventCategory": "Data" if call.data else "Management",
    }
    if service:
        record["sharedEventID"] = "%(shared_id)s"
    else:
        host = f"{call.service}.amazonaws.com" if call.everywhere else f"{call.service}.%(region)s.amazonaws.com"
        record["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host,
        }
    if principal.kind == "sso" and call.read and call.service in {"logs", "monitoring", "health", "ce"}:
        record["sessionCredentialFromConsole"] = "true"
    return record


def _identity(seed: int, principal: Principal) -> dict[str, Any]:
    account = principal.account
    if principal.kind == "service":
        return {"type": "AWSService", "invokedBy": principal.name}
    rng = rng_for(seed, "identity", account, principal.role, principal.name)
    if principal.kind == "user":
        return {
            "type": "IAMUser",
            "principalId": unique_id(rng, "AIDA"),
            "arn": f"arn:aws:iam::{account}:user/%(session)s",
            "accountId": account,
            "accessKeyId": "%(access_key)s",
            "userName": "%(session)s",
        }
    role_id = unique_id(rng_for(seed, "role", account, principal.role), "AROA")
    path = "aws-reserved/sso.amazonaws.com/" if principal.kind == "sso" else ""
    context: dict[str, Any] = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": role_id,
            "arn": f"arn:aws:iam::{account}:role/{path}{principal.role}",
            "accountId": account,
            "userName": principal.role,
        }
    }
    if principal.kind == "oidc":
        provider = f"arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com"
        context["webIdFederationData"] = {"federatedProvider": provider, "attributes": {}}
    context["attributes"] = {"creationDate": "%(created)s", "mfaAuthenticated": "false"}
    if principal.kind == "instance":
        context["ec2RoleDelivery"] = "2.0"
    return {
        "type": "AssumedRole",
        "principalId": f"{role_id}:%(session)s",
        "arn": f"arn:aws:sts::{account}:assumed-role/{principal.role}/%(session)s",
        "accountId": account,
        "accessKeyId": "%(access_key)s",
        "sessionContext": context,
    }


def _web_identity() -> dict[str, Any]:
    subject = "repo:acme/shop:ref:refs/heads/main"
    return {
        "type": "WebIdentityUser",
        "principalId": f"token.actions.githubusercontent.com:sts.amazonaws.com:{subject}",
        "userName": subject,
        "identityProvider": "token.actions.githubusercontent.com",
    }


def _error_code(call: Call, error: str) -> str:
    return "Client.UnauthorizedOperation" if error == "AccessDenied" and call.service == "ec2" else error


def _denial(principal: Principal, call: Call) -> str:
    if principal.kind == "service":
        return "Access Denied"
    who = "user/%(session)s" if principal.kind == "user" else f"assumed-role/{principal.role}/%(session)s"
    service = "iam" if principal.kind == "user" else "sts"
    return (
        f"User: arn:aws:{service}::{principal.account}:{who} is not authorized to perform: {call.service}:{call.name} "
        f"because no identity-based policy allows the {call.service}:{call.name} action"
    )
