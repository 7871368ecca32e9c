"""Which format is this? Decided by the first kilobytes of content; the key only breaks ties.

Belongs here: the contest between the formats. What a format looks like is its own ``sniff``.
"""

from dataclasses import dataclass

from s3sentinel_assets.formats.registry import format_names, format_parser

__all__ = ["HEAD_BYTES", "MINIMUM_CONFIDENCE", "Detection", "detect"]

#: Decoded bytes that detection looks at.
HEAD_BYTES = 16 << 10
MINIMUM_CONFIDENCE = 0.3


@dataclass(frozen=True)
class Detection:
    """The outcome of detection.

    Attributes:
        format: the winner's name; None when nothing is sure enough.
        confidence: the winner's, 0 to 1.
        why: half a sentence.
        considered: every format's (name, confidence, why), best first.
    """

    format: str | None
    confidence: float
    why: str
    considered: tuple[tuple[str, float, str], ...]


def detect(head: bytes, key: str = "") -> Detection:
    """Recognises the format of decoded content.

    Args:
        head: its first bytes, up to `HEAD_BYTES`.
        key: S3 key or file name, as a hint.
    """
    verdicts = [(name, format_parser(name).sniff(head, key)) for name in format_names()]
    considered = tuple(
        sorted(((name, v.confidence, v.why) for name, v in verdicts), key=lambda entry: entry[1], reverse=True)
    )
    name, confidence, why = considered[0]
    if confidence < MINIMUM_CONFIDENCE:
        return Detection(None, confidence, "no known format fits", considered)
    return Detection(name, confidence, why, considered)
