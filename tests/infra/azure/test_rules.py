"""Streams, tables and rules that a configuration needs."""

import re

import pytest

from s3sentinel_assets.config.formats import FORMATS
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.infra.azure import Options, plan_infrastructure
from s3sentinel_assets.tables import load_schema, table_names
from tests.infra.azure.configurations import QUIET, configured, source

#: What every source may send beside its events.
COMMON = ("AwsEntityHour_CL", "S3Overflow_CL", "S3Patterns_CL")
PRIORITIES = ["critical", "high", "medium", "low", "unknown", ""]


def taken(transform: str, priority: str) -> bool:
    """Whether a row of a priority gets through."""
    if transform == "source":
        return True
    match = re.fullmatch(r"source \| where Priority_CF (!?in) \(([^()]*)\)", transform)
    assert match, transform
    return (priority in re.findall('"([a-z]+)"', match[2])) == (match[1] == "in")


def test_only_what_the_sources_write_and_what_every_source_may_write() -> None:
    plan = plan_infrastructure(configured(trail="cloudtrail", flows="vpc_flow"))
    assert [schema.name for schema in plan.tables] == ["AWSCloudTrail", "AWSVPCFlow", *COMMON]
    (rule,) = plan.rules
    assert [stream.name for stream in rule.streams] == [
        "Custom-AWSCloudTrail",
        "Custom-AWSVPCFlow",
        *(f"Custom-{name}" for name in COMMON),
    ]
    assert rule.suffix == "-1"
    assert not plan.shares_endpoint


def test_auto_is_every_table_of_every_format_ten_a_rule() -> None:
    plan = plan_infrastructure(configured(all="auto"))
    native = {table for tables in FORMATS.values() for table in tables.tables("native")}
    assert {schema.name for schema in plan.tables} == native | set(COMMON)
    streams = [stream.name for rule in plan.rules for stream in rule.streams]
    assert streams == sorted(f"Custom-{table}" for table in (*native, *COMMON))
    assert len(streams) > 20
    assert [len(rule.streams) for rule in plan.rules[:-1]] == [10] * (len(plan.rules) - 1)
    assert [rule.suffix for rule in plan.rules] == [f"-{number}" for number in range(1, len(plan.rules) + 1)]
    assert plan.shares_endpoint


def test_a_source_that_is_switched_off_keeps_its_stream() -> None:
    plan = plan_infrastructure(configured(trail="cloudtrail", flows=source("vpc_flow", enabled=False)))
    assert "AWSVPCFlow" in {schema.name for schema in plan.tables}


def test_the_order_of_sources_does_not_matter() -> None:
    one = plan_infrastructure(configured(a="auto", b="cloudtrail", c=source("vpc_flow", normalise="asim")))
    other = plan_infrastructure(configured(c=source("vpc_flow", normalise="asim"), b="cloudtrail", a="auto"))
    assert (one.tables, one.rules) == (other.tables, other.rules)


def test_twins_that_routing_names_have_tables_and_streams() -> None:
    plan = plan_infrastructure(configured(flows=source("vpc_flow", routing={"rules": [QUIET]})))
    twin = next(schema for schema in plan.tables if schema.name == "AWSVPCFlow_Auxiliary_CL")
    assert twin.plan == "Auxiliary"
    assert "Custom-AWSVPCFlow_Auxiliary_CL" in {stream.name for stream in plan.rules[0].streams}


def test_as_many_copies_as_the_longest_list_of_rules() -> None:
    busy = source("vpc_flow", destinations=[{"table": "AWSVPCFlow", "dcr_ids": ["dcr-a", "dcr-b", "dcr-c"]}])
    plan = plan_infrastructure(configured(flows=busy, trail="cloudtrail"))
    assert [rule.suffix for rule in plan.rules] == ["-1", "-1-2", "-1-3"]
    assert len({rule.streams for rule in plan.rules}) == 1
    assert len(plan_infrastructure(configured(flows=busy), Options(spread=1)).rules) == 1
    grown = plan_infrastructure(configured(all="auto"), Options(spread=2))
    assert [rule.suffix for rule in grown.rules[:4]] == ["-1", "-1-2", "-2", "-2-2"]
    assert len(grown.rules_of("Custom-AWSVPCFlow")) == 2


@pytest.mark.parametrize(
    ("stream", "said"), [("Microsoft-AWSCloudTrail", "must begin with Custom-"), ("Custom-", "begin")]
)
def test_a_stream_that_cannot_be_declared(stream: str, said: str) -> None:
    trail = source("cloudtrail", destination={"table": "AWSCloudTrail", "stream": stream})
    with pytest.raises(ConfigurationError, match=said):
        plan_infrastructure(configured(trail=trail))


def test_one_stream_for_two_tables() -> None:
    trail = source("cloudtrail", destination={"table": "AWSCloudTrail", "stream": "Custom-All"})
    flows = source("vpc_flow", destination={"table": "AWSVPCFlow", "stream": "Custom-All"})
    with pytest.raises(ConfigurationError, match=r"Custom-All is named for the tables AWSCloudTrail and AWSVPCFlow"):
        plan_infrastructure(configured(trail=trail, flows=flows))


