"""Security events of devices, in CEF or LEEF: what both have in common on their way to CommonSecurityLog.

Source: Microsoft, "CEF and CommonSecurityLog field mapping" (learn.microsoft.com/azure/sentinel/cef-name-mapping) and
"Azure Monitor Logs reference - CommonSecurityLog"; "Implementing ArcSight Common Event Format (CEF)", version 26 (the
dictionary; full names of keys).

Belongs here: the dictionary of CEF keys with the columns they fill, the columns that both formats fill alike, reading
the syslog header in front of an event. Does not belong here: how pairs stand in a line (``cef``, ``leef``).
"""

import re
from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.formats.frames import non_empty
from s3sentinel_assets.formats.line_logs.text_lines import head_lines
from s3sentinel_assets.formats.mapping import Origin, derived, field
from s3sentinel_assets.formats.model import Verdict
from s3sentinel_assets.formats.syslog.header import FORM, LOOSE, read_headers
from s3sentinel_assets.formats.syslog.parser import facility_name

__all__ = ["ALIASES", "ALONE", "COLUMNS", "ENTITIES", "KEYS", "PREFIX", "judge_events", "key_columns", "read_prefix"]

#: What may stand in front of an event, as a pattern: a syslog header. Other logs, JSON for one, have quotes there, and
#: a message that only tells of an event has a colon and a blank before its words.
PREFIX = r"""(?:[ \t]{1,8}")?(?:[^|{":\[](?:\[[^\]|]*\]|[^|":\[]|:[^ |"])*)?(?:[ \]>]|: ?)"""
#: Boolean column of `read_prefix`: whether nothing but a header is in front of the event.
ALONE = "alone"

