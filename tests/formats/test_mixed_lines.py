"""Lines of several formats in one object: split into their tables under ``auto``, rejected under one format's name."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.access_lines import ALB, ELB, NLB, S3, TCP, WEB, line, parsed, text
from tests.formats.parsing import IDENTITY, Parsed, parse, zipped

LINES = {
    "AWSALBAccessLogs": line(ALB),
    "AWSNLBAccessLogs": line(NLB),
    "ASimWebSessionLogs": line(ELB),
    "ASimNetworkSessionLogs": line(TCP),
}
FORMATS = {"alb": ["AWSALBAccessLogs"], "nlb": ["AWSNLBAccessLogs"], "elb": [*LINES][2:]}


def placed(found: Parsed) -> dict[int, str]:
    """Ordinal → table of every row; the event ids are those of the ordinals."""
    tables = dict[int, str]()
    for frame in found.frames:
        for ordinal, event_id in frame.rows.select("_ordinal", "EventId_CF").iter_rows():
            assert event_id == f"{IDENTITY}0000-{ordinal}"
            assert ordinal not in tables
            tables[ordinal] = frame.table
    return tables


@pytest.mark.parametrize("order", list(itertools.permutations(LINES)), ids=lambda order: order[0])
def test_load_balancers_lines_are_split_in_any_order(order):
    found = parsed(*[LINES[table] for table in order])
    assert placed(found) == dict(enumerate(order))
    assert found.report.rejected == 0
    assert set((found.report.format or "").split("+")) == {"alb", "elb", "nlb"}


@pytest.mark.parametrize("log_format", FORMATS)
def test_with_an_explicit_format_the_others_are_rejected(log_format):
    found = parsed(*LINES.values(), format=log_format)
    mine = {ordinal: table for ordinal, table in enumerate(LINES) if table in FORMATS[log_format]}
    assert placed(found) == mine
    assert found.report.rejected == len(LINES) - len(mine)
    assert found.report.format == log_format


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([*LINES, ""]), min_size=1, max_size=40), st.integers(1, 3_000))
def test_any_mixture(tables, step):
    found = parse(text(*(LINES.get(table, "nobody's line") for table in tables)), step=step)
    if any(tables):
        assert placed(found) == {ordinal: table for ordinal, table in enumerate(tables) if table}
        assert [position for position, _ in found.reasons()] == [n for n, table in enumerate(tables) if not table]


def test_a_stretch_of_each_much_longer_than_what_detection_sees():
    tables = [table for table in LINES for _ in range(120)]
    found = parse(text(*(LINES[table] for table in tables)), step=7_000)
    assert placed(found) == dict(enumerate(tables))


def test_what_nobody_knows_does_not_hide_the_lines_behind_it():
    junk = ["nobody's line " * 10] * 150
    found = parse(text(LINES["AWSALBAccessLogs"], *junk, *[LINES["AWSNLBAccessLogs"]] * 150))
    assert placed(found) == {0: "AWSALBAccessLogs", **dict.fromkeys(range(151, 301), "AWSNLBAccessLogs")}


@pytest.mark.parametrize("unknown", [1, 2])
@pytest.mark.parametrize("times", [4, 5, 6, 7])
def test_a_few_lines_of_another_format_among_many_unknown_ones(unknown, times):
    cef = "CEF:0|Vendor|Product|1|100|name|5|src=192.0.2.1 rt=1764000000000"
    found = parse(text(line(ALB), *[*["nobody's line"] * unknown, cef] * times))
    places = range(1 + unknown, 1 + (1 + unknown) * times, 1 + unknown)
    assert placed(found) == {0: "AWSALBAccessLogs", **dict.fromkeys(places, "CommonSecurityLog")}


def test_objects_of_each_and_of_all_share_frames():
    contents = [text(LINES[table]) * 3 for table in LINES] + [text(*LINES.values()), zipped(text(*LINES.values()))]
    found = parse(*contents)
    assert [(report.rows, report.rejected) for report in found.reports] == [(3, 0)] * 4 + [(4, 0)] * 2
    assert sum(frame.rows.height for frame in found.frames) == 20
    # Those of the mixed objects that were handed over last may come in frames of their own.
    assert len(found.frames) <= 6


def test_other_access_logs_are_split_too():
    found = parsed(line(S3), line(WEB), line(ALB), "nobody's", line(S3))
    assert placed(found) == {
        0: "AWSS3ServerAccess",
        1: "ASimWebSessionLogs",
        2: "AWSALBAccessLogs",
        4: "AWSS3ServerAccess",
    }
    assert found.reasons() == [(3, "field_count")]


def test_published_mixture(shared_dir):
    file = shared_dir / "data/formats/elb_mixed_alb_clb_nlb/plaso_aws_elb_access.log"
    if not file.exists():
        pytest.skip("no samples")
    tables = ["AWSALBAccessLogs"] * 10 + ["ASimWebSessionLogs"] * 2 + ["ASimNetworkSessionLogs"] * 2
    tables += ["AWSNLBAccessLogs"] * 2
    assert placed(parse(file.read_bytes())) == dict(enumerate(tables))
