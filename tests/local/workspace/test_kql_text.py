"""The rewriting of KQL text, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.kql import rewrite
from s3sentinel_assets.local.workspace.kql_tokens import render, tokenise

SCHEMA = {"T": ["TimeGenerated", "A", "Type"], "U": ["B"]}


@given(st.text(alphabet="aT_1 .'\"@`\\/\n()[]=~|,hé", max_size=60))
def test_tokens_are_the_text(text: str) -> None:
    assert render(tokenise(text)) == text


@given(st.text(alphabet="T |splitndexof_rg()[],=~'\"@ let;dynamichas_any\n", max_size=60))
def test_any_text_is_rewritten_or_refused(text: str) -> None:
    try:
        rewrite(text, SCHEMA)
    except ApiError as error:
        assert error.status == 400


@pytest.mark.parametrize(
    ("kql", "becomes"),
    [
        ("T | project split(A, ',', 2)", "T | project pack_array(split(A, ',')[2])"),
        ("T | project split(split(A, 'a,(', 1)[0], 'b')", "T | project split(pack_array(split(A, 'a,(')[1])[0], 'b')"),
        ("T | project split(A, ',')", "T | project split(A, ',')"),
        ('T | where A == "split(A, 1, 2)" // split(A, 1, 2)', 'T | where A == "split(A, 1, 2)" // split(A, 1, 2)'),
        ("let L = dynamic(['a', 2]); T | where A has_any(L)", "let L = dynamic(['a', 2]); T | where A has_any ('a',2)"),
        ("let L = dynamic([1]); T | where A in~ (L)", "let L = dynamic([1]); T | where A in~ (1)"),
        ("T | mv-expand todynamic(A)", "T | mv-expand A = todynamic(A)"),
        ("T | mv-expand todynamic(A).x", "T | mv-expand todynamic(A).x"),
        ("T | extend type = x.type | where type", "T | extend type__other_case = x.type | where type__other_case"),
        ("T | where ingestion_time() > ago(1h)", "T | where (__ingestion_time + 0s) > ago(1h)"),
    ],
)  # fmt: skip
def test_rewriting(kql: str, becomes: str) -> None:
    assert rewrite(kql, SCHEMA).text == becomes


def test_only_named_tables_are_opened() -> None:
    assert rewrite("T | count", SCHEMA).tables == ("T",)
    assert rewrite("union * | count", SCHEMA).tables == ("T", "U")
    assert rewrite("print 'T'", SCHEMA).tables == ()


@pytest.mark.parametrize(
    "kql", ["", " // only a comment", ".drop table T", "cluster('x').database('y').T", "x" * 100_001]
)
def test_refused(kql: str) -> None:
    with pytest.raises(ApiError):
        rewrite(kql, SCHEMA)
