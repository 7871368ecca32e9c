"""The fields of GuardDuty findings that columns are made of.

Source: AWS, the API reference of ``Finding`` and what it holds (docs.aws.amazon.com/guardduty/latest/APIReference/
API_Finding.html); findings in S3 and EventBridge have the same names, beginning with a small letter.

Belongs here: the structs. Does not belong here: the tables. ``service`` and ``resource`` are kept whole as well, so
that only what is looked at is named.
"""

import msgspec

from s3sentinel_assets.formats.json_logs import NULL

__all__ = ["Record", "Resource", "Service"]


class Address(msgspec.Struct, gc=False, rename="camel"):
    """``remoteIpDetails``."""

    ip_address_v4: str | None = None
    ip_address_v6: str | None = None


class Remote(msgspec.Struct, gc=False, rename="camel"):
    """An action with the address it came from or went to, in whichever member of ``service.action``."""

    remote_ip_details: Address | None = None
    user_agent: str | None = None
    blocked: bool | None = None


class PortProbe(msgspec.Struct, gc=False, rename="camel"):
    """``portProbeAction``."""

    blocked: bool | None = None
    port_probe_details: msgspec.Raw = NULL


class Dns(msgspec.Struct, gc=False, rename="camel"):
    """``dnsRequestAction``."""

    domain: str | None = None
    blocked: bool | None = None


class Action(msgspec.Struct, gc=False, rename="camel"):
    """``service.action``."""

    action_type: str | None = None
    aws_api_call_action: Remote | None = None
    dns_request_action: Dns | None = None
    kubernetes_api_call_action: Remote | None = None
    network_connection_action: Remote | None = None
    port_probe_action: PortProbe | None = None
    rds_login_attempt_action: Remote | None = None


class Process(msgspec.Struct, gc=False, rename="camel"):
    """``service.runtimeDetails.process``."""

    name: str | None = None
    executable_path: str | None = None
    executable_sha256: str | None = None
    pid: int | None = None
    user: str | None = None


class Context(msgspec.Struct, gc=False, rename="camel"):
    """``service.runtimeDetails.context``."""

    command_line_example: str | None = None


class Runtime(msgspec.Struct, gc=False, rename="camel"):
    """``service.runtimeDetails``, of Runtime Monitoring."""

    process: Process | None = None
    context: Context | None = None


class Sequence(msgspec.Struct, gc=False, rename="camel"):
    """``service.detection.sequence``, of Extended Threat Detection."""

    actors: msgspec.Raw = NULL
    endpoints: msgspec.Raw = NULL
    resources: msgspec.Raw = NULL
    sequence_indicators: msgspec.Raw = NULL


class Detection(msgspec.Struct, gc=False, rename="camel"):
    """``service.detection``."""

    sequence: Sequence | None = None


class Service(msgspec.Struct, gc=False, rename="camel"):
    """``service``: what was seen, how often, when."""

    count: int | None = None
    event_first_seen: str | None = None
    event_last_seen: str | None = None
    archived: bool | None = None
    resource_role: str | None = None
    action: Action | None = None
    runtime_details: Runtime | None = None
    detection: Detection | None = None


class AccessKey(msgspec.Struct, gc=False, rename="camel"):
    """``resource.accessKeyDetails``."""

    access_key_id: str | None = None
    principal_id: str | None = None
    user_name: str | None = None
    user_type: str | None = None


class Instance(msgspec.Struct, gc=False, rename="camel"):
    """``resource.instanceDetails``."""

    instance_id: str | None = None
    network_interfaces: msgspec.Raw = NULL


class KubernetesUser(msgspec.Struct, gc=False, rename="camel"):
    """``resource.kubernetesDetails.kubernetesUserDetails``."""

    username: str | None = None


class Kubernetes(msgspec.Struct, gc=False, rename="camel"):
    """``resource.kubernetesDetails``."""

    kubernetes_user_details: KubernetesUser | None = None


class DbUser(msgspec.Struct, gc=False, rename="camel"):
    """``resource.rdsDbUserDetails``."""

    user: str | None = None


class DbInstance(msgspec.Struct, gc=False, rename="camel"):
    """``resource.rdsDbInstanceDetails``."""

    db_instance_arn: str | None = None


class Function(msgspec.Struct, gc=False, rename="camel"):
    """``resource.lambdaDetails``."""

    function_arn: str | None = None


class Cluster(msgspec.Struct, gc=False, rename="camel"):
    """``resource.eksClusterDetails`` and ``resource.ecsClusterDetails``."""

    arn: str | None = None


class Resource(msgspec.Struct, gc=False, rename="camel"):
    """``resource``: what the finding is about."""

    resource_type: str | None = None
    access_key_details: AccessKey | None = None
    instance_details: Instance | None = None
    kubernetes_details: Kubernetes | None = None
    eks_cluster_details: Cluster | None = None
    ecs_cluster_details: Cluster | None = None
    lambda_details: Function | None = None
    rds_db_instance_details: DbInstance | None = None
    rds_db_user_details: DbUser | None = None
    s3_bucket_details: msgspec.Raw = NULL


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One version of a finding."""

    schema_version: str | None = None
    account_id: str | None = None
    region: str | None = None
    partition: str | None = None
    id: str | None = None
    arn: str | None = None
    type: str | None = None
    resource: msgspec.Raw = NULL
    service: msgspec.Raw = NULL
    severity: float | None = None
    created_at: str | None = None
    updated_at: str | None = None
    title: str | None = None
    description: str | None = None
    confidence: float | None = None
