"""The fields of findings in the AWS Security Finding Format that columns are made of.

Source: AWS, "AWS Security Finding Format (ASFF)" (docs.aws.amazon.com/securityhub/latest/userguide/
securityhub-findings-format-syntax.html).

Belongs here: the structs. Does not belong here: the tables. A finding's whole text is kept as well, so that only what
is looked at is named.
"""

import msgspec

from s3sentinel_assets.formats.json_logs import NULL

__all__ = ["Action", "Compliance", "Network", "ProviderFields", "Record", "Remediation", "Severity", "Workflow"]


class Compliance(msgspec.Struct, gc=False, rename="pascal"):
    """``Compliance``."""

    status: str | None = None
    related_requirements: msgspec.Raw = NULL
    status_reasons: msgspec.Raw = NULL
    security_control_id: str | None = None
    associated_standards: msgspec.Raw = NULL
    security_control_parameters: msgspec.Raw = NULL


class Severity(msgspec.Struct, gc=False, rename="pascal"):
    """``Severity``."""

    label: str | None = None
    normalized: float | None = None
    original: msgspec.Raw = NULL  # a text; a number with some products


class Workflow(msgspec.Struct, gc=False, rename="pascal"):
    """``Workflow``."""

    status: str | None = None


class ProviderFields(msgspec.Struct, gc=False, rename="pascal"):
    """``FindingProviderFields``: what the product said, which people may have changed since."""

    severity: msgspec.Raw = NULL
    types: msgspec.Raw = NULL


class Recommendation(msgspec.Struct, gc=False, rename="pascal"):
    """``Remediation.Recommendation``."""

    text: str | None = None
    url: str | None = None


class Remediation(msgspec.Struct, gc=False, rename="pascal"):
    """``Remediation``."""

    recommendation: Recommendation | None = None


class Address(msgspec.Struct, gc=False, rename="pascal"):
    """``RemoteIpDetails``."""

    ip_address_v4: str | None = None


class Remote(msgspec.Struct, gc=False, rename="pascal"):
    """An action with the address it came from or went to."""

    remote_ip_details: Address | None = None


class Action(msgspec.Struct, gc=False, rename="pascal"):
    """``Action``."""

    aws_api_call_action: Remote | None = None
    network_connection_action: Remote | None = None
    port_probe_action: msgspec.Raw = NULL


class Network(msgspec.Struct, gc=False, rename="pascal"):
    """``Network``."""

    source_ip_v4: str | None = None
    source_ip_v6: str | None = None


class Record(msgspec.Struct, gc=False, rename="pascal"):
    """One version of a finding."""

    schema_version: str | None = None
    id: str | None = None
    product_arn: str | None = None
    product_name: str | None = None
    company_name: str | None = None
    region: str | None = None
    generator_id: str | None = None
    aws_account_id: str | None = None
    aws_account_name: str | None = None
    types: msgspec.Raw = NULL
    first_observed_at: str | None = None
    last_observed_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    processed_at: str | None = None
    severity: msgspec.Raw = NULL
    title: str | None = None
    description: str | None = None
    remediation: msgspec.Raw = NULL
    product_fields: msgspec.Raw = NULL
    resources: msgspec.Raw = NULL
    compliance: msgspec.Raw = NULL
    workflow_state: str | None = None
    workflow: msgspec.Raw = NULL
    record_state: str | None = None
    verification_state: str | None = None
    source_url: str | None = None
    confidence: float | None = None
    finding_provider_fields: msgspec.Raw = NULL
    action: msgspec.Raw = NULL
    network: msgspec.Raw = NULL