_CUSTOM = {
    **{f"c6a{n}": f"DeviceCustomIPv6Address{n}" for n in range(1, 5)},
    **{f"cfp{n}": f"DeviceCustomFloatingPoint{n}" for n in range(1, 5)},
    **{f"cs{n}": f"DeviceCustomString{n}" for n in range(1, 7)},
    **{f"deviceCustomDate{n}": f"DeviceCustomDate{n}" for n in range(1, 3)},
    **{f"flexNumber{n}": f"FlexNumber{n}" for n in range(1, 3)},
    **{f"flexString{n}": f"FlexString{n}" for n in range(1, 3)},
    "flexDate1": "FlexDate1",
}
#: Keys whose value goes into one column as it is → the column.
KEYS: dict[str, str] = {
    "act": "DeviceAction",
    "app": "ApplicationProtocol",
    "cat": "DeviceEventCategory",
    "cnt": "EventCount",
    "destinationDnsDomain": "DestinationDnsDomain",
    "destinationServiceName": "DestinationServiceName",
    "destinationTranslatedAddress": "DestinationTranslatedAddress",
    "destinationTranslatedPort": "DestinationTranslatedPort",
    "deviceDirection": "CommunicationDirection",
    "deviceDnsDomain": "DeviceDnsDomain",
    "deviceExternalId": "DeviceExternalID",
    "deviceInboundInterface": "DeviceInboundInterface",
    "deviceNtDomain": "DeviceNtDomain",
    "deviceOutboundInterface": "DeviceOutboundInterface",
    "devicePayloadId": "DevicePayloadId",
    "deviceTranslatedAddress": "DeviceTranslatedAddress",
    "dhost": "DestinationHostName",
    "dmac": "DestinationMACAddress",
    "dntdom": "DestinationNTDomain",
    "dpid": "DestinationProcessId",
    "dpriv": "DestinationUserPrivileges",
    "dproc": "DestinationProcessName",
    "dpt": "DestinationPort",
    "dst": "DestinationIP",
    "dtz": "DeviceTimeZone",
    "duid": "DestinationUserID",
    "duser": "DestinationUserName",
    "dvc": "DeviceAddress",
    "dvchost": "DeviceName",
    "dvcmac": "DeviceMacAddress",
    "externalId": "ExtID",
    "fileCreateTime": "FileCreateTime",
    "fileHash": "FileHash",
    "fileId": "FileID",
    "fileModificationTime": "FileModificationTime",
    "filePath": "FilePath",
    "filePermission": "FilePermission",
    "fileType": "FileType",
    "fname": "FileName",
    "fsize": "FileSize",
    "in": "ReceivedBytes",
    "msg": "Message",
    "oldFileCreateTime": "OldFileCreateTime",
    "oldFileHash": "OldFileHash",
    "oldFileId": "OldFileID",
    "oldFileModificationTime": "OldFileModificationTime",
    "oldFileName": "OldFileName",
    "oldFilePath": "OldFilePath",
    "oldFilePermission": "OldFilePermission",
    "oldFileSize": "OldFileSize",
    "oldFileType": "OldFileType",
    "out": "SentBytes",
    "outcome": "EventOutcome",
    "proto": "Protocol",
    "reason": "Reason",
    "request": "RequestURL",
    "requestClientApplication": "RequestClientApplication",
    "requestContext": "RequestContext",
    "requestCookies": "RequestCookies",
    "requestMethod": "RequestMethod",
    "rt": "ReceiptTime",
    "shost": "SourceHostName",
    "smac": "SourceMACAddress",
    "sntdom": "SourceNTDomain",
    "sourceDnsDomain": "SourceDnsDomain",
    "sourceServiceName": "SourceServiceName",
    "sourceTranslatedAddress": "SourceTranslatedAddress",
    "sourceTranslatedPort": "SourceTranslatedPort",
    "spid": "SourceProcessId",
    "spriv": "SourceUserPrivileges",
    "sproc": "SourceProcessName",
    "spt": "SourcePort",
    "src": "SourceIP",
    "suid": "SourceUserID",
    "suser": "SourceUserName",
    "type": "EventType",
    **_CUSTOM,
    **{f"{key}Label": f"{column}Label" for key, column in _CUSTOM.items()},
    **{f"cn{n}": f"FieldDeviceCustomNumber{n}" for n in range(1, 4)},
    **{f"cn{n}Label": f"DeviceCustomNumber{n}Label" for n in range(1, 4)},
}
#: The dictionary's full names, which some devices write → the key.
ALIASES: dict[str, str] = {
    "applicationProtocol": "app",
    "baseEventCount": "cnt",
    "bytesIn": "in",
    "bytesOut": "out",
    "destinationAddress": "dst",
    "destinationHostName": "dhost",
    "destinationMacAddress": "dmac",
    "destinationNtDomain": "dntdom",
    "destinationPort": "dpt",
    "destinationProcessId": "dpid",
    "destinationProcessName": "dproc",
    "destinationUserId": "duid",
    "destinationUserName": "duser",
    "destinationUserPrivileges": "dpriv",
    "deviceAction": "act",
    "deviceAddress": "dvc",
    "deviceEventCategory": "cat",
    "deviceHostName": "dvchost",
    "deviceMacAddress": "dvcmac",
    "deviceProcessId": "dvcpid",
    "deviceReceiptTime": "rt",
    "deviceTimeZone": "dtz",
    "endTime": "end",
    "eventOutcome": "outcome",
    "fileName": "fname",
    "fileSize": "fsize",
    "message": "msg",
    "requestUrl": "request",
    "sourceAddress": "src",
    "sourceHostName": "shost",
    "sourceMacAddress": "smac",
    "sourceNtDomain": "sntdom",
    "sourcePort": "spt",
    "sourceProcessId": "spid",
    "sourceProcessName": "sproc",
    "sourceUserId": "suid",
    "sourceUserName": "suser",
    "sourceUserPrivileges": "spriv",
    "startTime": "start",
    "transportProtocol": "proto",
}

#: Columns that CEF and LEEF fill alike, beside those of their keys.
COLUMNS: dict[str, Origin] = {
    "DeviceVendor": field("vendor", "Device Vendor"),
    "DeviceProduct": field("product", "Device Product"),
    "DeviceVersion": field("version", "Device Version"),
    "DeviceEventClassID": field("event_class", "Device Event Class ID"),
    "Activity": field("name", "Name"),
    "LogSeverity": field("severity", "Severity"),
    "Computer": derived("host of the syslog header", pl.col("host")),
    "AdditionalExtensions": derived(
        "all keys that have no column, `key=value` with `;` between", pl.col("additional_extensions")
    ),
}

