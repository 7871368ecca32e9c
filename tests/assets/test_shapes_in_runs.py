"""What a run tells of the shape of an hour's rows: kinds and unknown fields in the metadata, changes as warnings."""

import dagster as dg

from s3sentinel_assets.assets.metadata import shape_metadata
from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.ledger.shapes import Shape, Sighting
from s3sentinel_assets.pipeline.proofs import CheckReport
from tests.stages import FakeStages, config_of, hour

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
PARSED = dg.AssetKey(["cloudtrail", "parsed_logs"])


def test_a_changed_shape_is_a_warning_of_its_hour_and_stops_nothing():
    stages = FakeStages()
    fields = {"new": Sighting(3, '"<b>x</b>"', "e1")}
    stages.hour_shapes["cloudtrail", hour(7)] = [Shape("cloudtrail", "AWSCloudTrail", 107, fields=fields)]
    counts = {"rows": 107, "history_hours": 30, "changes": 1, "sample of new": '"<b>x</b>" (event e1)'}
    stages.reports["shape", hour(7)] = CheckReport(False, counts, ["unknown field new is new, in 3 records"])
    job = build_defs(config_of(), stages=stages).resolve_job_def("cloudtrail_live")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, partition_key=hour(7), run_config=QUIET).success
        (record,) = instance.fetch_materializations(PARSED, limit=9).records
        history = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(PARSED, "shape"), limit=9
        )
    (metadata,) = [record.asset_materialization.metadata]
    assert [row.data for row in metadata["formats"].records] == [
        {"format": "cloudtrail", "table": "AWSCloudTrail", "rows": 107}
    ]
    assert [row.data["field"] for row in metadata["unknown_fields"].records] == ["new"]
    (evaluation,) = [entry.event.dagster_event.asset_check_evaluation_data for entry in history]
    assert (evaluation.passed, evaluation.severity, evaluation.partition) == (
        False,
        dg.AssetCheckSeverity.WARN,
        hour(7),
    )
    assert evaluation.description == "unknown field new is new, in 3 records"
    assert evaluation.metadata["sample of new"] == dg.MetadataValue.text('"<b>x</b>" (event e1)')
    assert stages.hours_of("deliver") == [hour(7)]


def test_the_most_frequent_unknown_fields_come_first_and_are_bounded():
    fields = {f"f{number}": Sighting(number, "x" * 300, "e") for number in range(100)}
    shown = shape_metadata([Shape("f", "T", 5, fields=fields), Shape("g", "U", 6)])
    assert [(row.data["format"], row.data["rows"]) for row in shown["formats"].records] == [("f", 5), ("g", 6)]
    rows = [row.data for row in shown["unknown_fields"].records]
    assert [row["records"] for row in rows] == list(range(99, 49, -1))
    assert len(rows[0]["sample"]) == 200
    assert set(shape_metadata([Shape("g", "U", 6)])) == {"formats"}
    assert shape_metadata([]) == {}
