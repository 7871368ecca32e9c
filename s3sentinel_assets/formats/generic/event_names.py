"""Names that fields of generic logs go by, and the table that any log can fill.

Source: what logging libraries and collectors write by default: Python's ``logging``, Log4j, Logback, Serilog, zap,
pino and bunyan, the Elastic Common Schema, OpenTelemetry, GELF, journald's JSON (systemd.journal-fields(7)), Docker's
``json-file``.

Belongs here: which names stand for time, level, message and the like, for formats without fields of their own. Does not
belong here: reading times (``event_times``), any one format.
"""

from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.formats.mapping import Origin, TableMapping, constant, derived

__all__ = ["FIELDS", "NAMES", "RAW", "TIME_NAMES", "TIME_OF_ARRIVAL", "generic_mapping"]

#: Flag of a record whose time is that of its object's arrival.
TIME_OF_ARRIVAL = "time_of_arrival"
#: Raw columns: all fields as a JSON object, the record as it is.
FIELDS, RAW = "_fields", "_record"

#: Fields that hold when the event happened, the most trustworthy first.
TIME_NAMES = (
    "time", "timestamp", "@timestamp", "ts", "eventTime", "event_time", "datetime", "date", "created_at", "createdAt",
    "startTime", "start_time", "started_at", "__REALTIME_TIMESTAMP", "Timestamp", "TimeGenerated", "EventTime", "Time",
    "@t", "instant", "timeUnixNano", "published", "EdgeStartTimestamp",
)  # fmt: skip
#: Raw column → fields for it, the most usual first.
NAMES: dict[str, tuple[str, ...]] = {
    "account": ("accountId", "account_id", "awsAccountId", "aws_account_id"),
    "region": ("region", "awsRegion", "aws_region"),
    "host": ("host", "hostname", "_HOSTNAME", "Host", "host_name", "host.name", "Computer"),
    "level": (
        "level", "severity", "lvl", "log.level", "levelname", "loglevel", "log_level", "Level", "severityText",
        "PRIORITY", "@l",
    ),
    "logger": ("logger", "logger_name", "log.logger", "loggerName", "component", "name"),
    "process_name": ("process", "app", "application", "service", "SYSLOG_IDENTIFIER", "service.name"),
    "process_id": ("pid", "_PID", "process_id", "process.pid"),
    "trace_id": ("trace_id", "traceId", "trace.id", "TraceId"),
    "message": ("message", "msg", "MESSAGE", "Message", "@m", "@mt", "short_message", "log", "body", "event"),
    "user": ("user", "username", "userName", "user_name", "user.name", "user_id", "userId"),
    "source_ip": ("client_ip", "clientIp", "ClientIP", "source_ip", "sourceIPAddress", "src_ip", "remote_addr"),
    "action": ("action", "eventName", "event_name", "eventType", "event_type", "operation"),
}  # fmt: skip

#: Words, and the numbers of pino and bunyan.
_ERROR = r"(?i)^(?:error|err|fatal|panic|crit|critical|alert|emerg|[56]0$)"


def _first_of(column: str) -> Origin:
    shown = ", ".join(f"`{name}`" for name in NAMES[column][:3])
    return derived(f"the first of {len(NAMES[column])} usual names, such as {shown}", pl.col(column))


def generic_mapping(log_format: str, fields: str, record: str) -> TableMapping:
    """The mapping of a generic format.

    Args:
        log_format: its name.
        fields: what `FIELDS` holds, for people.
        record: what `RAW` holds.

    Returns:
        A mapping to ``S3Events_CL`` over the raw columns of `NAMES`, all String, `FIELDS` and `RAW`.
    """
    columns: Mapping[str, Origin] = {
        "Format": constant(log_format),
        "AccountId": _first_of("account"),
        "Region": _first_of("region"),
        "Host": _first_of("host"),
        "Level": _first_of("level"),
        "Logger": _first_of("logger"),
        "ProcessName": _first_of("process_name"),
        "ProcessId": _first_of("process_id"),
        "TraceId": _first_of("trace_id"),
        "Message": _first_of("message"),
        "Fields": derived(fields, pl.col(FIELDS)),
        "RawData": derived(record, pl.col(RAW)),
    }
    program = pl.coalesce("process_name", "logger")
    acted = pl.concat_str(program, "level", separator="/", ignore_nulls=True)
    entities: Mapping[str, Origin] = {
        "account": _first_of("account"),
        "region": _first_of("region"),
        "principal": derived(
            "user, else source address, program, logger or host",
            pl.coalesce("user", "source_ip", "process_name", "logger", "host"),
        ),
        "service": derived("program, else logger", program),
        "action": derived(
            "action, else program or logger, and level: `api/info`",
            pl.coalesce("action", pl.when(acted != "").then(acted)),
        ),
        "source_ip": _first_of("source_ip"),
        "error": derived("level from error up", pl.when(pl.col("level").str.contains(_ERROR)).then("level")),
    }
    return TableMapping(
        "S3Events_CL",
        columns,
        entities,
        note=f"Time: the first usable of {', '.join(f'`{name}`' for name in TIME_NAMES)}; else the object's arrival, "
        f"flagged `{TIME_OF_ARRIVAL}`.",
    )