_IN, _OUT = (pl.col(key).cast(pl.Int64, strict=False) for key in ("in", "out"))
_USER = pl.coalesce("suser", "duser")
_SOURCE = pl.coalesce("src", "shost")
#: The entity view.
ENTITIES: dict[str, Origin] = {
    "principal": derived("`suser`, else `duser`, `src` or `shost`", pl.coalesce(_USER, _SOURCE)),
    "principal_type": derived(
        "`user` or `address`",
        pl.when(_USER.is_not_null()).then(pl.lit("user")).when(_SOURCE.is_not_null()).then(pl.lit("address")),
    ),
    "peer": derived("vendor and product", pl.concat_str("vendor", "product", separator="/")),
    "service": derived("vendor and product", pl.concat_str("vendor", "product", separator="/")),
    "action": derived(
        "event class and `act`: `4000000/Delete`",
        pl.concat_str("event_class", "act", separator="/", ignore_nulls=True),
    ),
    "target": derived("`dst`, else `dhost` or `request`", pl.coalesce("dst", "dhost", "request")),
    "source_ip": field("src"),
    "user_agent": field("requestClientApplication"),
    "error": derived(
        "`outcome` where it is a failure",
        pl.when(pl.col("outcome").str.contains(r"(?i)^/?(?:fail|error|den)")).then("outcome"),
    ),
    "bytes": derived("`in` and `out` together", pl.coalesce(_IN + _OUT, _IN, _OUT)),
}


def key_columns(keys: Mapping[str, str]) -> dict[str, Origin]:
    """Columns that are filled from one key each.

    Args:
        keys: the log's own key → a key of `KEYS`, under which its raw column goes.
    """
    return {KEYS[key]: field(key, own) for own, key in keys.items() if key in KEYS}


def read_prefix(prefix: pl.Series) -> pl.DataFrame:
    """What stands in front of an event: a syslog header, or nothing.

    Args:
        prefix: String, never null.

    Returns:
        String columns ``stamp``, ``host``, ``tag``, ``pid`` and ``facility``, and `ALONE`, as many rows.
    """
    names = ("stamp", "host", "tag", "pid", "facility")
    nothing = pl.Series([None], dtype=pl.String()).new_from_index(0, prefix.len())
    if (prefix == "").all():
        alone = pl.Series(ALONE, [True]).new_from_index(0, prefix.len())
        return pl.DataFrame([*(nothing.alias(name) for name in names), alone])
    header = read_headers(prefix)
    dated = pl.col("stamp").is_not_null()
    # "Sep 14 11:07:53 host-abc01: CEF:0|…": in front of an event this is no program.
    is_host = dated & pl.col("host").is_null() & pl.col("pid").is_null()
    priority = pl.col("pri").cast(pl.Int16)
    return header.select(
        "stamp",
        pl.when(is_host).then("tag").otherwise("host").alias("host"),
        pl.when(~is_host).then("tag").alias("tag"),
        "pid",
        facility_name(pl.when(priority <= 191).then(priority)).alias("facility"),
        # Headers that follow no standard may have words left over; behind the others the message begins.
        (pl.col("message").is_null() | pl.col(FORM).is_null() | (pl.col(FORM) == LOOSE)).alias(ALONE),
    ).with_columns(non_empty(name) for name in names)


def judge_events(head: bytes, word: str, pattern: re.Pattern[bytes]) -> Verdict:
    """How sure it is that content holds such events.

    Args:
        head: its first bytes.
        word: what events begin with, without the colon.
        pattern: matches one event, its first group what is in front of it.
    """
    if f"{word}:".encode() not in head:
        return Verdict(0.0, f"no line has {word}: in it")
    lines = head_lines(head)
    fronts = [match[1].decode(errors="replace") for line in lines if (match := pattern.match(line))]
    alone = int(read_prefix(pl.Series(fronts, dtype=pl.String))[ALONE].sum()) if fronts else 0
    share = alone / len(lines) if lines else 0.0
    return Verdict(0.97 * share, f"{share:.0%} of {len(lines)} lines have {word}'s header")
