"""The fields of a CloudTrail record that the table or the entity view needs.

Source: AWS, "CloudTrail record contents for management, data, and network activity events", "CloudTrail userIdentity
element" and "CloudTrail record contents for Insights events for trails" (docs.aws.amazon.com/awscloudtrail/latest/
userguide/cloudtrail-event-reference-record-contents.html, …-user-identity.html and
cloudtrail-insights-fields-trails.html).

Belongs here: types only. Names are AWS's own. Fields that are not named here (``addendum``, ``eventContext``,
``edgeDeviceDetails``, ``vpcEndpointAccountId``, whatever AWS adds) are kept as they come: those of the record by
``json_logs``, those of the two shared objects in their field ``others``.
"""

import msgspec

from s3sentinel_assets.formats.json_logs.typed import NULL

__all__ = [
    "OTHERS",
    "Fields",
    "Identity",
    "OnBehalfOf",
    "Record",
    "SessionAttributes",
    "SessionContext",
    "SessionIssuer",
    "TlsDetails",
]

#: Holds unknown fields of a shared object, as the text of a JSON object; AWS has no name that begins with a space.
OTHERS = " others"


class SessionIssuer(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``userIdentity.sessionContext.sessionIssuer``: the role or user that a session was made from."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815 - AWS's name
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815


class SessionAttributes(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``userIdentity.sessionContext.attributes``. AWS writes ``mfaAuthenticated`` as text."""

    creationDate: str | None = None  # noqa: N815
    mfaAuthenticated: str | None = None  # noqa: N815


class SessionContext(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``userIdentity.sessionContext``."""

    ec2RoleDelivery: str | None = None  # noqa: N815
    sourceIdentity: str | None = None  # noqa: N815
    assumedRoot: str | None = None  # noqa: N815
    webIdFederationData: msgspec.Raw = NULL  # noqa: N815
    sessionIssuer: SessionIssuer | None = None  # noqa: N815
    attributes: SessionAttributes | None = None


class OnBehalfOf(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``userIdentity.onBehalfOf``: a user of IAM Identity Center."""

    userId: str | None = None  # noqa: N815
    identityStoreArn: str | None = None  # noqa: N815


class Identity(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``userIdentity``: who called."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    accessKeyId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815
    invokedBy: str | None = None  # noqa: N815
    identityProvider: str | None = None  # noqa: N815
    credentialId: str | None = None  # noqa: N815
    invokedByDelegate: msgspec.Raw = NULL  # noqa: N815
    inScopeOf: msgspec.Raw = NULL  # noqa: N815
    sessionContext: SessionContext | None = None  # noqa: N815
    onBehalfOf: OnBehalfOf | None = None  # noqa: N815
    others: msgspec.Raw = msgspec.field(default=NULL, name=OTHERS)


class TlsDetails(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``tlsDetails``."""

    tlsVersion: str | None = None  # noqa: N815
    cipherSuite: str | None = None  # noqa: N815
    clientProvidedHostHeader: str | None = None  # noqa: N815
    others: msgspec.Raw = msgspec.field(default=NULL, name=OTHERS)


class Fields(msgspec.Struct, gc=False):
    """A CloudTrail event without the two objects that many events have in common."""

    eventVersion: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    eventSource: str | None = None  # noqa: N815
    eventName: str | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    requestID: str | None = None  # noqa: N815
    eventID: str | None = None  # noqa: N815
    sharedEventID: str | None = None  # noqa: N815
    eventType: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    eventCategory: str | None = None  # noqa: N815
    apiVersion: str | None = None  # noqa: N815
    vpcEndpointId: str | None = None  # noqa: N815
    readOnly: bool | None = None  # noqa: N815
    managementEvent: bool | None = None  # noqa: N815
    requestParameters: msgspec.Raw = NULL  # noqa: N815
    responseElements: msgspec.Raw = NULL  # noqa: N815
    additionalEventData: msgspec.Raw = NULL  # noqa: N815
    resources: msgspec.Raw = NULL
    serviceEventDetails: msgspec.Raw = NULL  # noqa: N815
    insightDetails: msgspec.Raw = NULL  # noqa: N815
    sessionCredentialFromConsole: msgspec.Raw = NULL  # noqa: N815


class Record(Fields, gc=False):
    """One event, its two common objects left as text: `shared.SharedField` decodes each distinct text once."""

    userIdentity: msgspec.Raw = NULL  # noqa: N815
    tlsDetails: msgspec.Raw = NULL  # noqa: N815
