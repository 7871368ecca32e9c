"""Which format is this? Decided by the first kilobytes of content; the key only breaks ties.

Belongs here: the contest between the formats, and what AWS's own keys tell. What a format looks like is its own
``sniff``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from s3sentinel_assets.formats.registry import format_names, format_parser

__all__ = ["CERTAIN", "HEAD_BYTES", "MINIMUM_CONFIDENCE", "Detection", "detect"]

#: Decoded bytes that detection looks at.
HEAD_BYTES = 16 << 10
MINIMUM_CONFIDENCE = 0.3
#: A format that is so sure needs no contest. Formats that take nearly anything are never so sure.
CERTAIN = 0.9

#: What a fitting key adds, to a format that the content fits as well.
_KEY_BONUS = 0.04
#: How the services name the objects they deliver to a bucket.
_KEYS = {
    "cloudtrail": r"/CloudTrail/",
    "vpc_flow": r"/vpcflowlogs/|/aws-account-id=\d+/aws-service=vpcflowlogs/",
    "tgw_flow": r"/vpcflowlogs/.*transit|TransitGateway",
    "alb": r"_elasticloadbalancing_.*_app\.",
    "nlb": r"_elasticloadbalancing_.*_net\.",
    "elb": r"_elasticloadbalancing_",
    "s3_access": r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}$",
    "cloudfront": r"[A-Z0-9]{12,14}\.\d{4}-\d\d-\d\d-\d\d\.",
    "waf": r"/WAFLogs/|aws-waf-logs-",
    "guardduty": r"/GuardDuty/",
    "route53_resolver": r"/vpcdnsquerylogs/",
    "network_firewall": r"/network-firewall/",
    "aws_config": r"/Config/",
    "ocsf": r"(^|/)aws/[A-Z0-9_]+/[0-9.]+/region=|(^|/)ext/",
    "eks_audit": r"/eks/|kube-apiserver-audit",
}
_KEY_PATTERNS = {name: re.compile(pattern) for name, pattern in _KEYS.items()}


@dataclass(frozen=True)
class Detection:
    """The outcome of detection.

    Attributes:
        format: the winner's name; None when nothing is sure enough.
        confidence: the winner's, 0 to 1.
        why: half a sentence.
        considered: (name, confidence, why) of every format that was asked, best first.
    """

    format: str | None
    confidence: float
    why: str
    considered: tuple[tuple[str, float, str], ...]


def detect(head: bytes, key: str = "", likely: Sequence[str] = ()) -> Detection:
    """Recognises the format of decoded content.

    Args:
        head: its first bytes, up to `HEAD_BYTES`.
        key: S3 key or file name, as a hint.
        likely: formats to ask first; one of them that is `CERTAIN` is taken without asking the others.
    """
    asked: dict[str, tuple[str, float, str]] = {}
    for name in (*likely, *format_names()):
        if name in asked:
            continue
        verdict = format_parser(name).sniff(head, key)
        confidence = verdict.confidence
        pattern = _KEY_PATTERNS.get(name)
        if confidence >= MINIMUM_CONFIDENCE and pattern is not None and pattern.search(key):
            confidence = min(1.0, confidence + _KEY_BONUS)
        asked[name] = (name, confidence, verdict.why)
        if confidence >= CERTAIN and name in likely:
            break
    considered = tuple(sorted(asked.values(), key=lambda entry: entry[1], reverse=True))
    name, confidence, why = considered[0]
    if confidence < MINIMUM_CONFIDENCE:
        return Detection(None, confidence, "no known format fits", considered)
    return Detection(name, confidence, why, considered)
