"""``s3sentinel verify-digests``: the bucket is verified from scratch, and every kind of tampering ends with 1."""

import gzip
import itertools
import json
from datetime import timedelta

import pytest
import typer
import yaml
from typer.testing import CliRunner

from s3sentinel_assets.cli.verify_digests import verify_digests
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.integrity import log_name
from s3sentinel_assets.local.aws import Fault, start_aws
from tests.integrity.chains import START, chain, key_entry, printed
from tests.integrity.worlds import HOURS, SOURCE, TEMPLATE, World

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with start_aws(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def world(aws, tmp_path):
    made = World(aws, aws.client(), f"trail-{next(_numbers)}", tmp_path)
    yield made
    made.close()


@pytest.fixture
def run(world):
    """Runs the command on the world's bucket: exit code and what it printed as JSON."""
    app = typer.Typer()
    app.command()(verify_digests)

    def call(*options: str, text: bool = False, **changed):
        source = {"bucket": world.bucket, "prefix": TEMPLATE, "format": "cloudtrail", **changed}
        access = world.access().model_dump(mode="json", exclude_defaults=True)
        values = {
            "data_dir": str(world.folder / "nowhere"),
            "start": "2024-11-01T00:00Z",
            "aws": access,
            "sentinel": {"ingestion_endpoint": "https://ingest.invalid", "workspace_id": "w", "dcr_id": "d"},
            "sources": {SOURCE: source},
        }
        file = world.folder / "s3sentinel.yaml"
        file.write_text(yaml.safe_dump(values))
        span = ["--source", SOURCE, "--from", HOURS[0], "--to", HOURS[4], "--config", str(file)]
        done = CliRunner().invoke(app, [*span, *([] if text else ["--json"]), *options])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done if text else (done.exit_code, json.loads(done.stdout.splitlines()[-1]))

    return call


@pytest.fixture
def made(world):
    whole = chain(8, bucket=world.bucket)
    world.fill(whole)
    return whole


def counts(told):
    (found,) = told["chains"]
    return found


def test_an_untouched_bucket_is_proved(made, run, world):
    code, told = run()
    assert (code, told["ok"], told["problems"]) == (0, True, [])
    found = counts(told)
    assert found["digests"] == {"verified": 5}
    assert found["logs"] == {"verified": 10}
    assert found["missing_hours"] == found["uncovered"] == found["unsure"] == 0
    assert not (world.folder / "nowhere").exists(), "no ledger is needed"


def test_a_table_is_printed_for_people(made, run):
    done = run(text=True)
    assert done.exit_code == 0
    assert "everything is proved" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["123837392027/us-east-1/management_events/us-east-1"] in lines
    assert ["digests", "5", "0", "0", "0", "0.0", "h"] in lines
    assert ["log", "files", "10", "0", "0", "0", "0", "0"] in lines


def put_log(world, log, stored):
    world.put_log(log, START + timedelta(hours=2), stored)


LOGS = {
    "altered": (lambda log: gzip.compress(log.content + b" "), "failed"),
    "appended": (lambda log: log.stored + gzip.compress(b'{"Records":[]}'), "failed"),
    "appended nothing": (lambda log: log.stored + gzip.compress(b""), "failed"),
    "zeros": (lambda log: log.stored + b"\0" * 100, "failed"),
    "cut": (lambda log: log.stored[:-4], "failed"),
    "plain": (lambda log: log.content, "failed"),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_tampered_log_file_is_found(made, run, world, name):
    change, outcome = LOGS[name]
    victim = made.digests[2].logs[0]
    put_log(world, victim, change(victim))
    code, told = run()
    assert code == 1
    assert counts(told)["logs"] == {"verified": 9, outcome: 1}
    (problem,) = told["problems"]
    assert victim.key in problem


def test_a_log_file_compressed_anew_is_no_change(made, run, world):
    victim = made.digests[2].logs[0]
    put_log(world, victim, gzip.compress(victim.content, compresslevel=1))
    assert run()[0] == 0


def test_a_missing_log_file_is_found(made, run, world):
    world.delete(made.digests[2].logs[0].key)
    code, told = run()
    assert (code, counts(told)["logs"]) == (1, {"verified": 9, "missing": 1})


def test_an_injected_log_file_is_found(made, run, world):
    at = made.digests[2].start + timedelta(minutes=30)
    world.put_log(made.log(at, name="injectedEVIL0000"), at)
    code, told = run()
    assert (code, counts(told)["uncovered"]) == (1, 1)
    assert "injectedEVIL0000" in told["problems"][0]


@pytest.mark.parametrize("lost", [(2,), (2, 3), (0, 1)])
def test_missing_digests_are_counted_by_the_hour(made, run, world, lost):
    for number in lost:
        world.delete(made.digests[number].key)
    code, told = run()
    found = counts(told)
    assert code == 1
    begun = max(made.digests[lost[0]].start, START) if lost[0] else START
    assert found["missing_hours"] == pytest.approx(
        (made.digests[lost[-1]].end - begun).total_seconds() / 3600, abs=0.001
    )
    assert found["unsure"] > 0
    assert found["uncovered"] == 0


def test_every_log_file_of_a_failed_digest_is_unproved(made, run, world):
    world.put_digest(made.digests[2], signature="00" * 256)
    code, told = run()
    found = counts(told)
    assert code == 1
    assert found["digests"]["failed"] == 1
    assert found["logs"]["verified"] == 8
    assert found["unsure"] == 2


def test_a_lost_signature_is_made_up_for_by_the_successor_and_its_log_files_count(made, run, world):
    victim = made.digests[2]
    world.put(victim.key, victim.stored, victim.end)
    code, told = run()
    assert (code, counts(told)["logs"]) == (0, {"verified": 10})
    changed = victim.logs[0]
    put_log(world, changed, gzip.compress(b"{}"))
    assert counts(run()[1])["logs"] == {"verified": 9, "failed": 1}


def test_nothing_is_proved_with_keys_of_somebody_else(made, run, world):
    file = world.folder / "other.json"
    file.write_text(printed(key_entry("forger")))
    code, told = run("--keys", str(file))
    found = counts(told)
    assert code == 1
    assert found["digests"]["unproved"] == 5
    assert found["logs"] == {"unproved": 10}


def test_keys_from_a_file_need_no_cloudtrail(made, run, world):
    file = world.folder / "keys.json"
    file.write_text(printed(key_entry()))
    world.aws.set_faults(Fault("access_denied", operations=("keys",)))
    assert run("--keys", str(file))[0] == 0
    code, told = run()
    assert code == 1
    assert "cloudtrail:ListPublicKeys" in told["problems"][0]


def test_without_logs_only_digests_are_read(made, run, world):
    world.aws.set_faults(Fault("access_denied", keys="*/CloudTrail/*", operations=("get", "list")))
    code, told = run("--no-logs")
    assert (code, counts(told)["logs"]) == (0, {})
    world.aws.set_faults()
    world.delete(made.digests[2].key)
    assert run("--no-logs")[0] == 1


def test_log_files_that_cannot_be_read_are_told_and_prove_nothing(made, run, world):
    world.aws.set_faults(Fault("access_denied", keys=made.digests[1].logs[0].key))
    code, told = run()
    assert (code, counts(told)["logs"]) == (1, {"verified": 9, "unread": 1})


def test_a_digest_that_cannot_be_read_is_told(made, run, world):
    world.aws.set_faults(Fault("access_denied", keys=made.digests[1].key))
    code, told = run()
    assert (code, counts(told)["digests"]["unread"]) == (1, 1)


def test_a_strange_file_among_the_digests_fails_and_disturbs_no_chain(made, run, world):
    world.put(made.digests[3].key.rpartition("/")[0] + "/0_a.json.gz", gzip.compress(b"{}"), made.digests[3].end)
    world.put(made.digests[3].key.replace("_2024", "_x_2024") + "x", b"x", START + timedelta(hours=1))
    code, told = run()
    assert code == 1
    by_chain = {each["chain"]: each for each in told["chains"]}
    assert len(by_chain) == 2
    assert by_chain["?"]["digests"]["failed"] >= 1
    (whole,) = [each for name, each in by_chain.items() if name != "?"]
    assert whole["proved"]


def test_two_trails_of_one_region_are_chains_of_their_own(made, run, world):
    other = chain(8, bucket=world.bucket, trail="another")
    for each in other.digests:
        each.logs.clear()
    world.fill(other)
    code, told = run()
    assert code == 0
    assert len(told["chains"]) == 2


def test_several_days_are_verified_in_one_go(run, world):
    whole = chain(60, bucket=world.bucket)
    world.fill(whole)
    at = whole.digests[30].start + timedelta(minutes=20)
    world.put_log(whole.log(at, name="injectedEVIL0000"), at)
    code, told = run("--to", "2024-11-22-08:00")
    found = counts(told)
    assert code == 1
    assert found["uncovered"] == 1
    assert set(found["logs"]) == {"verified"}


def test_a_bucket_without_digests_is_told_with_the_way_out(run, world):
    with pytest.raises(UserError, match="switch on log file validation"):
        run()


def test_wrong_options_are_told(made, run):
    with pytest.raises(UserError, match="swap them"):
        run("--from", "2025-01-01")
    with pytest.raises(ConfigurationError, match="there is no source"):
        run("--source", "nothing")
    with pytest.raises(ConfigurationError, match=r"digests\.prefix"):
        run(prefix="logs/")


def test_the_shared_chain_is_proved_until_two_digests_are_deleted(run, world, shared_dir):
    folder = shared_dir / "data/formats/cloudtrail_digest/generated_chain"
    if not folder.is_dir():
        pytest.skip("no chain among the shared data")
    index = json.loads((folder / "index.json").read_text())
    bucket = world.bucket = "example-cloudtrail-bucket"
    world.client.create_bucket(Bucket=bucket)
    signatures = {entry["key"]: entry["x_amz_meta_signature"] for entry in index["digests"]}
    for file in (folder / bucket).rglob("*.json.gz"):
        key = str(file.relative_to(folder / bucket))
        if key in signatures:
            world.put(key, file.read_bytes(), START, signature=signatures[key])
        else:
            name = log_name(key)
            assert name is not None
            world.put(key, file.read_bytes(), name.delivered_at)
    file = world.folder / "keys.json"
    file.write_text(json.dumps({"PublicKeyList": [index["public_key"]]}))
    span = ["--keys", str(file), "--from", "2023-07-10-10", "--to", "2023-07-10-13"]
    code, told = run(*span)
    assert (code, told["problems"]) == (0, [])
    assert counts(told)["logs"] == {"verified": sum(entry["log_files"] for entry in index["digests"])}
    for entry in index["digests"][2:4]:
        world.delete(entry["key"])
    code, told = run(*span)
    assert (code, counts(told)["missing_hours"]) == (1, 2)


def forged_log(made, world):
    at = made.digests[2].start + timedelta(minutes=30)
    forged = made.log(at, name="injectedEVIL0000")
    world.put_log(forged, at)
    return forged


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("junk", [False, True])
def test_an_unsigned_digest_does_not_hide_an_injected_log_file(made, run, world, junk, offset):
    forged = forged_log(made, world)
    other = chain(0, bucket=world.bucket, trail="invented", end=made.digests[2 + offset].start)
    shield = other.add(logs=[forged])
    world.put(shield.key, b"junk" if junk else shield.stored, shield.end)
    code, told = run()
    assert code == 1
    assert sum(each["uncovered"] for each in told["chains"]) == 1
    assert any(forged.key in problem and "uncovered" in problem for problem in told["problems"])


def test_log_files_of_a_digest_that_its_successor_proves_are_not_called_injected(made, run, world):
    for victim in made.digests[1:4]:
        world.put(victim.key, victim.stored, victim.end)
    code, told = run()
    assert (code, told["problems"]) == (0, [])


def test_a_region_whose_digests_were_all_deleted_is_not_proved(made, run, world):
    other = chain(8, bucket=world.bucket, region="eu-central-1")
    for each in other.digests:
        for log in each.logs:
            world.put_log(log, each.start + timedelta(minutes=6), gzip.compress(b'{"Records":[]}'))
    code, told = run()
    assert code == 1
    by_chain = {each["chain"]: each for each in told["chains"]}
    assert by_chain["123837392027/eu-central-1"]["unsure"] > 0
    assert not by_chain["123837392027/eu-central-1"]["proved"]
    assert by_chain["123837392027/us-east-1/management_events/us-east-1"]["proved"]
    assert any("not one digest file" in problem and "eu-central-1" in problem for problem in told["problems"])


@pytest.mark.parametrize("logs", [(), ("--no-logs",)])
@pytest.mark.parametrize("days", [2, 50])
def test_a_time_inside_a_deleted_stretch_is_noticed_even_with_its_log_files_gone(run, world, logs, days):
    world.keys(key_entry(valid=(START - timedelta(days=99), START + timedelta(days=99))))
    whole = chain(1, bucket=world.bucket, end=START - timedelta(days=days))
    while whole.end < START + timedelta(hours=20):
        whole.add(logs=0, hours=24)
    whole.add()
    for each in (whole.digests[0], whole.digests[-1]):
        world.put_digest(each)
    world.fill(chain(12, bucket=world.bucket, trail="whole"))
    code, told = run(*logs)
    assert code == 1
    by_chain = {each["chain"].split("/")[2]: each for each in told["chains"]}
    assert by_chain["management_events"]["missing_hours"] == 5
    assert any("are missing" in problem and "management_events" in problem for problem in told["problems"])


@pytest.mark.parametrize("body", [b"junk", None])
def test_a_forged_beginning_behind_a_deleted_stretch_hides_nothing(run, world, body):
    whole = chain(1, bucket=world.bucket, end=START - timedelta(days=3))
    world.fill(whole)
    world.fill(chain(12, bucket=world.bucket, trail="whole"))
    begun = chain(1, bucket=world.bucket, end=START + timedelta(hours=20)).digests[0]
    world.put(begun.key, body or begun.stored, begun.end)
    code, told = run()
    assert code == 1
    by_chain = {each["chain"].split("/")[2]: each for each in told["chains"]}
    assert by_chain["management_events"]["digests"] == {"failed" if body else "unproved": 1}
    assert by_chain["management_events"]["missing_hours"] == 5


def test_a_chain_that_begins_later_or_ended_earlier_is_no_hole(made, run, world):
    world.fill(chain(2, bucket=world.bucket, trail="ended", end=START - timedelta(days=3)))
    world.fill(chain(2, bucket=world.bucket, trail="later", end=START + timedelta(days=3)))
    code, told = run()
    assert (code, len(told["chains"]), told["problems"]) == (0, 1, [])


def test_a_bucket_behind_an_access_point_is_proved(aws, tmp_path, run, world):
    number = next(_numbers)
    world.bucket = f"trail-{number}-s3alias"
    world.client.create_bucket(Bucket=world.bucket)
    world.fill(chain(8, bucket=f"real-{number}"))
    code, told = run()
    assert (code, told["problems"], counts(told)["logs"]) == (0, [], {"verified": 10})
