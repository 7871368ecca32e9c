"""The three largest parts of a score in words."""

import re
from typing import Any

from benchmarks.ordinary.event import Event
from benchmarks.ordinary.keys import Keys
from s3sentinel_assets.ml.parameters import TERMS
from s3sentinel_assets.ml.scoring.reasons import KINDS

__all__ = ["reasons"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NEW = {
    "new_action": "{action} never done by",
    "new_service": "service {service} never used by",
    "new_write": "{write} never changed by",
    "new_network": "{network} never used by",
    "new_wide_network": "{wide_network} never used by",
    "new_agent": "client {agent} never used by",
    "new_region": "region {region} never used by",
    "new_error": "error {error} never met by",
}
_OTHERS = {
    "sensitive": "{action} is sensitive, and never done in this way by this {kind} in {events:.0f} events",
    "peers_never": "{action} never done in {peer_events:.0f} events of its peers",
    "account_new_network": "{wide_network} new to the whole account ({account_events:.0f} events)",
    "account_new_agent": "client {agent} new to the whole account ({account_events:.0f} events)",
    "rare_action": "{action} rare for this {kind}: {action_count:.0f} of {events:.0f} events",
    "unusual_size": "{bytes} bytes: only {share} % of its flows come near",
    "unusual_density": "{bytes} bytes in {packets} packets: only {dense} % of its flows come near",
    "burst": "{events_so_far} events this hour, usually {usual_events:.1f}",
    "error_burst": "{errors_so_far} errors this hour, usually {usual_errors:.1f}",
    "error_ratio": "{errors_so_far} of {events_so_far} events failed this hour, usually {error_rate:.1f} %",
    "fan_out": "{fan_out_count} different remote addresses this hour, usually {fan_out_usual:.1f}",
    "many_new": "{new_so_far} first times this hour",
    "unusual_hour": "active at {hour}h UTC: {hour_count:.0f} of {events:.0f} events",
}
_SENTENCES = {name: f"{text} this {{kind}} in {{events:.0f}} events" for name, text in _NEW.items()} | _OTHERS


def reasons(hundredths: dict[str, int], facts: dict[str, Any], event: Event, keys: Keys) -> str:
    """The reasons, or "" where there are none."""
    top = sorted(
        (term for term, part in hundredths.items() if part > 0),
        key=lambda term: (-hundredths[term], TERMS.index(term)),
    )[:3]
    words = {name: _CONTROLS.sub(" ", text)[:64] for name, text in keys.items.items()}
    values = (
        facts
        | words
        | {
            "kind": KINDS.get(event.kind or "", "principal"),
            "bytes": event.size,
            "packets": event.packets,
            "share": round(facts["size_share"] * 100, 2),
            "dense": round(facts.get("density_share", 1.0) * 100, 2),
        }
    )
    texts = []
    for term in top:
        tenths = (hundredths[term] + 5) // 10
        texts.append(f"{_SENTENCES[term].format(**values)} ({tenths // 10}.{tenths % 10})")
    return "; ".join(texts)
