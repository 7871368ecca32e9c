"""ASIM: the columns every event has, and values in the spelling that ASIM's queries look for."""

import polars as pl
import pytest

from s3sentinel_assets.formats.asim import values as asim_values
from s3sentinel_assets.formats.asim.common import MANDATORY, RESULTS, SCHEMAS, SEVERITIES, asim_columns
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, field, to_frames
from s3sentinel_assets.tables import load_schema


def values(made: pl.Expr, *columns: list) -> list:
    """``made`` over columns ``a``, ``b``, … of texts or numbers."""
    frame = pl.DataFrame(dict(zip("abc", columns, strict=False)), strict=False)
    return frame.select(made).to_series().to_list()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_common_columns_are_the_tables_own_and_cover_what_is_mandatory(schema):
    table, version = SCHEMAS[schema]
    columns = asim_columns(schema, event_type="x", result="Success", product="Y")
    has = load_schema(table).columns
    assert set(columns) <= set(has)
    assert set(MANDATORY[table]) <= set(has)
    assert "TimeGenerated" not in MANDATORY[table]
    # What is left is for the format: what happened, to whom.
    left = set(MANDATORY[table]) - set(columns)
    assert all(not name.startswith("Event") or name in ("EventUid", "EventResultDetails") for name in left)
    assert "Dvc" not in left
    assert columns["EventSchemaVersion"].text == f"always `{version}`"


def test_an_event_gets_them_all(time="2026-11-01 13:00:05"):
    raw = pl.DataFrame(
        {
            "code": ["200", "503"],
            "until": ["2026-11-01T13:00:09Z", "never"],
            "_object": [1, 1],
            "_ordinal": [0, 1],
            "_flags": pl.Series([None, None], dtype=pl.String),
        }
    ).with_columns(pl.lit(time).str.to_datetime(time_unit="us", time_zone="UTC").alias(TIME))
    columns = asim_columns(
        "WebSession",
        event_type="HTTPsession",
        result=field("code"),
        product="ALB",
        end=field("until"),
        severity="Low",
        result_details=field("code"),
        dvc_fqdn="a.example",
        original_uid=None,
    )
    mapping = TableMapping("ASimWebSessionLogs", columns, {"principal": constant("x")})
    [frame] = to_frames("some", [mapping], raw, {1: "abc"})
    first, second = frame.rows.to_dicts()
    assert first["EventCount"] == 1 and first["EventVendor"] == "AWS"
    assert first["EventProduct"] == first["Dvc"] == "ALB"
    assert first["EventStartTime"] == first["TimeGenerated"] and str(first["EventEndTime"])[17:19] == "09"
    assert (first["EventResultDetails"], first["EventSeverity"]) == ("200", "Low")
    assert first["DvcFQDN"] == "a.example" and first["EventOriginalUid"] is None
    assert second["EventEndTime"] is None and second["_flags"] == "bad_EventEndTime=never"


def test_a_column_that_a_table_does_not_have_is_refused():
    with pytest.raises(KeyError, match="ASimAuditEventLogs has no column EventSurprise"):
        asim_columns("AuditEvent", event_type="Other", result="NA", product="X", surprise="1")
    with pytest.raises(KeyError, match="Sessions"):
        asim_columns("Sessions", event_type="Other", result="NA", product="X")
    assert set(RESULTS).isdisjoint(SEVERITIES)


def test_addresses():
    texts = ["10.1.2.3", "172.32.0.1", "100.64.0.1", "::1", "fe80::1%eth0", "2001:db8::1", "1:2:3:4:5:6:7:8"]
    texts += ["::ffff:10.0.0.1", "fd00:1::2", "fd00.example", "00:11:22:33:44:55", "12:34:56", "-", "", None]
    versions = ["IPv4"] * 3 + ["IPv6"] * 6 + [None] * 6
    assert values(asim_values.ip_version("a"), texts) == versions
    private = [True, False, True, True, True, False, False, False, True] + [None] * 6
    assert values(asim_values.is_private_ip(pl.col("a")), texts) == private


