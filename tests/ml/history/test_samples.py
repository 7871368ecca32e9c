"""Real samples of each family, end to end: parsed as they are, learned, scored, and calm once they are habit."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from s3sentinel_assets.formats import PartParser
from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ml import load_model, score, update
from tests.formats.parsing import an_input
from tests.ml.worlds import MODELS

HOUR = "2026-11-20-09:00"
#: Format → the file of it.
SAMPLES = {
    "alb": "alb/otel_alb_al_valid_logs.log",
    "cef": "cef/sc4s_cef.jsonl",
    "eks_audit": "eks_audit/panther_analysis_events.jsonl",
    "guardduty": "guardduty/panther_analysis_events.jsonl",
    "network_firewall": "network_firewall/otel_valid_alert_log.json",
    "nlb": "nlb/otel_nlb_al_valid_logs.log",
    "route53_resolver": "route53_resolver/panther_analysis_events.jsonl",
    "s3_access": "s3_access/otel_valid_s3_access_log.log",
    "securityhub": "securityhub/panther_analysis_events.jsonl",
    "syslog": "syslog/sc4s_syslog_rfc5424.jsonl",
    "tgw_flow": "tgw_flow/otel_valid_tgw_flow_log.log",
    "w3c": "iis_w3c/iis10.log",
    "waf": "waf/panther_analysis_events.jsonl",
    "web_access": "apache_nginx/lnav_logfile_access_log.0",
    "zeek": "zeek/lnav_logfile_bro_http.log.0",
}


def contents(path: Path) -> bytes:
    """The log itself: in ``.jsonl`` each line is a case with the event in it."""
    if path.suffix != ".jsonl":
        return path.read_bytes()

    def events() -> Iterator[str]:
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            event = next((case[name] for name in ("event", "message", "input", "raw") if name in case), None)
            if event is not None:
                yield event if isinstance(event, str) else json.dumps(event)

    return "\n".join(events()).encode()


@pytest.fixture(scope="module")
def folder(shared_dir: Path) -> Path:
    if not (shared_dir / "data" / "formats").is_dir():
        pytest.skip("the shared sample data lacks formats")
    return shared_dir / "data" / "formats"


@pytest.mark.parametrize("log_format", sorted(SAMPLES))
def test_a_real_sample_is_scored_and_becomes_habit(folder, log_format):
    path = folder / SAMPLES[log_format]
    if not path.is_file():
        pytest.skip(f"the shared sample data lacks {SAMPLES[log_format]}")
    frames = PartParser(log_format).frames([an_input(0, contents(path))])
    batch = pl.concat([each.entities for each in frames if each.format == log_format])
    batch = batch.unique("event_id", keep="first", maintain_order=True)
    assert batch.height, "nothing was parsed"
    assert batch["action"].null_count() < batch.height
    model = load_model(MODELS, log_format)
    state, last = None, None
    for day in range(6):
        hour = shift_hour(HOUR, 24 * day)
        begin = pl.lit(hour_start(hour)).cast(pl.Datetime("us", "UTC"))
        moved = batch.with_columns(time=begin + pl.duration(seconds=pl.int_range(pl.len())))
        if state is not None:
            result = score(moved, state, None, model, hour=hour).scores
            assert result.height == moved.height
            assert result["AnomalyScore_CF"].is_finite().all()
            backwards = score(moved.reverse(), state, None, model, hour=hour).scores.reverse()
            assert backwards.equals(result)
            last = result
        state = update(state, [moved], hour, format=log_format, model=model)
    assert state is not None
    assert state.keys
    assert last is not None
    # The sixth day is like the five before it; what a vendor calls severe stays severe.
    unjudged = last.filter(batch["severity"].is_null())
    assert not unjudged["Priority_CF"].is_in(["critical", "high", "medium"]).any()