def test_split_sends_every_row_to_exactly_one_table() -> None:
    urgent = QUIET | {"name": "basic", "priority": ["medium"], "to": {"table": "AWSVPCFlow_Basic_CL"}}
    routing = {"rules": [QUIET, urgent]}
    plan = plan_infrastructure(configured(flows=source("vpc_flow", routing=routing)), Options(split=True))
    (stream,) = [one for one in plan.rules[0].streams if one.name == "Custom-AWSVPCFlow"]
    went = {
        priority: [flow.table for flow in stream.flows if taken(flow.transform, priority)] for priority in PRIORITIES
    }
    assert went == {
        "critical": ["AWSVPCFlow"],
        "high": ["AWSVPCFlow"],
        "medium": ["AWSVPCFlow_Basic_CL"],
        "low": ["AWSVPCFlow_Auxiliary_CL"],
        "unknown": ["AWSVPCFlow_Auxiliary_CL"],
        "": ["AWSVPCFlow"],
    }


def test_split_flows_count_towards_the_limit() -> None:
    tables = ["AWSVPCFlow", "AWSCloudTrail", "AWSWAF"]
    rules = [
        {"name": f"r{number}", "table": table, "priority": ["low"], "to": {"table": f"{table}_Auxiliary_CL"}}
        for number, table in enumerate(tables)
    ]
    plan = plan_infrastructure(configured(all=source("auto", routing={"rules": rules})), Options(split=True))
    for rule in plan.rules:
        assert sum(len(stream.flows) for stream in rule.streams) <= 10
        assert len(rule.streams) <= 10
    assert sum(len(stream.flows) for rule in plan.rules for stream in rule.streams) == len(plan.tables) + len(tables)


def test_the_first_rule_of_a_priority_decides() -> None:
    again = QUIET | {"name": "later", "priority": ["low"], "to": {"table": "AWSVPCFlow_Basic_CL"}}
    routing = {"rules": [QUIET, again]}
    plan = plan_infrastructure(configured(flows=source("vpc_flow", routing=routing)), Options(split=True))
    (stream,) = [one for one in plan.rules[0].streams if one.name == "Custom-AWSVPCFlow"]
    assert [flow.table for flow in stream.flows if taken(flow.transform, "low")] == ["AWSVPCFlow_Auxiliary_CL"]


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [QUIET | {"where": "Bytes < 100"}],
        [QUIET | {"older_than_hours": 3}],
        [{"name": "r", "table": "AWSVPCFlow", "where": "Bytes < 1", "to": {"table": "AWSVPCFlow_Auxiliary_CL"}}],
        [{"name": "r", "table": "AWSVPCFlow", "priority": ["low"], "drop": True}],
    ],
)
def test_split_without_a_rule_that_names_priorities_alone(rules: list[dict[str, object]]) -> None:
    config = configured(flows=source("vpc_flow", routing={"rules": rules}))
    with pytest.raises(ConfigurationError, match="--split needs a routing rule"):
        plan_infrastructure(config, Options(split=True))


def test_split_while_the_connector_routes_itself() -> None:
    config = configured(flows=source("vpc_flow", routing={"rules": [QUIET], "demotion": "on"}))
    with pytest.raises(ConfigurationError, match="demotion: on"):
        plan_infrastructure(config, Options(split=True))


def test_split_of_a_stream_that_two_sources_share() -> None:
    routed, plain = source("vpc_flow", routing={"rules": [QUIET]}), source("vpc_flow")
    with pytest.raises(ConfigurationError, match="sources a and b both send to the stream Custom-AWSVPCFlow"):
        plan_infrastructure(configured(a=routed, b=plain), Options(split=True))
    apart = source("vpc_flow", destination={"table": "AWSVPCFlow", "stream": "Custom-Flows"})
    plan = plan_infrastructure(configured(a=routed, b=apart), Options(split=True))
    flows = {stream.name: len(stream.flows) for stream in plan.rules[0].streams}
    assert (flows["Custom-AWSVPCFlow"], flows["Custom-Flows"]) == (2, 1)


@pytest.mark.parametrize("name", ["-rules", "a b", "x" * 63, ""])
def test_a_name_that_no_rule_can_have(name: str) -> None:
    with pytest.raises(ConfigurationError, match="dcr_name"):
        plan_infrastructure(configured(trail="cloudtrail", azure={"dcr_name": name}))


def test_every_shipped_table_is_within_the_limits() -> None:
    sources = {f"s{number}": name for number, name in enumerate(FORMATS)}
    normalised = {f"n{number}": source(name, normalise="asim") for number, name in enumerate(FORMATS)}
    plan = plan_infrastructure(configured(**sources, **normalised))
    unused = set(table_names()) - {schema.name for schema in plan.tables}
    assert {name for name in unused if not load_schema(name).name.startswith("ASim")} == set()