def test_directions():
    inside, outside = "10.0.0.1", "198.51.100.1"
    pairs = [(inside, outside), (outside, inside), (inside, inside), (outside, outside), ("x", inside), (None, None)]
    found = values(asim_values.network_direction("a", "b"), *map(list, zip(*pairs, strict=True)))
    assert found == ["Outbound", "Inbound", "Local", "External", "NA", "NA"]


@pytest.mark.parametrize(
    ("protocols", "names"),
    [
        ([6, 17, 1, 58, 200, None], ["TCP", "UDP", "ICMP", "IPv6-ICMP", "200", None]),
        (["6", "tcp", "icmp6", "IPv6-icmp", "quic", ""], ["TCP", "TCP", "IPv6-ICMP", "IPv6-ICMP", "QUIC", ""]),
    ],
)
def test_protocols(protocols, names):
    assert values(asim_values.protocol_name("a"), protocols) == names


@pytest.mark.parametrize("kind", [str, int])
def test_http_statuses(kind):
    codes = [*map(kind, [200, 304, 101, 404, 500, 0]), None]
    found = values(asim_values.http_result("a"), codes)
    assert found == ["Success", "Success", "Success", "Failure", "Failure", "Failure", "NA"]
    assert set(found) <= set(RESULTS)


def test_a_status_that_is_no_number_is_no_result():
    assert values(asim_values.http_result("a"), ["-", "", "OK"]) == ["NA"] * 3


def test_dns_codes():
    codes = ["0", "3", "noerror", "NXDOMAIN", "99", None]
    assert values(asim_values.dns_rcode_name("a"), codes) == ["NOERROR", "NXDOMAIN", "NOERROR", "NXDOMAIN", "99", None]
    assert values(asim_values.dns_result("a"), codes) == ["Success", "Failure"] * 2 + ["Failure", "NA"]
    assert values(asim_values.dns_rcode_name("a"), [0, 5]) == ["NOERROR", "REFUSED"]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.1:80", "10.0.0.1", "80"),
        ("10.0.0.1", "10.0.0.1", None),
        ("[::1]:8080", "::1", "8080"),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("2001:db8::1", "2001:db8::1", None),
        ("a.example:99999", "a.example", "99999"),  # the column's type tells of it
        (":443", None, "443"),
        ("-", None, None),
        ("-:80", None, "80"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_hosts_and_ports(text, host, port):
    frame = pl.DataFrame({"a": [text]}, schema={"a": pl.String})
    assert frame.select(h=asim_values.host_part("a"), p=asim_values.port_part("a")).row(0) == (host, port)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("HTTPS://u:p@a.example:8443/x/y?q=1#f", ("https", "a.example", "8443", "/x/y", "q=1")),
        ("http://[::1]:80", ("http", "::1", "80", None, None)),
        ("http://a.example?q=http://b/", ("http", "a.example", None, None, "q=http://b/")),
        ("/x?u=http://b.example/", (None, None, None, "/x", "u=http://b.example/")),
        ("/x?", (None, None, None, "/x", "")),
        ("a.example:443", (None, None, None, "a.example:443", None)),
        (None, (None,) * 5),
    ],
)
def test_parts_of_urls(url, parts):
    made = (asim_values.url_scheme, asim_values.url_host, asim_values.url_port, asim_values.url_path)
    frame = pl.DataFrame({"a": [url]}, schema={"a": pl.String})
    found = frame.select(part("a").alias(part.__name__) for part in (*made, asim_values.url_query))
    assert found.row(0) == parts


def test_whole_urls():
    schemes = ["https", None, "http", "https", "http", "http"]
    hosts = ["a.example", "a.example:81", None, "-", "a.example", "a.example"]
    targets = ["/x?q", "x", "/x", "/x", "http://b.example/", None]
    found = values(asim_values.whole_url("a", "b", "c"), schemes, hosts, targets)
    assert found == ["https://a.example/x?q", "http://a.example:81/x", "/x", "/x", "http://b.example/", None]
