"""The fields of an OCSF event that a table or the entity view needs.

Belongs here: types only, with OCSF's own names. Does not belong here: which table gets what (``tables``).

Versions 1.0 to 1.5 are read; of fields that were renamed between them both names are known. Everything else in an event
is in its whole text, which every table has a place for.
"""

import msgspec

from s3sentinel_assets.formats.json_logs import NULL

__all__ = ["INSIDE", "Record"]


class Record(msgspec.Struct, gc=False):
    """One event of any class."""

    class_uid: int | None = None
    class_name: str | None = None
    category_uid: int | None = None
    category_name: str | None = None
    activity_id: int | None = None
    activity_name: str | None = None
    type_uid: int | None = None
    type_name: str | None = None
    time: msgspec.Raw = NULL
    time_dt: msgspec.Raw = NULL
    start_time: msgspec.Raw = NULL
    start_time_dt: msgspec.Raw = NULL
    end_time: msgspec.Raw = NULL
    end_time_dt: msgspec.Raw = NULL
    duration: int | None = None
    count: int | None = None
    severity: str | None = None
    severity_id: int | None = None
    status: str | None = None
    status_id: int | None = None
    status_code: str | None = None
    status_detail: str | None = None
    message: str | None = None
    metadata: msgspec.Raw = NULL
    cloud: msgspec.Raw = NULL
    actor: msgspec.Raw = NULL
    user: msgspec.Raw = NULL
    device: msgspec.Raw = NULL
    src_endpoint: msgspec.Raw = NULL
    dst_endpoint: msgspec.Raw = NULL
    connection_info: msgspec.Raw = NULL
    traffic: msgspec.Raw = NULL
    query: msgspec.Raw = NULL
    answers: msgspec.Raw = NULL
    rcode: str | None = None
    rcode_id: int | None = None
    http_request: msgspec.Raw = NULL
    http_response: msgspec.Raw = NULL
    api: msgspec.Raw = NULL
    finding: msgspec.Raw = NULL
    finding_info: msgspec.Raw = NULL
    resource: msgspec.Raw = NULL
    resources: msgspec.Raw = NULL
    action: str | None = None
    action_id: int | None = None
    disposition: str | None = None
    disposition_id: int | None = None
    firewall_rule: msgspec.Raw = NULL
    http_status: int | None = None
    is_mfa: bool | None = None
    auth_protocol: str | None = None
    service: msgspec.Raw = NULL
    entity: msgspec.Raw = NULL
    attacks: msgspec.Raw = NULL
    remediation: msgspec.Raw = NULL
    confidence_score: int | None = None
    risk_score: int | None = None
    observables: msgspec.Raw = NULL
    enrichments: msgspec.Raw = NULL
    unmapped: msgspec.Raw = NULL


class Product(msgspec.Struct, gc=False):
    """``metadata.product``."""

    name: str | None = None
    vendor_name: str | None = None
    version: str | None = None


class Metadata(msgspec.Struct, gc=False):
    """``metadata``."""

    uid: str | None = None
    version: str | None = None
    log_name: str | None = None
    log_provider: str | None = None
    event_code: str | None = None
    profiles: msgspec.Raw = NULL
    product: Product | None = None


class Account(msgspec.Struct, gc=False):
    """An account."""

    uid: str | None = None
    name: str | None = None


class Cloud(msgspec.Struct, gc=False):
    """``cloud``. Before 1.0 the account was ``account_uid``."""

    provider: str | None = None
    region: str | None = None
    account_uid: str | None = None
    account: Account | None = None


class User(msgspec.Struct, gc=False):
    """A user."""

    name: str | None = None
    uid: str | None = None
    uid_alt: str | None = None
    type: str | None = None
    email_addr: str | None = None
    account: Account | None = None


class Session(msgspec.Struct, gc=False):
    """``actor.session``."""

    uid: str | None = None
    issuer: str | None = None


class Process(msgspec.Struct, gc=False):
    """``actor.process``."""

    name: str | None = None


class Actor(msgspec.Struct, gc=False):
    """``actor``: who did it."""

    user: User | None = None
    session: Session | None = None
    process: Process | None = None
    invoked_by: str | None = None
    app_name: str | None = None


