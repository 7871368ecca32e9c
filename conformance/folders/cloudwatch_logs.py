"""CloudWatch Logs: subscription records of Datadog's and AWS Lambda's tests, cases of Vector's parser.

Events of Lambda for Kinesis and Firehose never reach a bucket: they are no cases.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.model import Case, Expected
from conformance.reading import vrl_cases

__all__ = ["cases"]


def _events(record: Mapping[str, Any]) -> tuple[Expected, ...]:
    """The fields of each log event of a record."""
    found: list[Expected] = []
    for row, event in enumerate(record.get("logEvents", [])):
        found.append(Expected("timestamp", "TimeGenerated", event["timestamp"], row))
        found.append(Expected("message", "Message", event["message"], row))
        found.append(Expected("logGroup", "ExtraFields_CF.logGroup", record["logGroup"], row))
        found.append(Expected("logStream", "ExtraFields_CF.logStream", record["logStream"], row))
    return tuple(found)


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder. They are read as CloudWatch Logs, so that nothing in a message is taken for more."""
    for file in sorted((folder / "datadog").glob("*.json")):
        text = file.read_text(encoding="utf-8")
        value = json.loads(text)
        if isinstance(value, dict) and "logEvents" in value:
            yield Case(
                file.name, "cloudwatch_logs", text.encode(), len(value["logEvents"]), _events(value), detected=False
            )
    lambda_event = folder / "lambda_go_cloudwatch-logs-event.json"
    yield Case(lambda_event.name, "cloudwatch_logs", lambda_event.read_bytes(), 2, detected=False)
    for case in vrl_cases(folder / "vrl_parse_aws_cloudwatch_log_subscription_message.jsonl"):
        fields: tuple[Expected, ...] = ()
        if case.good:
            record = json.loads(case.content)
            fields = _events(record)
        yield Case(
            case.id,
            "cloudwatch_logs",
            case.content.encode(),
            len(fields) // 4 if case.good else None,
            fields,
            valid=case.good,
            detected=False,
        )
