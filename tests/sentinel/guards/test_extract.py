"""Which tables a query reads, with which filter, and what makes a guard wide."""

from pathlib import Path

import pytest
import yaml

from s3sentinel_assets.sentinel.guards import extract, own_workspace
from s3sentinel_assets.sentinel.guards.names import FUNCTIONS, WORDS
from s3sentinel_assets.sentinel.kql import saved_functions
from s3sentinel_assets.tables import table_names

OWN = own_workspace(
    {"Calls": "AWSCloudTrail | where EventName == 'A'", "Loop": "Loop | count", "OnlyOthers": "SigninLogs | take 1"},
    ["Ours_But_Not"],
)
TRAIL = "AWSCloudTrail"


def where(query: str, table: str = TRAIL) -> str | None:
    """The guard's SQL; PINNED where every row is needed, None where the table is not read."""
    guard = extract(query, OWN).get(table)
    return None if guard is None else "PINNED" if guard.pinned else guard.where


A = "EventName = 'A'"
TWO = "EventName = 'A' OR ErrorCode = 'B'"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("AWSCloudTrail | where EventName == 'A'", A),
        ("AWSCloudTrail | where EventName == 'A' | where ErrorCode == \"B\"", f"{A} AND ErrorCode = 'B'"),
        ("// AWSVPCFlow\nAWSCloudTrail // | where x\n| where EventName == 'A' // and", A),
        ("['AWSCloudTrail'] | where EventName == 'A'", A),
        ("table('AWSCloudTrail') | where EventName == 'A'", A),
        ("(AWSCloudTrail | where EventName == 'A') | where TimeGenerated > ago(1h)", A),
        ("materialize(AWSCloudTrail | where EventName == 'A') | count", A),
        ("set notruncation; AWSCloudTrail | where EventName == 'A'", A),
        # let statements
        ("let T = AWSCloudTrail; let n = 'A'; T | where EventName == n", A),
        ("let T = () { AWSCloudTrail }; T() | where EventName == 'A'", A),
        ("let T = view () { AWSCloudTrail | where EventName == 'A' }; union T | count", A),
        ("let f = (x: string) { AWSCloudTrail | where EventName == 'A' and UserAgent == x }; f('z')", A),
        ("let n = 'z'; let f = (n: string) { AWSCloudTrail | where EventName == n }; f('A')", "PINNED"),
        ("let T = AWSCloudTrail | where EventName == 'A'; AWSVPCFlow | where Action in (T)", A),
        ("let T = AWSCloudTrail | where EventName == 'A'; AWSVPCFlow | where Action == 'x'", None),
        ("let AWSCloudTrail = AWSVPCFlow; AWSCloudTrail | where Action == 'x'", None),
        ("let n = toscalar(AWSCloudTrail | where EventName == 'A' | count); print n", A),
        ("let a = 'A'; let b = a; AWSCloudTrail | where EventName == b", A),
        ("let EventName = 'B'; AWSCloudTrail | where ErrorCode == EventName", "PINNED"),  # the column
        # several places
        ("union (AWSCloudTrail | where EventName == 'A'), (AWSCloudTrail | where ErrorCode == 'B')", TWO),
        ("union isfuzzy=true AWSVPCFlow, AWSCloudTrail | where EventName == 'A'", A),
        ("AWSVPCFlow | union AWSCloudTrail | where EventName == 'A'", A),
        ("union withsource=EventName AWSCloudTrail | where EventName == 'A'", "PINNED"),
        ("AWSCloudTrail | union withsource='ErrorCode' AWSVPCFlow | where EventName == 'A' and ErrorCode == 'B'", A),
        ("AWSVPCFlow | join kind=leftanti (AWSCloudTrail | where EventName == 'A') on $left.SrcAddr == $right.x", A),
        ("AWSVPCFlow | join kind=inner hint.strategy=shuffle AWSCloudTrail on SrcAddr", "PINNED"),
        ("AWSCloudTrail | where EventName == 'A' | join (AWSCloudTrail | where ErrorCode == 'B') on UserAgent", TWO),
        ("AWSVPCFlow | lookup (AWSCloudTrail | where EventName == 'A') on x", A),
        ("AWSVPCFlow | where SrcAddr in ((AWSCloudTrail | where EventName == 'A' | project UserAgent))", A),
        ("AWSVPCFlow | where SrcAddr in (AWSCloudTrail)", "PINNED"),
        ("AWSVPCFlow | where SrcAddr in ((union (AWSCloudTrail | where EventName == 'A'), Calls))", A),
        ("print toscalar(union SigninLogs, Unknown)", "PINNED"),
        ("AWSVPCFlow | extend x = toscalar(AWSCloudTrail | where EventName == 'A' | count)", A),
        ("search in (AWSCloudTrail) 'x'", "PINNED"),
        ("search in (AWSVPCFlow) 'x'", None),
        ("search 'x' and EventName in (List)", "PINNED"),
        ("find where EventName == 'A'", "PINNED"),
        ("union AWS* | where EventName == 'A'", "PINNED"),
        ("union *", "PINNED"),
        ("AWSVPCFlow | evaluate ipv4_lookup(AWSCloudTrail, SrcAddr, x)", "PINNED"),
        ("awscloudtrail | where EventName == 'A'", A),  # no table of that name, or ours
        # functions of the workspace
        ("AWSCloudTrail_Once | where EventName == 'A'", A),
        ("AWSCloudTrail_Once() | where EventName == 'A'", A),
        ("Calls | where ErrorCode == 'B'", f"{A} AND ErrorCode = 'B'"),
        ("AWSVPCFlow | where SrcAddr in (Calls)", A),
        ("AWSVPCFlow | where SrcAddr in ((Calls()))", A),
        ("Calls() | count", A),
        ("Loop", "PINNED"),
        ("OnlyOthers", None),
        ("Unknown | where EventName == 'A'", "PINNED"),
        ("Unknown('x')", "PINNED"),
        ("SigninLogs | where x in (Unknown)", "PINNED"),
        ("SigninLogs | where x == Unknown()", "PINNED"),
        ("SigninLogs | where x in ((Unknown))", "PINNED"),
        ("SigninLogs | where x == 1 | invoke Unknown()", "PINNED"),
        ("_Im_Dns(starttime=ago(1h)) | where x == 1", "PINNED"),
        ("imWebSession | where x == 1", "PINNED"),
        ("workspace('other').AWSCloudTrail | where EventName == 'A'", "PINNED"),
        ("table(strcat('AWS', 'CloudTrail')) | where EventName == 'A'", "PINNED"),
        # nothing of ours
        ("SigninLogs | where AppId == 'x' | join (Custom_CL | take 1) on x", None),
        ("Ours_But_Not | take 1", None),
        ("_GetWatchlist('x') | where y == 1", None),
        ("let a = 5 * 1h; let b = (a + 2m); SigninLogs | where x > ago(b)", None),
        ("let a = datatable(x: string) ['AWSCloudTrail', '']; a | where x == 'AWSCloudTrail'", None),
        ("let a = externaldata(x: string) [h@'https://e.com/x.csv'] with (format='csv'); a | take 1", None),
        ("range x from 1 to 5 step 1 | as Numbers | union (Numbers | count)", None),
        ("let f = (x: string) { tolower(x) has 'y' }; SigninLogs | where f(a)", None),
        ("SigninLogs | fork (count) (take 5)", None),
        # text that cannot be read
        ("AWSVPCFlow | where x == 'never ends", "PINNED"),
        ("AWSVPCFlow | where (x == 'a'", "PINNED"),
        ("AWSVPCFlow | where x == 'a')", "PINNED"),
        ("(" * 200 + "AWSVPCFlow" + ")" * 200, "PINNED"),
        ("AWSVPCFlow\n" + "// " + "x" * 100_001, "PINNED"),
    ],
)
def test_tables(query: str, expected: str | None) -> None:
    assert where(query) == expected


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        # stages that change columns
        ("extend EventName = 'x' | where EventName == 'A'", "PINNED"),
        ("extend ErrorCode = EventName | where ErrorCode == 'A'", A),
        ("extend x = strlen(EventName) | where x == 3 and EventName == 'A'", A),
        ("extend (EventName, b) = f | where EventName == 'A'", "PINNED"),
        ("extend parse_json(EventName) | where EventName == 'A'", "PINNED"),
        ("project UserAgent = EventName | where UserAgent == 'A'", A),
        ("project UserAgent | where EventName == 'A'", "PINNED"),
        ("project tostring(EventName), ErrorCode | where EventName == 'A'", "PINNED"),
        ("project-rename n = EventName | where n == 'A'", A),
        ("project-rename n = EventName | where EventName == 'A'", "PINNED"),
        ("project-away ErrorCode | sort by UserAgent | where EventName == 'A'", A),
        # stages that need several rows, or are not followed
        ("take 5 | where EventName == 'A'", "PINNED"),
        ("where EventName == 'A' | summarize count() by ErrorCode | where ErrorCode == 'B'", A),
        ("distinct EventName | where EventName == 'A'", "PINNED"),
        ("sort by UserAgent asc | extend p = prev(EventName) | where EventName == 'A'", "PINNED"),
        ("serialize | where row_number() == 1 and EventName == 'A'", "PINNED"),
        ("where prev(EventName) == 'x' and EventName == 'A'", "PINNED"),
        ("where EventName == 'A' | make-series count() on TimeGenerated step 1h | where count_ == 0", A),
        ("parse EventName with * 'x' ErrorCode | where EventName == 'A'", "PINNED"),
        ("mv-expand EventName | where EventName == 'A'", "PINNED"),
        ("as X | where EventName == 'A' | union (X | where ErrorCode == 'B')", "PINNED"),
        ("where EventName == 'A' | as X | union (X | where ErrorCode == 'B')", A),
        ("where EventName == 'A' | new-operator x", A),
    ],
)
def test_stages(stages: str, expected: str) -> None:
    assert where(f"AWSCloudTrail | {stages}") == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("EventName == ''", "COALESCE(EventName, '') = ''"),
        ("EventName != 'A'", "COALESCE(EventName, '') <> 'A'"),
        ("not(EventName == 'A')", "COALESCE(EventName, '') <> 'A'"),
        ("'A' == EventName", A),
        ("EventName =~ 'aB'", "lower(EventName) = 'ab'"),
        ("tolower(EventName) == 'ab'", "lower(EventName) = 'ab'"),
        ("toupper(tostring(EventName)) in ('AB', 'C')", "upper(EventName) IN ('AB', 'C')"),
        ("EventName in~ ('A', \"b\")", "lower(EventName) IN ('a', 'b')"),
        ("EventName in (dynamic(['A']), 'B')", "EventName IN ('A', 'B')"),
        ("EventName in (pack_array('A', 'B'))", "EventName IN ('A', 'B')"),
        ("EventName in ('A' 'B')", "PINNED"),  # one text
        ("EventName !in ('A', Other)", "COALESCE(EventName, '') <> 'A'"),
        ("EventName in ('A', Other)", "PINNED"),
        ("EventName has 'it''s'", "PINNED"),  # two texts side by side
        ("EventName has \"it's\"", "lower(EventName) LIKE '%it''s%'"),
        ("EventName contains '50%'", "REGEXP_LIKE(lower(EventName), '50%')"),
        ("EventName startswith @'a\\b'", r"REGEXP_LIKE(lower(EventName), '^a\\b')"),
        ("EventName endswith_cs 'X'", "EventName LIKE '%X'"),
        ("EventName !has 'x-y'", "PINNED"),  # terms are read in more than one way
        ("EventName !has_cs 'x'", "NOT REGEXP_LIKE(COALESCE(EventName, ''), '(^|[^0-9A-Za-z_])x([^0-9A-Za-z_]|$)')"),
        ("EventName has_any ('A', 'b')", "lower(EventName) LIKE '%a%' OR lower(EventName) LIKE '%b%'"),
        ("EventName has_all ('A', strcat('x'))", "lower(EventName) LIKE '%a%'"),
        ("EventName matches regex '^A+$'", "REGEXP_LIKE(COALESCE(EventName, ''), '^A+$')"),
        ("EventName matches regex '(?s)A'", "PINNED"),
        ("EventName =~ 'ſ'", "PINNED"),
        ("EventName == '\\u0041'", "PINNED"),
        ("isempty(EventName) or ErrorCode == 'B'", "COALESCE(EventName, '') = '' OR ErrorCode = 'B'"),
        # what cannot be read, under every kind of operator
        ("EventName == 'A' and strlen(UserAgent) > 1", A),
        ("EventName == 'A' and f(UserAgent)", "PINNED"),  # a saved function may read what it wants
        ("EventName == 'A' or strlen(UserAgent) > 1", "PINNED"),
        ("not(EventName == 'A' and strlen(UserAgent) > 1)", "PINNED"),
        ("not(EventName != 'A' or strlen(UserAgent) > 1)", A),
        ("not(not(EventName == 'A'))", A),
        ("EventName == 'A' == true", "PINNED"),
        ("EventName == UserAgent", "PINNED"),
        ("* has 'x'", "PINNED"),
        ("TimeGenerated > ago(1d)", "PINNED"),
        ("Type == 'AWSCloudTrail' and EventName == 'A'", A),
        ("Attempt_CF == 1 or Flags_CF == 'x'", "PINNED"),
        ("NoColumn == 'x'", "PINNED"),
        # other types
        ("ReadOnly", "ReadOnly"),
        ("not(ReadOnly)", "NOT ReadOnly OR ReadOnly IS NULL"),
        ("ReadOnly == false", "NOT ReadOnly OR ReadOnly IS NULL"),
        ("not(ReadOnly == false)", "ReadOnly OR ReadOnly IS NULL"),
        ("ReadOnly == 'false'", "PINNED"),
        ("AnomalyScore_CF >= 6", "AnomalyScore_CF >= 5.99"),
        ("ExtraFields_CF has 'a-word'", "lower(ExtraFields_CF) LIKE '%word%'"),
        ("ExtraFields_CF !has 'word'", "PINNED"),
        ("ExtraFields_CF has '100'", "PINNED"),  # 1e2
        ("ExtraFields_CF == 'x'", "PINNED"),
        ("isempty(ExtraFields_CF)", "PINNED"),
        ("isnotempty(ExtraFields_CF)", "ExtraFields_CF <> ''"),
        ("ExtraFields_CF.a == 'x'", "PINNED"),
        ("true", "PINNED"),
    ],
)  # fmt: skip
def test_conditions(condition: str, expected: str) -> None:
    assert where(f"AWSCloudTrail | where {condition}") == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Bytes > 5", "Bytes > 5"),
        ("not(Bytes > 5)", "Bytes <= 5 OR Bytes IS NULL"),
        ("Bytes != 5", "Bytes <> 5 OR Bytes IS NULL"),
        ("5 < Bytes", "Bytes > 5"),
        ("DstPort in (22, long(23))", "DstPort = 22 OR DstPort = 23"),
        ("DstPort between (-1 .. 1.5)", "DstPort >= -1 AND DstPort <= 1.5"),
        ("DstPort !between (1..2)", "DstPort < 1 OR DstPort IS NULL OR DstPort > 2"),
        ("DstPort == '22'", "PINNED"),
        ("Bytes > 1h", "PINNED"),
        ("isnull(Bytes)", "Bytes IS NULL"),
        ("End > Start", "PINNED"),
    ],
)
def test_numbers(condition: str, expected: str) -> None:
    assert where(f"AWSVPCFlow | where {condition}", "AWSVPCFlow") == expected


