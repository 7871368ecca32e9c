"""Guards are never too narrow: without the rows that no guard keeps, the workspace answers the same."""

import re

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.sentinel.guards.worlds import NOW, OTHER, TABLE, World

WORDS = [
    "root",
    "Root",
    "ROOT",
    "a",
    "5",
    "it's",
    "%",
    "_",
    "-root-",
    "x",
    "list",
    "",
    "(a|b)",
    "ſ",
    "groß",
    "null",
    "2",
]
PATTERNS = ["^root", "o+t$", "[a-z]-r", r"^\w+$", r"a.root", "(?i)ROOT", r"\d%", "(root|list)s?", r"\s", r"^\S", "x{2"]
FLAGS = ["LocalOrig", "LocalOrig == true", "LocalOrig == false", "LocalOrig != true", "LocalOrig != false"]
UNREAD = [
    "strlen(Service) > 3",
    "Service == Host",
    "ipv4_is_private(Host)",
    "iff(LocalOrig, IdOrigP > 3, Duration > 1)",
    "tostring(parse_json(Host)) has 'root'",
    "Service in (Names)",
    "strcat(Service, Host) contains 'root'",
    "TimeGenerated > ago(1h)",
]


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


words = st.sampled_from(WORDS).map(quoted)
lists = st.lists(words, min_size=1, max_size=3).map(", ".join).map(lambda inner: f"({inner})")
columns = st.sampled_from(["Service", "Host"])
wrapped = st.one_of(columns, columns.map("tolower({})".format), columns.map("toupper({})".format))
negation = st.sampled_from(["", "!"])


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


atoms = st.one_of(
    joined(wrapped, st.sampled_from(["==", "!=", "=~", "!~"]), words),
    joined(words, st.sampled_from(["==", "!="]), columns),
    st.builds(
        "{} {}{} {}".format,
        wrapped,
        negation,
        st.sampled_from(["has", "contains", "startswith", "endswith", "has_cs", "contains_cs", "startswith_cs"]),
        words.filter(lambda word: len(word) > 2),
    ),
    st.builds("{} {}{} {}".format, wrapped, negation, st.sampled_from(["in", "in~"]), lists),
    joined(columns, st.just("has_any"), lists.filter(lambda text: "''" not in text)),
    st.builds("{} {}in (List)".format, columns, negation),
    st.builds("{} == Word".format, columns),
    st.builds("{} matches regex @'{}'".format, columns, st.sampled_from(PATTERNS[:-2])),
    st.builds(
        "{}({})".format, st.sampled_from(["isempty", "isnotempty"]), st.one_of(columns, st.just("ExtraFields_CF"))
    ),
    st.builds("{}({})".format, st.sampled_from(["isnull", "isnotnull"]), st.sampled_from(["IdOrigP", "Duration"])),
    joined(
        st.sampled_from(["IdOrigP", "OrigBytes", "Duration", "AnomalyScore_CF"]),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["0", "1", "5", "6", "5.995", "6.0", "0.5", "443", "Limit", "-1", "3000000000"]),
    ),
    st.builds("{} in ({}, 5)".format, st.sampled_from(["IdOrigP", "OrigBytes"]), st.sampled_from(["0", "443", "-1"])),
    st.builds("{} between ({} .. 443)".format, st.sampled_from(["IdOrigP", "OrigBytes"]), st.sampled_from(["0", "5"])),
    st.sampled_from(FLAGS),
    st.builds("ExtraFields_CF {} {}".format, st.sampled_from(["has", "contains"]), st.sampled_from(["'root'", "'b'"])),
    st.sampled_from(UNREAD),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("{} and {}".format, atoms, atoms),
        st.builds("({}) or ({})".format, inner, inner),
        st.builds("not({})".format, inner),
    ),
    max_leaves=5,
)
LETS = """let List = dynamic(["root", 'List', "50%"]); let Word = "Root"; let Limit = 5;
let Names = AWSCloudTrail | where EventName == "root" | distinct EventName;
"""
PIPELINES = [
    "Zeek_CL | where {a}",
    "Zeek_CL | where {a} | where {b}",
    "Zeek_CL | extend Host = Service | where {a}",
    "Zeek_CL | extend Service = Host, Host = Service | where {a}",
    "Zeek_CL | extend Service = strcat(Service, 'root') | where {a} | where {b}",
    (
        "Zeek_CL | project EventId_CF, Service = Host, Host, IdOrigP = toint(1), OrigBytes, Duration, AnomalyScore_CF, "
        "LocalOrig, ExtraFields_CF, TimeGenerated | where {a}"
    ),
    "Zeek_CL | project-rename Old = Service, Service = Host | extend Host = Old | where {a}",
    "Zeek_CL | sort by Service asc | where {a}",
    "let Some = Zeek_CL | where {a}; Some | where {b}",
    "union (Zeek_CL | where {a}), (Zeek_CL | where {b})",
    "Zeek_CL | where {a} | union (Zeek_CL | where {b}) | where {c}",
    "let F = (p: string) {{ Zeek_CL | where {a} and Service != p }}; F('root') | where {b}",
]
READS = re.compile(r"\b(Zeek_CL|AWSCloudTrail)\b")
# Shrinking would ask a thousand times.
quick = settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])


