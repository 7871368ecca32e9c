"""Paths lose what is different each time, names give up their registered domain, addresses their network."""

import math
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.ml.history.coarse import owners
from s3sentinel_assets.ml.history.domains import INFORMATION_STEP, domains_and_information
from s3sentinel_assets.ml.history.families import family_of
from s3sentinel_assets.ml.history.templates import masked_words, path_templates


@pytest.mark.parametrize(
    ("target", "template"),
    [
        ("https://shop.example.com:443/users/4711/orders/0af3bc99de", "/users/{n}/orders/{id}"),
        ("www.example.com/a/b?token=1", "/a/b"),
        ("/1/2/3/4", "/{n}/{n}/{n}/{n}"),
        ("/A//b;jsessionid=3/c#top", "/a/b/c"),
        ("/v1/img12.png", "/v1/img{n}.png"),
        ("/123e4567-e89b-12d3-a456-426614174000/x", "/{id}/x"),
        ("/how-to-win-friends-and-influence-people", "/{id}"),
        ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/…"),
        ("bucket/logs/2026/11/29/file-20261129.gz", "/logs/{n}/{n}/{n}/file-{id}.gz"),
        ("*", ""),
        ("tcp", ""),
        (None, ""),
    ],
)
def test_path_templates(target, template):
    assert path_templates(pl.Series([target], dtype=pl.String)).to_list() == [template]


def test_actions_keep_ports_and_lose_ids():
    actions = ["tls/http/443/allowed", "job 8f14e45fceea167a5a36dedd4bea2543", "order 12345678", None]
    assert masked_words(pl.Series(actions)).to_list() == ["tls/http/443/allowed", "job {id}", "order {n}", None]


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.b.example.co.uk", "example.co.uk"),
        ("Example.COM.", "example.com"),
        ("localhost", "localhost"),
        ("x.y.github.io", "y.github.io"),
        ("d111.cloudfront.net", "cloudfront.net"),
        ("4.3.2.1.in-addr.arpa", "in-addr.arpa"),
        ("co.uk", "co.uk"),
        ("", ""),
        (None, ""),
    ],
)
def test_registered_domains(name, domain):
    assert domains_and_information(pl.Series([name], dtype=pl.String))["domain"].to_list() == [domain]


@settings(max_examples=50, deadline=None)
@given(st.from_regex(r"\A[a-z0-9-]{1,63}(\.[a-z0-9-]{1,30}){0,3}\Z"))
def test_information_is_length_times_entropy(labels):
    found = domains_and_information(pl.Series([f"{labels}.example.invalid"]))["step"][0]
    text = (labels + "example").replace(".", "")
    counts = Counter(text)
    bits = len(text) * math.log2(len(text)) - sum(n * math.log2(n) for n in counts.values())
    assert abs(found - min(bits / INFORMATION_STEP, 23.5)) <= 1.01


def test_reverse_names_carry_no_information():
    names = pl.Series(["1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "", None])
    assert domains_and_information(names)["step"].to_list() == [None, None, None]


def test_owners_are_networks_where_addresses_come_and_go():
    given_names = pl.Series(["198.51.100.7", "10.0.0.9", "2001:db8:1:2::9", "alice", "i-0abc", None])
    kept = given_names.to_list()
    assert owners(given_names, family_of("alb")).to_list() == [
        "198.51.100.0/24", "10.0.0.0/24", "2001:db8:1::/48", *kept[3:]
    ]  # fmt: skip
    assert owners(given_names, family_of("nlb")).to_list() == [
        "198.51.100.0/24", "10.0.0.9", "2001:db8:1::/48", *kept[3:]
    ]  # fmt: skip
    # The names of interfaces are what they are.
    assert family_of("vpc_flow").exact
