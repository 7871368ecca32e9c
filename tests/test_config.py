"""The configuration: defaults, overrides, and one sentence for every mistake, without a secret in it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3sentinel_assets.config import AwsAccess, Config, load_config
from s3sentinel_assets.config.formats import FORMATS
from s3sentinel_assets.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parent.parent
SECRET = "Tr0ub4dor"
HUB = "arn:aws:iam::111122223333:role/hub"
BASE = """
sentinel:
  ingestion_endpoint: https://x.ingest.monitor.azure.com/
  workspace_id: w
  dcr_id: dcr-1
sources:
  cloudtrail:
    bucket: logs
    prefix: AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/
    format: cloudtrail
"""


def base(**changes: Any) -> dict[str, Any]:
    """The base configuration with values changed by dotted path; None removes."""
    values = yaml.safe_load(BASE)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = value
    return values


@pytest.fixture
def load(tmp_path):
    def write(text: str | None = None, **changes: Any) -> Config:
        file = tmp_path / "s3sentinel.yaml"
        file.write_text(yaml.safe_dump(base(**changes)) if text is None else text, encoding="utf-8")
        return load_config(file)

    return write


def failure(load, *text: str, **changes: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(*text, **changes)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert SECRET not in sentence
    return sentence.replace(sentence.partition("s3sentinel.yaml")[0], "") if "s3sentinel.yaml" in sentence else sentence


def test_the_file_in_the_repository_is_valid() -> None:
    config = load_config(REPOSITORY / "s3sentinel.yaml")
    assert set(config.sources) == {"cloudtrail", "vpc_flow"}
    assert config.start == datetime(2026, 11, 1, tzinfo=UTC)


def test_defaults_and_derived_values(load) -> None:
    config = load()
    source = config.source("cloudtrail")
    assert (source.name, source.tables) == ("cloudtrail", ("AWSCloudTrail",))
    assert source.destination_for("AWSCloudTrail").stream_name == "Custom-AWSCloudTrail"
    assert (source.normalise, source.fields, source.time_zone) == ("native", (), "UTC")
    assert config.aws_access(source) is config.aws
    assert config.sentinel.ingestion_endpoint == "https://x.ingest.monitor.azure.com"
    assert config.ledger_url.startswith("sqlite:////")
    assert config.grace.total_seconds() == 900


def test_an_unknown_source_names_those_there_are(load) -> None:
    with pytest.raises(ConfigurationError, match=r"no source 'cloudtrial'.*there are: cloudtrail"):
        load().source("cloudtrial")


@pytest.mark.parametrize("scheme", ["postgresql://", "postgres://", "postgresql+psycopg://"])
def test_postgresql_gets_its_driver(load, scheme) -> None:
    assert load(**{"ledger.url": f"{scheme}u:{SECRET}@h/db"}).ledger_url == f"postgresql+psycopg://u:{SECRET}@h/db"


MISTAKES = [
    ({"grace_minuts": 1}, "grace_minuts: unknown key; did you mean 'grace_minutes'?"),
    ({"sentinel.dcr": "x"}, "sentinel.dcr: unknown key; did you mean 'dcr_id'?"),
    ({"aws.regoin": "x"}, "aws.regoin: unknown key; did you mean 'region'?"),
    ({"sources.cloudtrail.bukket": "x"}, "sources.cloudtrail.bukket: unknown key; did you mean 'bucket'?"),
    ({"sources.cloudtrail.aws": {"rolearn": "x"}}, "sources.cloudtrail.aws.rolearn: unknown key; did you mean 'role"),
    ({"sentinel.credential": {"client_secert": SECRET}}, "sentinel.credential.client_secert: unknown key; did you"),
    ({"limits.zzz": 1}, "limits.zzz: unknown key; known keys: decompression_ratio, "),
    ({"sources.cloudtrail.bucket": None}, "sources.cloudtrail.bucket: is missing; add it"),
    ({"sources.cloudtrail.bucket": "s3://logs/x"}, "sources.cloudtrail.bucket: must be the bucket's name alone"),
    ({"sentinel": None}, "sentinel: is missing; add it"),
    ({"sources": None}, "sources: is missing; add it"),
    ({"sources": {}}, "sources: "),
    ({"sources": ["cloudtrail"]}, "sources: "),
    ({"sources.cloudtrail.format": "cloudtrial"},
     "sources.cloudtrail.format: is no known format; did you mean 'cloudtrail'? known are auto, alb, aws_config, "),
    ({"sources.cloudtrail.format": "evtx"}, "sources.cloudtrail.format: is no known format; known are auto, alb, "),
    ({"sources.cloudtrail.format": ["cloudtrail"]}, "sources.cloudtrail.format: Input should be a valid string"),
    ({"sources.cloudtrail.normalise": "ocsf"}, "sources.cloudtrail.normalise: Input should be 'native' or 'asim'"),
    ({"sources.cloudtrail.time_zone": "CET+1"}, "sources.cloudtrail.time_zone: is no time zone; it must be an IANA"),
    ({"sources.cloudtrail.time_zone": "../UTC"}, "sources.cloudtrail.time_zone: is no time zone; it must be an IANA"),
    ({"sources.cloudtrail.fields": "a b"}, "sources.cloudtrail.fields: must be a list, such as [srcaddr, dstaddr, ac"),
    ({"sources.cloudtrail.fields": ["a", ""]}, "sources.cloudtrail.fields: has an empty name"),
    ({"sources.cloudtrail.fields": ["a", "b", "a"]}, "sources.cloudtrail.fields: names the field 'a' twice"),
    ({"sources.cloudtrail.fields": ["a"]},
     "sources.cloudtrail: fields goes with format cloudfront_realtime, csv, tgw_flow, vpc_flow, w3c, not with cloudtr"),
    ({"sources.cloudtrail.fields": ["a"], "sources.cloudtrail.format": "auto"}, "sources.cloudtrail: fields goes with"),
    ({"sources.cloudtrail.destination": {"table": "AWSVPCFlow"}},
     "sources.cloudtrail: no row of format cloudtrail with normalise: native goes to the table AWSVPCFlow; rows go t"),
    ({"sources.cloudtrail.destination": {"table": "AWSCloudTrail"}, "sources.cloudtrail.normalise": "asim"},
     "sources.cloudtrail: no row of format cloudtrail with normalise: asim goes to the table AWSCloudTrail; rows go "),
    ({"sources.cloudtrail.format": "auto", "sources.cloudtrail.destinations": [{"table": "Mine_CL"}]},
     "sources.cloudtrail: no row of format auto with normalise: native goes to the table Mine_CL; rows go to AWSALB"),
    ({"sources.cloudtrail.destinations": [{"tabel": "AWSCloudTrail"}]},
     "sources.cloudtrail.destinations.0.tabel: unknown key; did you mean 'table'?"),
    ({"sources.cloudtrail.destinations": [{"table": "AWSCloudTrail"}, {"table": "AWSCloudTrail", "stream": "x"}]},
     "sources.cloudtrail: destinations names the table AWSCloudTrail twice"),
    ({"sources.cloudtrail.destinations": [{"table": "AWSCloudTrail"}],
      "sources.cloudtrail.destination": {"table": "AWSCloudTrail"}},
     "sources.cloudtrail: destination is the short form of one; move it into destinations"),
    ({"sources.Cloud-Trail": {"bucket": "logs", "prefix": "", "format": "cloudtrail"}}, "sources: 'Cloud-Trail' "),
    ({"sentinel.ingestion_endpoint": "http://x"}, "sentinel.ingestion_endpoint: must start with https://"),
    ({"sentinel.query_endpoint": "http://x"}, "sentinel.query_endpoint: must start with https://"),
    ({"sentinel.authority": "http://x"}, "sentinel.authority: must start with https://"),
    ({"sentinel.max_batch_bytes": 2_000_000}, "sentinel.max_batch_bytes: Input should be less than or equal to"),
    ({"aws.endpoint_url": "s3.example.org"}, "aws.endpoint_url: must start with https://"),
    ({"aws.expected_bucket_owner": "12"}, "aws.expected_bucket_owner: must be an account id of 12 digits"),
    ({"aws.sqs_endpoint_url": f"https://u:{SECRET}@q"}, "aws.sqs_endpoint_url: must not hold a name or password"),
    ({"aws.access_key_id": SECRET}, "aws: access_key_id would keep a key in plain text; use role_arn, profile, "),
    ({"aws.aws_secret_access_key": SECRET}, "aws: aws_secret_access_key would keep a key in plain text; use"),
    ({"sources.cloudtrail.aws": {"session_token": SECRET}}, "sources.cloudtrail.aws: session_token would keep a key"),
    ({"aws.role_arn": "s3sentinel"}, "aws.role_arn: must be the ARN of a role, such as arn:aws:iam::1111222"),
    ({"aws.external_id": "abc"}, "aws: external_id goes with role_arn; set that, or move it to its role"),
    ({"aws.role_arn": HUB, "aws.roles": [{"role_arn": HUB}]}, "aws: role_arn is the short form of one role; move"),
    ({"aws.roles": [{"role_arn": HUB}, {"role_arn": HUB, "externalid": "x"}]},
     "aws.roles.1.externalid: unknown key; did you mean 'external_id'?"),
    ({"aws.roles": [{"role_arn": HUB, "session_tags": {"a": 1}}]}, "aws.roles.0.session_tags.0.1: Input should be a"),
    ({"aws.roles": [{"role_arn": HUB, "transitive_tag_keys": ["a"]}]}, "aws.roles.0: transitive_tag_keys names 'a',"),
    ({"aws.roles": [{"role_arn": HUB, "session_name": "a b"}]}, "aws.roles.0.session_name: must be 2 to 64 letters"),
    ({"aws.roles": [{"role_arn": HUB, "policy_arns": ["x"]}]}, "aws.roles.0.policy_arns: must be ARNs of managed"),
    ({"aws.roles": [{"role_arn": HUB, "duration_seconds": 60}]}, "aws.roles.0.duration_seconds: Input should be gre"),
    ({"aws.roles": [{"role_arn": HUB}, {"role_arn": HUB, "duration_seconds": 7200}]},
     f"aws: duration_seconds of {HUB} is over an hour, the most that AWS gives to a role that is assumed by a role"),
    ({"aws.web_identity_token_file": "/t"}, "aws: web_identity_token_file needs role_arn"),
    ({"aws.web_identity_token_file": "/t", "aws.role_arn": HUB, "aws.profile": "x"},
     "aws: web_identity_token_file takes the place of profile and credentials_file; keep one"),
    ({"aws.web_identity_token_file": "/t", "aws.role_arn": HUB, "aws.external_id": "abc"},
     "aws: the first role is assumed with web_identity_token_file, which takes neither external_id nor session_tags"),
    ({"aws.use_fips": True, "aws.endpoint_url": "https://s3.example.org"},
     "aws: use_fips chooses the endpoint and endpoint_url names another; remove use_fips and let endpoint_url name"),
    ({"aws.use_dual_stack": True, "aws.sts_endpoint_url": "https://sts.example.org"},
     "aws: use_dual_stack chooses the endpoint and sts_endpoint_url names another"),
    ({"aws.addressing_style": "virtul"}, "aws.addressing_style: Input should be 'auto', 'virtual' or 'path'"),
    ({"aws.endpoint_url": "https://vpce-0a1b.s3.us-east-1.vpce.amazonaws.com"},
     "aws: endpoint_url of a VPC interface endpoint must start with https://bucket.vpce-"),
    ({"aws.endpoint_url": "https://*.vpce-0a1b.s3.us-east-1.vpce.amazonaws.com"},
     "aws: endpoint_url of a VPC interface endpoint must start with https://bucket.vpce-"),
    ({"aws.endpoint_url": "https://bucket.vpce-0a1b.s3.eu-west-1.vpce.amazonaws.com"},
     "aws: endpoint_url is in region eu-west-1, but region is us-east-1; set region to it"),
    ({"aws.sse_customer_key_file": "/k", "aws.endpoint_url": "http://minio:9000"},
     "aws: sse_customer_key_file needs an endpoint_url with https://"),
    ({"start": "2026-11-01T00:30Z"}, "start: must be a full hour, such as 2026-11-01T00:00Z"),
    ({"start": "yesterday"}, "start: Input should be a valid datetime"),
    ({"ledger.url": {"password": SECRET}}, "ledger.url: "),
    ({"sentinel.credential": {"client_secret": [SECRET]}}, "sentinel.credential.client_secret: "),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_each_mistake_has_its_sentence(load, changes, words) -> None:
    assert failure(load, **changes).startswith(f"s3sentinel.yaml: {words}")


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("/AWSLogs/", "must not start with '/'"),
        ("AWSLogs/{acount}/", "unknown field {acount}; known are {account}, {region}"),
        ("AWSLogs/{}/", "unknown field {}"),
        ("AWSLogs/{yyyy:04d}/", "unknown field {yyyy}"),
        ("AWSLogs/{account.x}/", "unknown field {account.x}"),
        ("AWSLogs/{account/", "has an unpaired brace"),
        ("AWSLogs/account}/", "has an unpaired brace"),
        ("x/{dd}/", "has {dd} without {mm}; add {mm}"),
        ("x/{yyyy}/{mm}/{hh}/", "has {hh} without {dd}"),
        ("AWSLogs/{account}", "needs a '/' behind the last {account}"),
    ],
)
def test_wrong_prefixes(load, prefix, words) -> None:
    sentence = failure(load, **{"sources.cloudtrail.prefix": prefix})
    assert sentence.startswith(f"s3sentinel.yaml: sources.cloudtrail.prefix: {words}")


@pytest.mark.parametrize("prefix", ["", "a/", "{yyyy}/{mm}/{dd}/{hh}/", "{organization}/{account}/x-{yyyy}", "a{{b}}/"])
def test_right_prefixes(load, prefix) -> None:
    assert load(**{"sources.cloudtrail.prefix": prefix}).source("cloudtrail").prefix == prefix


def test_several_mistakes_are_counted(load) -> None:
    assert failure(load, a=1, b=2, c=3).endswith("(and 2 more)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3 is not valid YAML"),
        (f"a: 1\nsecret: *{SECRET}\n", "line 2 is not valid YAML: found undefined alias …; put values"),
        (f"secret: !{SECRET} x\n", "line 1 is not valid YAML: could not determine a constructor for the tag …"),
        ("a: @x\n", "line 1 is not valid YAML"),
        ("sources:\n  x: {}\n  y: {}\n  x: {}\n", "line 4 is not valid YAML: a key stands twice"),
        ("- a\n- b\n", "must hold keys and values at the top level"),
        ("just words", "must hold keys and values at the top level"),
        ("", "sentinel: is missing"),
        ("5: x\n", "5: unknown key"),
    ],
)
def test_a_file_that_is_not_right_as_a_whole(load, text, words) -> None:
    assert words in failure(load, text)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: cannot be read \(No such file or directory\); run in"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "latin").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigurationError, match="latin: is not UTF-8 text"):
        load_config(tmp_path / "latin")
    monkeypatch.setenv("S3SENTINEL_CONFIG", str(tmp_path / "named.yaml"))
    with pytest.raises(ConfigurationError, match=r"named\.yaml: cannot be read"):
        load_config()


def test_the_environment_wins_over_the_file(load, monkeypatch) -> None:
    monkeypatch.setenv("S3SENTINEL_SENTINEL__DCR_ID", "dcr-from-environment")
    monkeypatch.setenv("S3SENTINEL_GRACE_MINUTES", "7")
    monkeypatch.setenv("S3SENTINEL_SOURCES__CLOUDTRAIL__BUCKET", "other-bucket")
    monkeypatch.setenv("S3SENTINEL_SENSORS", "running")  # for the sensors: no setting, and no mistake
    config = load()
    assert config.sentinel.dcr_id == "dcr-from-environment"
    assert config.sentinel.workspace_id == "w"
    assert config.grace_minutes == 7
    assert config.source("cloudtrail").bucket == "other-bucket"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("S3SENTINEL_GRACE_MINUTES", "soon", "S3SENTINEL_GRACE_MINUTES: Input should be a valid number"),
        ("S3SENTINEL_GRACE_MINUTS", "1", "S3SENTINEL_GRACE_MINUTS: unknown key; did you mean 'grace_minutes'?"),
        ("S3SENTINEL_SENTINEL_DCR_ID", "x", "S3SENTINEL_SENTINEL_DCR_ID: unknown key"),
        ("S3SENTINEL_SENTINEL__DCR_IDD", "x", "S3SENTINEL_SENTINEL__DCR_IDD: unknown key; did you mean 'dcr_id'?"),
        (
            "S3SENTINEL_SENTINEL__QUERY_ENDPOINT",
            "http://x",
            "S3SENTINEL_SENTINEL__QUERY_ENDPOINT: must start with https",
        ),
        ("S3SENTINEL_SOURCES", f"{{{SECRET}", "S3SENTINEL_SOURCES: is not valid JSON"),
        ("S3SENTINEL_LEDGER", SECRET, "S3SENTINEL_LEDGER: "),
        ("S3SENTINEL_START", "2026-11-01T00:30Z", "S3SENTINEL_START: must be a full hour"),
    ],
)
def test_a_wrong_variable_is_named(load, monkeypatch, variable, value, words) -> None:
    monkeypatch.setenv(variable, value)
    assert failure(load).startswith(f"environment variable {words}")


def test_secrets_are_never_shown(load) -> None:
    config = load(
        **{
            "ledger.url": f"postgresql://u:{SECRET}@h/db",
            "sentinel.credential": {"kind": "client_secret", "client_secret": SECRET},
        }
    )
    for text in (repr(config), str(config), config.model_dump_json(), repr(config.ledger), repr(config.sentinel)):
        assert SECRET not in text
    assert config.sentinel.credential.client_secret.get_secret_value() == SECRET


def test_times_are_utc(load) -> None:
    assert load(start="2026-11-01T05:00+05:00").start == datetime(2026, 11, 1, tzinfo=UTC)
    assert load(start="2026-11-01T05:00").start == datetime(2026, 11, 1, 5, tzinfo=UTC)


def test_a_source_has_an_owner_and_says_what_is_late(load):
    source = load().sources["cloudtrail"]
    assert (source.owner, source.late_after_hours) == ("team:security", 2)
    changes = {"sources.cloudtrail.owner": "ann.doe@example.com", "sources.cloudtrail.late_after_hours": 24}
    source = load(**changes).sources["cloudtrail"]
    assert (source.owner, source.late_after_hours) == ("ann.doe@example.com", 24)


@pytest.mark.parametrize("owner", ["security", "team:", "team:two words", "ann@localhost", "ann doe@example.com"])
def test_an_owner_that_dagster_would_refuse_is_one_sentence(load, owner):
    sentence = failure(load, **{"sources.cloudtrail.owner": owner})
    assert "sources.cloudtrail.owner" in sentence
    assert "team:<name>" in sentence


def test_what_is_late_must_leave_time_for_the_seal(load):
    assert "sources.cloudtrail.late_after_hours" in failure(load, **{"sources.cloudtrail.late_after_hours": 1})


def test_roles_come_from_the_file_in_their_order_and_with_their_tags(load):
    access = load(
        **{
            "aws.roles": [
                {"role_arn": HUB, "session_tags": {"team": "siem", "env": "prod"}, "transitive_tag_keys": ["team"]},
                {"role_arn": HUB.replace("hub", "reader"), "external_id": "abc"},
            ]
        }
    ).aws
    assert [role.role_arn.rpartition("/")[2] for role in access.role_chain] == ["hub", "reader"]
    assert access.role_chain[0].session_tags == (("env", "prod"), ("team", "siem"))
    assert hash(access) == hash(access.model_copy())


def test_the_short_form_is_a_chain_of_one(load):
    (role,) = load(**{"aws.role_arn": HUB, "aws.external_id": "abc"}).aws.role_chain
    assert (role.role_arn, role.external_id, role.session_name) == (HUB, "abc", "s3sentinel")
    assert load().aws.role_chain == ()


def test_roles_may_come_from_the_environment(load, monkeypatch):
    monkeypatch.setenv("S3SENTINEL_AWS__ROLES", f'[{{"role_arn": "{HUB}", "session_tags": {{"team": "siem"}}}}]')
    assert load().aws.role_chain[0].session_tags == (("team", "siem"),)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://[::1]:1", "http://localhost:1", "http://127.9.9.9"])
def test_an_endpoint_on_this_machine_stands_in_for_every_service(url):
    access = AwsAccess(endpoint_url=url, sqs_endpoint_url="https://sqs.example.org", sse_customer_key_file=Path("k"))
    assert access.is_stand_in
    assert access.endpoint_of("sts") == access.endpoint_of("s3") == url
    assert access.endpoint_of("sqs") == "https://sqs.example.org"


@pytest.mark.parametrize("url", [None, "https://s3.example.org", "http://minio:9000", "https://127.0.0.1.example.org"])
def test_no_other_endpoint_gets_what_is_meant_for_aws(url):
    access = AwsAccess(endpoint_url=url)
    assert not access.is_stand_in
    assert access.endpoint_of("sts") is access.endpoint_of("cloudtrail") is None


def test_a_mixed_source_fills_each_formats_table_and_only_names_streams_that_differ(load):
    mixed = load(
        **{
            "sources.cloudtrail.format": "auto",
            "sources.cloudtrail.destinations": [
                {"table": "AWSVPCFlow", "stream": "Custom-Flows", "dcr_id": "dcr-2"},
                {"table": "ASimDnsActivityLogs"},
            ],
        }
    ).source("cloudtrail")
    assert set(mixed.formats) == set(FORMATS)
    assert {"AWSCloudTrail", "AWSVPCFlow", "AWSWAF", "ASimDnsActivityLogs", "Syslog"} < set(mixed.tables)
    assert len(mixed.tables) == len(set(mixed.tables))
    flows, dns = mixed.destination_for("AWSVPCFlow"), mixed.destination_for("ASimDnsActivityLogs")
    assert (flows.stream_name, flows.dcr_id) == ("Custom-Flows", "dcr-2")
    assert (dns.stream_name, dns.dcr_id) == ("Custom-ASimDnsActivityLogs", None)
    assert mixed.destination_for("AWSWAF").stream_name == "Custom-AWSWAF"


@pytest.mark.parametrize(
    ("format_name", "normalise", "tables"),
    [
        ("waf", "native", ("AWSWAF",)),
        ("waf", "asim", ("ASimWebSessionLogs",)),
        ("tgw_flow", "native", ("ASimNetworkSessionLogs",)),  # Sentinel has no table of its own
        ("syslog", "asim", ("Syslog",)),  # ASIM has none
    ],
)
def test_rows_go_to_the_tables_asked_for_else_to_those_there_are(load, format_name, normalise, tables):
    changes = {"sources.cloudtrail.format": format_name, "sources.cloudtrail.normalise": normalise}
    assert load(**changes).source("cloudtrail").tables == tables


def test_fields_and_time_zone_of_files_that_state_neither(load, monkeypatch):
    monkeypatch.setenv("S3SENTINEL_SOURCES__CLOUDTRAIL__TIME_ZONE", "Europe/Berlin")
    changes = {"sources.cloudtrail.format": "vpc_flow", "sources.cloudtrail.fields": ["srcaddr", "dstaddr"]}
    source = load(**changes).source("cloudtrail")
    assert (source.fields, source.time_zone) == (("srcaddr", "dstaddr"), "Europe/Berlin")


def test_the_schema_of_the_configuration_lists_the_formats():
    described = Config.model_json_schema()["$defs"]["SourceSettings"]["properties"]["format"]
    assert described["enum"] == ["auto", *FORMATS]


@pytest.mark.parametrize("word", ["off", "'off'", "Off", "no"])
def test_words_that_yaml_reads_as_truth_values_mean_what_is_written(load, word):
    source = load(f"{BASE}    digests: {{verify: {word}}}\n    routing: {{demotion: {word}}}\n").sources["cloudtrail"]
    assert (source.digests.verify, source.routing.demotion) == ("off", "off")
    assert load(f"{BASE}    routing: {{demotion: on}}\n").sources["cloudtrail"].routing.demotion == "on"