def test_a_guard_says_why_it_is_wide() -> None:
    found = extract("AWSCloudTrail | where EventName == 'A' and strlen(UserAgent) > 3 and TimeGenerated > ago(1h)", OWN)
    assert found[TRAIL].because == "not used: strlen(UserAgent) > 3"
    assert extract("AWSCloudTrail | summarize count()", OWN)[TRAIL].because == "no condition before summarize"
    everything = extract("imDns | take 1", OWN)
    assert set(everything) == set(table_names())
    assert {guard.because for guard in everything.values()} == {"imDns is a parser of ASIM, which unites tables"}
    assert "Odd is not known" in extract("Odd | take 1", OWN)[TRAIL].because


def test_shipped_functions_in_a_folder_are_known() -> None:
    shipped = own_workspace(saved_functions())
    assert extract("AWSCloudTrail_Once | where EventName == 'A'", shipped)[TRAIL].where == A
    changed = own_workspace({"AWSCloudTrail_Once": "AWSCloudTrail | summarize arg_min(TimeGenerated, *) by EventId_CF"})
    assert extract("AWSCloudTrail_Once | where EventName == 'A'", changed)[TRAIL].pinned


def test_long_queries_end() -> None:
    unions = " | ".join(["AWSCloudTrail", *["union AWSCloudTrail"] * 40, "where EventName == 'A'"])
    assert where(unions) == A
    lets = "".join(f"let T{n} = union T{n - 1}, T{n - 1};" for n in range(1, 40))
    assert where(f"let T0 = AWSCloudTrail; {lets} T39 | where EventName == 'A'") == "PINNED"
    lists = "".join(f"let L{n} = dynamic(['{n}']);" for n in range(300))
    assert where(lists + "AWSCloudTrail | where EventName in (L299)") == "EventName = '299'"


def test_every_function_of_the_local_workspace_is_known() -> None:
    from duckdb_kql.translate.functions import AGGREGATE_FUNCTIONS, SCALAR_FUNCTIONS

    named = {name for name in (*SCALAR_FUNCTIONS, *AGGREGATE_FUNCTIONS) if not name.startswith("__")}
    assert named <= FUNCTIONS
    assert not set(table_names()) & (FUNCTIONS | WORDS)


def test_published_rules(shared_dir: Path) -> None:
    files = [file for file in shared_dir.rglob("*.yaml") if "queryFrequency" in file.read_text(encoding="utf-8")]
    if not files:
        pytest.skip("no published rules among the shared sample data")
    for file in files:
        query = yaml.safe_load(file.read_text(encoding="utf-8"))["query"]
        found = extract(query, own_workspace())
        named = {name for name in table_names() if name in query}
        assert named <= set(found), file


def test_shipped_functions_need_their_own_tables_and_no_others():
    assert set(extract("EntityHours | where Priority == 'high'", own_workspace())) == {"AwsEntityHour_CL"}
    assert set(extract("AWSCloudTrail_Latest | count", own_workspace())) == {"AwsEntityHour_CL", TRAIL}
