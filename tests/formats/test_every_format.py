"""What holds for every format: any bytes are accounted for, chunks do not matter, its own logs are recognised."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.format_samples import SAMPLES, make_content
from s3sentinel_assets.formats import ParseOptions, PartParser, detect, format_names
from s3sentinel_assets.formats.asim.common import MANDATORY, RESULTS, SEVERITIES
from tests.formats.parsing import an_input, parse, record, trail

FLOW = b"2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK\n"


def content(name: str, size: int = 2_500) -> bytes:
    """A few records of a format."""
    if name == "cloudtrail":
        return trail(*(record(number) for number in range(4)))
    if name == "vpc_flow":
        return FLOW * 5
    return make_content(SAMPLES[name], size)[0]


SAMPLED = [name for name in format_names() if name in SAMPLES or name in ("cloudtrail", "vpc_flow")]


@pytest.mark.parametrize("name", SAMPLED)
def test_its_own_logs_are_recognised_and_whole(name):
    data = content(name)
    found = detect(data[:16_384])
    assert (found.format, found.considered[1][1] < found.confidence) == (name, True), found.considered[:3]
    parsed = parse(data)
    assert (parsed.report.format, parsed.report.rejected, parsed.report.rows > 2) == (name, 0, True)


@pytest.mark.parametrize("name", SAMPLED)
def test_a_replay_and_other_chunks_give_the_same_rows(name):
    whole, pieces = parse(content(name, 800), format=name), parse(content(name, 800), format=name, step=7)
    for one, other in zip(whole.frames, pieces.frames, strict=True):
        assert one.rows.equals(other.rows, null_equal=True)
        assert one.entities.equals(other.entities, null_equal=True)


#: Table → column → the only values that its schema has for it.
_ACTIONS = {"Allow", "Deny", "Drop", "Drop ICMP", "Reset", "Reset Source", "Reset Destination", "Encrypt", "Decrypt"}
_SESSION = {
    "DvcAction": {*_ACTIONS, "VPNroute"},
    "NetworkDirection": {"Inbound", "Outbound", "Local", "External", "NA"},
}
ASIM_VALUES = {
    "ASimAlertEventLogs": {"EventType": {"Alert"}},
    "ASimAuditEventLogs": {
        "EventType": {
            *("Set", "Read", "Create", "Delete", "Execute", "Install", "Clear", "Enable", "Disable", "Initialize"),
            *("Start", "Stop", "Other"),
        },
        "ObjectType": {
            *("Configuration Atom", "Policy Rule", "Cloud Resource", "Scheduled Task", "Directory Service Object"),
            *("Service", "Event Log", "Other"),
        },
    },
    "ASimAuthenticationEventLogs": {"EventType": {"Logon", "Logoff", "Elevate"}},
    "ASimDnsActivityLogs": {"EventType": {"Query"}, "EventSubType": {"request", "response"}},
    "ASimNetworkSessionLogs": {
        "EventType": {"EndpointNetworkSession", "NetworkSession", "L2NetworkSession", "IDS", "Flow"},
        "EventSubType": {"Start", "End"},
        **_SESSION,
    },
    "ASimWebSessionLogs": {"EventType": {"HTTPsession", "WebServerSession", "ApiRequest"}, **_SESSION},
}


@pytest.mark.parametrize("name", SAMPLED)
def test_asim_rows_are_as_their_schemas_want_them(name):
    parser = PartParser(name, ParseOptions(normalise="asim"))
    for frame in parser.frames([an_input(0, content(name))]):
        rows = frame.rows
        assert [column for column in MANDATORY.get(frame.table, ()) if rows[column].null_count()] == []
        if frame.table in ASIM_VALUES:
            legal = {"EventResult": set(RESULTS), "EventSeverity": set(SEVERITIES), **ASIM_VALUES[frame.table]}
            for column, values in legal.items():
                assert set(rows[column].drop_nulls()) <= values, column


@st.composite
def damaged(draw, data: bytes) -> bytes:
    """Good content with a few bytes changed, lost or added somewhere."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((0, 1, 1, 7, 200)))
        data = data[:start] + draw(st.binary(max_size=12)) + data[start + length :]
    return data


@pytest.mark.parametrize("name", SAMPLED)
def test_lines_with_hardly_anything_in_them_stop_nothing(name):
    odd = b'\n"\n=\n|\n,\n{\n}\n[\n#\n\x00\n\xff\n \n\t\n""\n{}\n[]\n- -\n'
    parsed = parse(content(name, 6_000) + odd, format=name)  # checks the account
    assert parsed.report.rows > 2


@pytest.mark.parametrize("name", format_names())
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data())
def test_any_bytes_are_accounted_for(name, drawn):
    good = content(name, 1_200) if name in SAMPLED else trail(record())
    data = drawn.draw(st.one_of(damaged(good), st.binary(max_size=300)))
    parsed = parse(data, format=drawn.draw(st.sampled_from((name, "auto"))))  # checks the account
    if data.strip() and not parsed.reports[0].records:
        assert parsed.frames == []