def check_rows(world: World, pipeline: str, a: str, b: str, c: str) -> None:
    query = LETS + pipeline.format(a=a, b=b, c=c)
    passed = {row[0] for row in world.ask(query + " | project EventId_CF")}
    assert passed <= world.kept(query)


@quick
@given(st.sampled_from(PIPELINES), conditions, conditions, conditions)
def test_every_row_that_passes_is_kept(world: World, pipeline: str, a: str, b: str, c: str) -> None:
    check_rows(world, pipeline, a, b, c)


@pytest.mark.slow
@settings(quick, max_examples=150)
@given(st.sampled_from(PIPELINES), conditions, conditions, conditions)
def test_every_row_that_passes_is_kept_in_many_more_queries(
    world: World, pipeline: str, a: str, b: str, c: str
) -> None:
    check_rows(world, pipeline, a, b, c)


RULES = [
    "Zeek_CL | where {a} | summarize Rows = count(), Most = max(OrigBytes) by Service",
    "Zeek_CL | where {a} | count",
    "Zeek_CL | where {a} | join kind=leftanti (Calls) on Service | summarize count() by Service",
    "Calls | join kind=leftanti (Zeek_CL | where {a}) on Service | summarize count()",
    (
        "let Busy = toscalar(Zeek_CL | where {a} | summarize max(OrigBytes));\n"
        "Zeek_CL | where {b} | where OrigBytes < Busy | summarize count()"
    ),
    "let Seen = materialize(Zeek_CL | where {a}); Seen | where {b} | summarize n = count() | union (Seen | count)",
    "let Old = Zeek_CL | where {a} | distinct Service; Zeek_CL | where {b} and Service !in (Old) | summarize count()",
    "Zeek_CL | where {a} | top 3 by EventId_CF asc | where {b} | project EventId_CF",
    "Zeek_CL | where {a} | sort by EventId_CF asc | extend n = row_number() | where {b} | project EventId_CF, n",
    "Zeek_CL | join kind=inner (Calls | where Service == 'root') on Service | where {a} | summarize count()",
]
CALLS = "let Calls = AWSCloudTrail | where ReadOnly | project Service = EventName;\n"


@settings(quick, max_examples=15)
@given(st.sampled_from(RULES), conditions, conditions)
def test_a_rule_answers_the_same_without_the_other_rows(world: World, rule: str, a: str, b: str) -> None:
    check_rule(world, rule, a, b)


@pytest.mark.slow
@settings(quick, max_examples=60)
@given(st.sampled_from(RULES), conditions, conditions)
def test_many_more_rules_answer_the_same(world: World, rule: str, a: str, b: str) -> None:
    check_rule(world, rule, a, b)


def check_rule(world: World, rule: str, a: str, b: str) -> None:
    query = LETS + CALLS + rule.format(a=a, b=b)

    kept = {}
    for table in (TABLE, OTHER):
        ids = ", ".join(f"'{each}'" for each in sorted(world.kept(query, table))) or "''"
        kept[table] = f"let {table}_kept = {table} | where EventId_CF in ({ids});\n"
    fewer = "".join(kept.values()) + READS.sub(r"\1_kept", query)
    assert sorted(map(repr, world.ask(fewer))) == sorted(map(repr, world.ask(query)))


def test_the_rows_are_worth_comparing(world: World) -> None:
    # Were every row kept, the tests above would prove nothing.
    for condition in (
        "Service == 'Root'",
        "Host has 'uproot'",
        "IdOrigP > 400 and not(LocalOrig)",
        "Service !~ 'root'",
    ):
        everything, kept = world.frames[TABLE].height, world.kept(f"{TABLE} | where {condition}")
        passed = {row[0] for row in world.ask(f"{TABLE} | where {condition} | project EventId_CF")}
        assert passed
        assert passed <= kept
        assert len(kept) < everything
    assert world.kept(f"{OTHER} | where EventName == 'root'", OTHER) == {
        row[0] for row in world.ask(f"{OTHER} | where EventName == 'root' | project EventId_CF")
    }
    assert world.ask(f"{OTHER} | where TimeGenerated > datetime({NOW:%Y-%m-%d}) - 2d | count") == [[40]]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(world: World, pattern: str) -> None:
    for no in ("", "not"):
        query = f"{TABLE} | where {no}(Service matches regex @'{pattern}')"
        if pattern != "x{2":
            assert {row[0] for row in world.ask(query + " | project EventId_CF")} <= world.kept(query)
        elif not no:
            assert len(world.kept(query)) == world.frames[TABLE].height
