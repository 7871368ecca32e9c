"""Kubernetes audit events, as EKS writes them to CloudWatch Logs.

Source: Kubernetes, "kube-apiserver Audit Configuration (v1)" (kubernetes.io/docs/reference/config-api/
apiserver-audit.v1: ``Event``); Amazon EKS User Guide, "Send control plane logs to CloudWatch Logs"
(docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html: the log group ``/aws/eks/<cluster>/cluster``).

Belongs here: the event's fields, and reading it bare or from a message of CloudWatch Logs. Does not belong here: the
table (``asim``), the text logs of the control plane, which are no audit events.

An event is one stage of a request. Each stage is a record of its own; what the audit policy leaves out (bodies, at
level Metadata) is absent.
"""

from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.cloudwatch.messages import CONTEXT_KEYS
from s3sentinel_assets.formats.eks_audit.asim import ASIM, with_meaning
from s3sentinel_assets.formats.json_logs import NULL, JsonParser, first_time, iso_time, judge, peek
from s3sentinel_assets.formats.mapping import TIME, TableMapping
from s3sentinel_assets.formats.model import Verdict

__all__ = ["EksAuditParser"]


class User(msgspec.Struct, gc=False):
    """``user``: who was authenticated."""

    username: str | None = None
    uid: str | None = None
    groups: msgspec.Raw = NULL
    extra: msgspec.Raw = NULL


class ObjectRef(msgspec.Struct, gc=False, rename="camel"):
    """``objectRef``: what the request was about."""

    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    api_group: str | None = None
    subresource: str | None = None


class ResponseStatus(msgspec.Struct, gc=False):
    """``responseStatus``."""

    status: str | None = None
    message: str | None = None
    reason: str | None = None
    code: int | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """An audit event. The whole of it is kept as text, so that nested structs need not name every field."""

    kind: str | None = None
    api_version: str | None = None
    level: str | None = None
    audit_id: str | None = msgspec.field(default=None, name="auditID")
    stage: str | None = None
    request_uri: str | None = msgspec.field(default=None, name="requestURI")
    verb: str | None = None
    user: User | None = None
    impersonated_user: msgspec.Raw = NULL
    source_ips: msgspec.Raw = msgspec.field(default=NULL, name="sourceIPs")
    user_agent: str | None = None
    object_ref: ObjectRef | None = None
    response_status: ResponseStatus | None = None
    request_object: msgspec.Raw = NULL
    response_object: msgspec.Raw = NULL
    request_received_timestamp: str | None = None
    stage_timestamp: str | None = None
    annotations: msgspec.Raw = NULL


class EksAuditParser(JsonParser):
    """Parses Kubernetes audit events, bare, in an ``EventList`` or from CloudWatch Logs."""

    name: ClassVar[str] = "eks_audit"
    title: ClassVar[str] = "a Kubernetes audit event"
    native: ClassVar[tuple[TableMapping, ...]] = (ASIM,)
    Record = Record
    wrappers: ClassVar = ("items",)
    required: ClassVar = ("stage", ("auditID", "requestURI"), ("verb", "objectRef", "requestURI"), "level")
    telling: ClassVar = (
        "level", "auditID", "stage", "requestURI", "verb", "user", "sourceIPs", "objectRef", "responseStatus",
        "requestReceivedTimestamp", "stageTimestamp", "annotations",
    )  # fmt: skip
    telling_enough: ClassVar[int] = 6
    context_keys: ClassVar = CONTEXT_KEYS
    unplaced: ClassVar = ("impersonatedUser",)
    keep_text: ClassVar[bool] = True

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """The API version says it; without one, the keys."""
        if any(
            record.get("apiVersion", b"").startswith(b'"audit.k8s.io/')
            for record in (*peek(head), *peek(head, cls.wrappers))
        ):
            return Verdict(0.97, "JSON with the API version of Kubernetes audit events")
        return judge(head, cls.telling, cls.telling_enough, cls.wrappers, cls.title)

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """When the request came in, else when the stage was reached."""
        return first_time(iso_time(frame["requestReceivedTimestamp"]), iso_time(frame["stageTimestamp"]))

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds what events mean, and the time of the stage."""
        ended = first_time(iso_time(raw["stageTimestamp"]), raw[TIME])
        return with_meaning(raw.with_columns(ended.alias("_ended")))
