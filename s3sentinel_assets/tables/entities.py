"""The entity view: the few columns that scoring needs from every log event, whatever its format.

Belongs here: the schema only. Formats fill it, ``ml`` reads it. One row for each parsed row, in the same order.
"""

import polars as pl

__all__ = ["ENTITY_SCHEMA"]

ENTITY_SCHEMA: dict[str, pl.DataType] = {
    "event_id": pl.String(),  # same as EventId_CF
    "time": pl.Datetime("us", "UTC"),  # same as EventTime_CF
    "account": pl.String(),
    "region": pl.String(),
    # Who: user, or role (with the session where it is a person's, behind SSO or SAML). VPC flow: the interface.
    "principal": pl.String(),
    "principal_type": pl.String(),  # userIdentity.type; VPC flow: "eni"
    "peer": pl.String(),  # compared with: account/type/role family; VPC flow: account/subnet or VPC
    "service": pl.String(),  # eventSource without ".amazonaws.com"; VPC flow: protocol name
    "action": pl.String(),  # service:EventName; VPC flow: protocol/port class/direction/ACCEPT or REJECT
    "target": pl.String(),  # first resource ARN or name; VPC flow: remote address
    "source_ip": pl.String(),
    "user_agent": pl.String(),
    "error": pl.String(),  # errorCode; null where the call succeeded
    "read_only": pl.Boolean(),
    "bytes": pl.Int64(),
    "packets": pl.Int64(),
    # CloudTrail: what a call that changes something was given, as JSON text; a sign-in's circumstances. Else null.
    "detail": pl.String(),
    "severity": pl.String(),  # findings: the vendor's, one of critical, high, medium, low, informational. Else null
}
