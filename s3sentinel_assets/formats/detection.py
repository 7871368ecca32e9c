"""Which format is this? Decided by the first kilobytes of content; the key only breaks ties.

Belongs here: the contest between the formats, and what AWS's own keys tell. What a format looks like is its own
``sniff``.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from s3sentinel_assets.formats.registry import FORMATS, format_names, format_parser

__all__ = ["CERTAIN", "HEAD_BYTES", "MINIMUM_CONFIDENCE", "Detection", "detect"]

#: Decoded bytes that detection looks at.
HEAD_BYTES = 16 << 10
MINIMUM_CONFIDENCE = 0.3
#: A format that is so sure, and that the key names, needs no contest. Formats that take nearly anything never are.
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


def detect(head: bytes, key: str = "", *, families: Collection[str] = (), quick: bool = False) -> Detection:
    """Recognises the format of decoded content.

    The answer depends on ``head`` and ``key`` alone, never on what was recognised before: an object that is read again
    among other objects must become the same rows.

    Args:
        head: its first bytes, up to `HEAD_BYTES`.
        key: S3 key or file name, as a hint.
        families: ask only formats of these families; empty: all.
        quick: do not ask the others when a format that the key names is `CERTAIN`; the winner is the same.
    """
    named = [name for name, pattern in _KEY_PATTERNS.items() if name in FORMATS and pattern.search(key)]
    asked: dict[str, tuple[str, float, str]] = {}
    winner: tuple[str, float, str] | None = None
    for name in dict.fromkeys((*named, *format_names())):
        parser = format_parser(name)
        if families and parser.family not in families:
            continue
        verdict = parser.sniff(head, key)
        confidence = verdict.confidence
        if name in named and confidence >= MINIMUM_CONFIDENCE:
            confidence = min(1.0, confidence + _KEY_BONUS)
        asked[name] = (name, confidence, verdict.why)
        if winner is None and name in named and confidence >= CERTAIN:
            winner = asked[name]
            if quick:
                break
    # Of equals the first: one that the key names, else by name.
    considered = sorted(asked.values(), key=lambda entry: (entry is not winner, -entry[1]))
    name, confidence, why = considered[0] if considered else ("", 0.0, "")
    if confidence < MINIMUM_CONFIDENCE:
        return Detection(None, confidence, "no known format fits", tuple(considered))
    return Detection(name, confidence, why, tuple(considered))
