"""Attacks: from labelled logs, from anyone's folder, from our own stories; and the placebo."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from evaluation.attacks import SEQUENCE_SCHEMA, benign_sequences, own_stories, read_folder, read_labelled
from evaluation.background import make_world
from evaluation.background.vocabulary import vocabulary
from s3sentinel_assets.errors import UserError
from tests.formats.parsing import record, trail


def in_order(events: pl.DataFrame) -> bool:
    return (
        events["offset"].is_sorted() and events["offset"][0] == timedelta(0) and events["offset"].min() == timedelta(0)
    )


@pytest.fixture(scope="module")
def labelled(shared_dir: Path):
    folder = shared_dir / "data" / "labelled"
    if not folder.is_dir():
        pytest.skip("the shared sample data lacks labelled")
    return read_labelled(folder)


def test_labelled_logs_become_incidents_of_every_origin(labelled):
    origins = Counter(each.origin for each in labelled)
    assert origins["stratus"] >= 30
    assert origins["invictus"] >= 20
    assert origins["panther"] >= 60
    assert len({each.technique for each in labelled}) >= 70
    assert len({each.id for each in labelled}) == len(labelled)
    for each in labelled:
        assert dict(each.events.schema) == SEQUENCE_SCHEMA
        assert in_order(each.events)
        assert each.events["event_id"].is_unique().all()


def test_labelled_logs_are_free_of_what_is_not_an_attack(labelled):
    for each in labelled:
        actions = set(each.events["action"])
        assert actions != {"ec2:DescribeAccountAttributes"}, each.id
        assert "ssm:UpdateInstanceInformation" not in actions, each.id
        assert "AWSService" not in each.events["principal_type"].to_list(), each.id


def test_the_same_technique_is_not_counted_twice_within_an_origin(labelled):
    long = [each for each in labelled if each.origin != "panther"]
    shapes = Counter((each.origin, each.technique, tuple(sorted(set(each.events["action"])))) for each in long)
    assert max(shapes.values()) == 1


def test_changes_of_labelled_attacks_have_their_parameters(labelled):
    of = {each.id: each.events for each in labelled}
    shared = of["stratus/aws.exfiltration.ec2-share-ebs-snapshot/0"].row(0, named=True)
    assert shared["action"] == "ec2:ModifySnapshotAttribute"
    assert "createVolumePermission" in json.loads(shared["detail"])
    # Published tests leave out whether a call reads; without that there would be no parameters.
    panther = pl.concat([each.events for each in labelled if each.origin == "panther"])
    assert panther.filter(~pl.col("read_only"), pl.col("service") == "rds")["detail"].null_count() == 0


def test_a_folder_without_labelled_logs_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is none of stratus_docs"):
        read_labelled(tmp_path)


def logs(folder: Path) -> Path:
    """A folder with two attacks of one technique, two hours apart, and one of another."""
    times = ["10:00:00", "10:05:00", "12:00:00", "12:01:00"]
    records = [record(at, eventTime=f"2026-11-23T{time}Z", eventID=f"a{at}") for at, time in enumerate(times)]
    (folder / "one.json").write_bytes(trail(*records, record(7, eventID="b0"), record(8, eventID="harmless")))
    return folder


def test_a_folder_is_cut_by_technique_and_gap(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("eventID,technique\n" + "".join(f"a{at},T1078\n" for at in range(4)) + "b0,T1530\n")
    found = read_folder(logs(tmp_path), labels)
    assert sorted((each.technique, each.events.height) for each in found) == [("T1078", 2), ("T1078", 2), ("T1530", 1)]
    assert len({each.id for each in found}) == 3
    assert all(in_order(each.events) for each in found)
    assert max(each.duration for each in found) == timedelta(minutes=5)


def test_incidents_and_labels_of_a_csv_count(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "eventID,label,incident\na0,attack,one\na1,attack,two\na2,background,\na3,attack,one\nelsewhere,attack,one\n"
    )
    found = {each.id: each.events["event_id"].str.slice(-2).to_list() for each in read_folder(logs(tmp_path), labels)}
    assert found == {"folder/unnamed/one": ["a0", "a3"], "folder/unnamed/two": ["a1"]}


def test_labels_that_do_not_fit_are_refused_with_the_way_out(tmp_path):
    folder, labels = logs(tmp_path), tmp_path / "labels.csv"
    with pytest.raises(UserError, match="no such file"):
        read_folder(folder, labels)
    labels.write_text("id,technique\na0,T1\n")
    with pytest.raises(UserError, match="no column eventID"):
        read_folder(folder, labels)
    labels.write_text("eventID\nnobody\n")
    with pytest.raises(UserError, match="none of its 1 eventIDs"):
        read_folder(folder, labels)


def test_our_own_stories_are_many_and_possible():
    stories, known = own_stories(), vocabulary()
    assert len(stories) >= 25
    assert len({each.id for each in stories}) == len({each.technique for each in stories}) == len(stories)
    for each in stories:
        assert dict(each.events.schema) == SEQUENCE_SCHEMA
        assert in_order(each.events)
        assert each.mitre, each.id
        assert all(tag.startswith("T1") for tag in each.mitre)
        for action, read in each.events.select("action", "read_only").unique().iter_rows():
            assert action in known.code, (each.id, action)
            assert bool(known.read[known.code[action]]) == read, (each.id, action)
        # What only looks has no parameters in the entity view.
        assert each.events.filter("read_only")["detail"].null_count() == each.events.filter("read_only").height
    # Fast ones and slow ones.
    assert min(each.duration for each in stories) <= timedelta(minutes=1)
    assert max(each.duration for each in stories) >= timedelta(days=1)
    assert sum(each.duration > timedelta(hours=1) for each in stories) >= 5


def test_our_own_stories_cover_the_tactics():
    path = Path(__file__).resolve().parents[2] / "models" / "stories.json"
    tactics = Counter(tactic for story in json.loads(path.read_text())["stories"] for tactic in story["tactics"])
    wanted = (
        "discovery",
        "credential-access",
        "persistence",
        "privilege-escalation",
        "defense-evasion",
        "exfiltration",
    )
    assert all(tactics[tactic] >= 3 for tactic in (*wanted, "impact"))


def test_a_file_that_holds_no_stories_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        own_stories(tmp_path / "stories.json")
    (tmp_path / "stories.json").write_text('{"stories": [{"id": "x"}]}')
    with pytest.raises(UserError, match="not a list of stories"):
        own_stories(tmp_path / "stories.json")


def test_the_placebo_is_what_harmless_principals_did():
    world = make_world(3, 2, scale=0.2)
    hours = world.hours[8:20]
    found = benign_sequences(world, seed=1, count=24, hours=hours)
    assert Counter(each.kind for each in found).keys() == {"human", "admin", "workload", "ci"}
    known = pl.concat([world.frame(hour) for hour in hours])
    for each in found:
        assert dict(each.events.schema) == SEQUENCE_SCHEMA
        assert in_order(each.events)
        assert each.duration <= timedelta(minutes=30)
        assert each.events.select("account", "principal").n_unique() == 1
        assert set(each.events["event_id"]) <= set(known["event_id"])
    again = benign_sequences(world, seed=1, count=24, hours=hours)
    assert [each.events["event_id"][0] for each in again] == [each.events["event_id"][0] for each in found]
    assert [each.id for each in benign_sequences(world, seed=2, count=4, hours=hours)] != []
