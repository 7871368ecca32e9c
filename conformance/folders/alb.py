"""Application Load Balancer logs: samples of OpenTelemetry's collector, cases of Vector's ``parse_aws_alb_log``."""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, vrl_cases

__all__ = ["cases"]

_COLUMNS = {
    "type": "ALBType",
    "timestamp": "TimeGenerated",
    "elb": "Alb",
    "request_processing_time": "RequestProcessingTime",
    "target_processing_time": "TargetProcessingTime",
    "response_processing_time": "ResponseProcessingTime",
    "elb_status_code": "ElbStatusCode",
    "target_status_code": "TargetStatusCode",
    "received_bytes": "ReceivedBytes",
    "sent_bytes": "SentBytes",
    "user_agent": "UserAgent",
    "ssl_cipher": "SslCipher",
    "ssl_protocol": "SslProtocol",
    "target_group_arn": "TargetGroupArn",
    "trace_id": "TraceId",
    "domain_name": "DomainName",
    "chosen_cert_arn": "ChosenCertArn",
    "matched_rule_priority": "MatchedRulePriority",
    "request_creation_time": "RequestCreationTime",
    "actions_executed": "ActionsExecuted",
    "redirect_url": "RedirectUrl",
    "error_reason": "LambdaErrorReason",
    "classification": "Classification",
    "classification_reason": "ClassificationReason",
    "traceability_id": "ConnTraceId",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.glob("*.log")):
        content = file.read_bytes()
        yield Case(file.name, "alb", content, records=len(content.split(b"\n")) - content.endswith(b"\n"))
    for case in vrl_cases(folder / "vrl_parse_aws_alb_log.jsonl"):
        fields = expected(case.fields, _COLUMNS)
        yield Case(case.id, "alb", case.content.encode(), 1 if case.good else None, fields, valid=case.good)
