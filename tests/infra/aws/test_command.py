"""``s3sentinel infra aws``: what is printed, written and said."""

import json

import pytest
import typer
import yaml
from typer.testing import CliRunner

from s3sentinel_assets.cli.infra_aws import aws
from s3sentinel_assets.errors import UserError
from tests.infra.aws.configurations import TRAIL, values

TWO_REGIONS = {
    "a": {"prefix": TRAIL},
    "b": {"bucket": "two", "aws": {"region": "eu-west-1", "expected_bucket_owner": "999988887777"}},
}

app = typer.Typer()
app.command()(aws)


@pytest.fixture
def run(tmp_path):
    file = tmp_path / "s3sentinel.yaml"

    def invoke(sources, *arguments, **section):
        file.write_text(yaml.safe_dump(values(sources, **section)))
        return CliRunner().invoke(app, [*map(str, arguments), "--config", str(file)], catch_exceptions=False)

    return invoke


def test_the_template_alone_is_printed(run):
    template = json.loads(run({"a": {}}).stdout)
    assert template["Resources"]["ConnectorRole"]["Properties"]["RoleName"] == "s3sentinel"
    assert json.loads(run({"a": {}}, "-", "--name", "soc").stdout)["Metadata"]["s3sentinel"]["name"] == "soc"


def test_one_of_several_regions_has_to_be_chosen_to_print(run):
    with pytest.raises(UserError, match=r"us-east-1, eu-west-1.*--region"):
        run(TWO_REGIONS)
    assert "ConnectorRole" not in run(TWO_REGIONS, "--region", "eu-west-1").stdout
    with pytest.raises(UserError, match="no template for region 'x'"):
        run(TWO_REGIONS, "--region", "x")


def test_a_folder_gets_every_file_and_the_way_on_is_told(run, tmp_path):
    folder = tmp_path / "out"
    said = run(TWO_REGIONS, folder, "--account", "111122223333").stdout
    assert sorted(file.name for file in folder.iterdir() if not file.name.startswith(".")) == [
        "bucket-policy-two.json",
        "eventbridge-logs.json",
        "kms-key-statement.json",
        "notifications-logs.json",
        "notifications-two.json",
        "s3sentinel-eu-west-1.json",
        "s3sentinel-us-east-1.json",
    ]
    assert said.index("deploy --region us-east-1") < said.index("deploy --region eu-west-1")
    assert said.count("CAPABILITY_NAMED_IAM") == 1
    assert "The owner (999988887777) of two adds the statements of bucket-policy-two.json" in said
    assert "replaces all notifications of the bucket" in said
    assert "eventbridge-two.json" not in said
    assert "ACCOUNT_ID" not in said
    again = run(TWO_REGIONS, folder, "--account", "111122223333").stdout
    assert again.count(": unchanged") == 7
    assert ": written" not in again


def test_machines_get_one_object(run, tmp_path):
    run({"a": {}, "b": {"bucket": "two"}}, tmp_path / "out")
    found = json.loads(run({"a": {}}, tmp_path / "out", "--json").stdout)
    assert found["no_longer_made"] == ["eventbridge-two.json", "notifications-two.json"]
    assert found["written"] == ["s3sentinel-us-east-1.json"]
    assert any("--account" in step for step in found["next_steps"])


def test_somebody_elses_file_is_not_replaced_unless_it_is_forced(run, tmp_path):
    mine = tmp_path / "kms-key-statement.json"
    mine.write_text("mine")
    with pytest.raises(UserError, match="--force"):
        run({"a": {}}, tmp_path)
    assert mine.read_text() == "mine"
    assert run({"a": {}}, tmp_path, "--force").exit_code == 0
    assert json.loads(mine.read_text())["Effect"] == "Allow"


def test_a_region_goes_with_printing_only(run, tmp_path):
    with pytest.raises(UserError, match="leave it out"):
        run({"a": {}}, tmp_path / "out", "--region", "us-east-1")
    assert not (tmp_path / "out").exists()


def test_a_stand_in_is_pointed_out_beside_the_template(run):
    result = run({"a": {}}, endpoint_url="http://127.0.0.1:4566")
    assert "local stand-in" in result.stderr
    json.loads(result.stdout)


def test_a_principal_or_a_token_is_asked_for_as_the_role_is_assumed(run, tmp_path):
    roles = [{"role_arn": f"arn:aws:iam::111122223333:role/{name}"} for name in ("first", "last")]
    assert (
        "TrustedPrincipalArn=arn:aws:iam::111122223333:role/first" in run({"a": {}}, tmp_path / "a", roles=roles).stdout
    )
    said = run({"a": {}}, tmp_path / "b", "--oidc-issuer", "oidc.example/id").stdout
    assert "OidcSubject=" in said
    assert "TrustedPrincipalArn" not in said
