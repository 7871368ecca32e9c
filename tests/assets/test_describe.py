"""What the UI says of a source that fills several tables."""

import pytest

from s3sentinel_assets.assets.columns import delivered_columns
from s3sentinel_assets.assets.describe import delivered_text, parsed_text, scored_text, streams_of, tags_of
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.definitions import build_defs
from tests.stages import FakeStages, config_of


def source(**changes) -> SourceSettings:
    return SourceSettings.model_validate({"name": "logs", "bucket": "logs", "prefix": "x/"} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "waf"}, "the Sentinel table `AWSWAF`,"),
        ({"format": "elb"}, "the Sentinel tables `ASimWebSessionLogs` and `ASimNetworkSessionLogs`, whichever it"),
        ({}, "the Sentinel table of its format: `AWSALBAccessLogs`, "),
    ],
)
def test_the_tables_are_named(changes, words):
    assert words in parsed_text(source(**changes))


def test_a_mixed_source_has_all_its_streams_and_one_tag():
    mixed = source(destinations=[{"table": "AWSWAF", "stream": "Custom-Mine"}])
    streams = streams_of(mixed)
    assert "AWSCloudTrail, " in streams["tables"]
    assert {"Custom-Mine", "Custom-AWSCloudTrail"} <= set(streams["streams"].split(", "))
    assert tags_of(mixed, "1-listed")["table"] == "several"
    assert streams_of(source(format="waf")) == {"table": "AWSWAF", "stream": "Custom-AWSWAF"}
    assert tags_of(source(format="waf"), "1-listed")["table"] == "AWSWAF"


def test_what_is_not_scored_is_told_only_where_that_can_be():
    assert "`unscored_…`" in scored_text(source())
    assert "`unscored_…`" not in scored_text(source(format="cloudtrail"))
    assert "in `AWSWAF` of the Sentinel workspace." in delivered_text(source(format="waf"))


def test_definitions_of_a_mixed_source_build():
    sources = {"mixed": {"bucket": "logs", "prefix": "x/"}, "waf": {"bucket": "logs", "prefix": "y/", "format": "waf"}}
    graph = build_defs(config_of(sources=sources), stages=FakeStages()).resolve_asset_graph()
    keys = {key.to_user_string(): key for key in graph.get_all_asset_keys()}
    shown = {
        column.name for column in graph.get(keys["mixed/delivered_batches"]).metadata["dagster/column_schema"].columns
    }
    assert {"EventName", "SrcAddr", "WebAclId", "EventId_CF"} <= shown


def test_a_column_of_several_types_shows_them():
    columns = delivered_columns(source().tables)["dagster/column_schema"].columns
    assert len({column.name for column in columns}) == len(columns)
    assert any(" or " in column.type for column in columns)
