"""Addresses and user agents in their coarser forms."""

import polars as pl
import pytest

from s3sentinel_assets.ml.history.normalise import agent_family, networks, plain_action


def apply(expression: pl.Expr, value: str) -> str:
    return pl.DataFrame({"value": [value]}).select(value=expression)["value"][0]


@pytest.mark.parametrize(
    ("address", "narrow", "wide"),
    [
        ("203.0.113.9", "203.0.113.0/24", "203.0.0.0/16"),
        ("10.0.0.255", "10.0.0.0/24", "10.0.0.0/16"),
        ("2001:db8:85a3:8d3::7334", "2001:db8:85a3::/48", "2001:db8::/32"),
        ("2001:0DB8:0000:1::1", "2001:db8:0::/48", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8:0::/48", "2001:db8::/32"),
        ("::1", "0:0:0::/48", "0:0::/32"),
        ("::ffff:203.0.113.9", "203.0.113.0/24", "203.0.0.0/16"),
        ("cloudformation.amazonaws.com", "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"),
        ("AWS Internal", "aws internal", "aws internal"),
        ("", "", ""),
    ],
)
def test_networks(address, narrow, wide):
    # Beside others of every kind: each kind is cut by itself.
    others = pl.Series(["192.0.2.1", None, "2001:db8::", "ec2.amazonaws.com"])
    cut = networks(pl.concat([others, pl.Series([address]), others]))
    assert cut.row(4) == (narrow, wide)
    assert cut["network"].to_list()[:4] == ["192.0.2.0/24", None, "2001:db8:0::/48", "ec2.amazonaws.com"]
    assert cut["network"].to_list()[5:] == cut["network"].to_list()[:4]


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("aws-cli/2.15.30 Python/3.11.8 Linux/6.1 exe/x86_64.ubuntu", "aws-cli/2 linux"),
        ("aws-cli/2.9.1 Python/3.9.11 Darwin/23.1.0 exe/x86_64", "aws-cli/2 macos"),
        ("[Boto3/1.34.2 md/Botocore#1.34.2 os/linux#5.10 lang/python#3.11]", "boto3/1 linux"),
        ("Boto3/1.35.0 md/Botocore#1.35.0 os/linux#6.1 lang/python#3.12", "boto3/1 linux"),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 aws-sdk-go/1.44.3 (go1.20; linux; amd64)", "terraform linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0 Safari/537.36", "chrome windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Firefox/121.0", "firefox macos"),
        ("console.amazonaws.com", "console.amazonaws.com"),
        ("AWS Internal", "aws internal"),
        ("aws-sdk-go-v2/1.17.1 os/linux lang/go", "aws-sdk-go-v2/1 linux"),
        ("aws-cli/2.9 Python/3.11 Linux/6.6-kali", "aws-cli/2 kali"),
        ("", ""),
        ("日本語クライアント", "日本語クライアント"),
    ],
)
def test_agents(agent, family):
    assert apply(agent_family(), agent) == family


def test_api_dates_are_left_out():
    assert apply(plain_action(), "lambda:UpdateFunctionCode20150331v2") == "lambda:UpdateFunctionCode"
    assert apply(plain_action(), "lambda:CreateFunction20150331") == "lambda:CreateFunction"
    assert apply(plain_action(), "cloudfront:UpdateDistribution2020_05_31") == "cloudfront:UpdateDistribution"
    assert apply(plain_action(), "s3:GetObject") == "s3:GetObject"
