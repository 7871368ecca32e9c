"""CEF: cases of Vector's ``parse_cef``, messages of devices from Splunk Connect for Syslog."""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, json_lines, vrl_cases

__all__ = ["cases"]

_COLUMNS = {
    "deviceVendor": "DeviceVendor",
    "deviceProduct": "DeviceProduct",
    "deviceVersion": "DeviceVersion",
    "deviceEventClassId": "DeviceEventClassID",
    "name": "Activity",
    "severity": "LogSeverity",
    "suser": "SourceUserName",
    "shost": "SourceHostName",
    "src": "SourceIP",
    "spt": "SourcePort",
    "dst": "DestinationIP",
    "dpt": "DestinationPort",
    "duser": "DestinationUserName",
    "dhost": "DestinationHostName",
    "act": "DeviceAction",
    "msg": "Message",
    "request": "RequestURL",
    "requestMethod": "RequestMethod",
    "proto": "Protocol",
    "fname": "FileName",
    "cs1": "DeviceCustomString1",
    "cs1Label": "DeviceCustomString1Label",
    "cs2": "DeviceCustomString2",
    "cs2Label": "DeviceCustomString2Label",
    "cn1": "DeviceCustomNumber1",
    "externalId": "ExternalID",
    "dvchost": "DeviceName",
    "outcome": "EventOutcome",
    "app": "ApplicationProtocol",
}


#: Vector refuses these for one member of the extension; a connector keeps the event, and the member in it.
_KEPT = ("missing_key", "missing_custom_label", "duplicate_value")


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for case in vrl_cases(folder / "vrl_parse_cef.jsonl"):
        columns = {} if case.arguments else _COLUMNS
        good = case.good or case.id.endswith(_KEPT)
        yield Case(
            case.id,
            "cef",
            case.content.encode(),
            1 if good else None,
            expected(case.fields, columns),
            valid=good,
            detected=good,
        )
    for name, value in json_lines(folder / "sc4s_cef.jsonl"):
        yield Case(name, "cef", value["raw"].encode(), 1)