class Os(msgspec.Struct, gc=False):
    """``device.os``."""

    name: str | None = None
    version: str | None = None


class Device(msgspec.Struct, gc=False):
    """``device``."""

    hostname: str | None = None
    ip: str | None = None
    uid: str | None = None
    mac: str | None = None
    os: Os | None = None


class Location(msgspec.Struct, gc=False):
    """``location`` of an endpoint."""

    city: str | None = None
    country: str | None = None
    region: str | None = None


class Endpoint(msgspec.Struct, gc=False):
    """``src_endpoint`` and ``dst_endpoint``."""

    ip: str | None = None
    port: int | None = None
    hostname: str | None = None
    domain: str | None = None
    name: str | None = None
    svc_name: str | None = None
    uid: str | None = None
    instance_uid: str | None = None
    interface_uid: str | None = None
    vpc_uid: str | None = None
    subnet_uid: str | None = None
    mac: str | None = None
    location: Location | None = None


class Connection(msgspec.Struct, gc=False):
    """``connection_info``."""

    uid: str | None = None
    protocol_num: int | None = None
    protocol_name: str | None = None
    protocol_ver: str | None = None
    direction: str | None = None
    direction_id: int | None = None
    tcp_flags: int | None = None


class Traffic(msgspec.Struct, gc=False):
    """``traffic``."""

    bytes: int | None = None
    packets: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None


class Query(msgspec.Struct, gc=False, rename={"kind": "class"}):
    """``query`` of a DNS event."""

    hostname: str | None = None
    type: str | None = None
    kind: str | None = None


class Url(msgspec.Struct, gc=False):
    """``http_request.url``."""

    url_string: str | None = None
    text: str | None = None
    hostname: str | None = None
    path: str | None = None
    query_string: str | None = None
    scheme: str | None = None


class HttpRequest(msgspec.Struct, gc=False):
    """``http_request``."""

    http_method: str | None = None
    user_agent: str | None = None
    referrer: str | None = None
    version: str | None = None
    uid: str | None = None
    x_forwarded_for: msgspec.Raw = NULL
    url: Url | None = None


class HttpResponse(msgspec.Struct, gc=False):
    """``http_response``."""

    code: int | None = None
    latency: int | None = None


class Service(msgspec.Struct, gc=False):
    """``api.service``, and ``service`` of an authentication."""

    name: str | None = None


class Answer(msgspec.Struct, gc=False):
    """``api.request`` and ``api.response``."""

    uid: str | None = None
    error: str | None = None
    error_message: str | None = None
    message: str | None = None


class Api(msgspec.Struct, gc=False):
    """``api``: the call."""

    operation: str | None = None
    version: str | None = None
    service: Service | None = None
    request: Answer | None = None
    response: Answer | None = None


class Named(msgspec.Struct, gc=False):
    """``firewall_rule``, ``entity`` and ``analytic``: what has a name and an id."""

    name: str | None = None
    uid: str | None = None
    type: str | None = None


class Remediation(msgspec.Struct, gc=False):
    """``remediation``."""

    desc: str | None = None


class Finding(msgspec.Struct, gc=False):
    """``finding_info``, which was ``finding`` before 1.1."""

    uid: str | None = None
    title: str | None = None
    desc: str | None = None
    types: msgspec.Raw = NULL
    src_url: str | None = None
    analytic: Named | None = None
    attacks: msgspec.Raw = NULL
    first_seen_time: msgspec.Raw = NULL
    first_seen_time_dt: msgspec.Raw = NULL
    last_seen_time: msgspec.Raw = NULL
    last_seen_time_dt: msgspec.Raw = NULL


INSIDE: dict[str, type[msgspec.Struct]] = {
    "metadata": Metadata,
    "cloud": Cloud,
    "actor": Actor,
    "user": User,
    "device": Device,
    "src_endpoint": Endpoint,
    "dst_endpoint": Endpoint,
    "connection_info": Connection,
    "traffic": Traffic,
    "query": Query,
    "http_request": HttpRequest,
    "http_response": HttpResponse,
    "api": Api,
    "finding": Finding,
    "finding_info": Finding,
    "firewall_rule": Named,
    "service": Service,
    "entity": Named,
    "remediation": Remediation,
}
