"""Syslog: cases of Vector's ``parse_syslog``, messages of devices (Splunk Connect for Syslog), files of plaso and lnav.

Logs of other shapes that the folders hold as well (Java, glog, Docker …) are no cases. A message of a device with
neither priority nor date cannot be told from any other line of text: it must be refused.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, json_lines, logstash_messages, vrl_cases

__all__ = ["cases"]

_COLUMNS = {
    "severity": "SeverityLevel",
    "facility": "Facility",
    "timestamp": "TimeGenerated",
    "hostname": "HostName",
    "appname": "ProcessName",
    "procid": "ProcessID",
    "message": "SyslogMessage",
}
_SEVERITIES = {"warning": "warning", "error": "err", "err": "err"}
_BEGINNING = re.compile(r"\s*(\d+ )?(<\d+>|[A-Z][a-z]{2} [ \d]\d |\d{4}-\d\d-\d\dT)")
_FILES = (
    "plaso/syslog_rsyslog",
    "plaso/syslog_rsyslog_ForwardFormat",
    "plaso/syslog_rsyslog_SysklogdFileFormat",
    "plaso/syslog_rsyslog_SyslogProtocol23Format",
    "plaso/syslog_rsyslog_TraditionalForwardFormat",
    "plaso/syslog_rsyslog_traditional",
    "plaso/syslog_ssh.log",
    "lnav/logfile_syslog.0",
    "lnav/logfile_syslog.2",
)


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for case in vrl_cases(folder / "vrl_parse_syslog.jsonl"):
        fields = dict(case.fields)
        if "severity" in fields:
            fields["severity"] = _SEVERITIES.get(fields["severity"], fields["severity"])
        yield Case(
            case.id,
            "syslog",
            case.content.encode(),
            None,
            expected(fields, _COLUMNS),
            valid=case.good,
            detected=False,
        )
    for kind in ("rfc3164", "rfc5424"):
        for name, value in json_lines(folder / f"sc4s_syslog_{kind}.jsonl"):
            good = _BEGINNING.match(value["raw"]) is not None
            yield Case(name, "syslog", value["raw"].encode(), valid=good, detected=False)
    for name, _, message in logstash_messages(folder / "logstash_syslog_messages.jsonl"):
        yield Case(name, "syslog", message.encode(), 1, detected=False)
    for name in _FILES:
        yield Case(name, "syslog", (folder / name).read_bytes(), detected=False)
    for case in vrl_cases(folder / "vrl_parse_logfmt.jsonl"):
        yield Case(case.id, "logfmt", case.content.encode(), valid=case.good, detected=False)
