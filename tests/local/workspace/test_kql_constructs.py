"""Constructs of published rules on a database of a few known rows, pass by pass."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3sentinel_assets.local.workspace.definitions import Catalogue
from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.kql import rewrite, translate
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.rows import RowReader
from s3sentinel_assets.local.workspace.storage import Storage
from s3sentinel_assets.tables import TableSchema, load_schema

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SCHEMA = {"T": ["TimeGenerated", "A", "Type"], "U": ["B"]}
EVENTS = [
    ("ConsoleLogin", "alice", "198.51.100.1", ""),
    ("GetObject", "bob", "10.0.0.7", ""),
    ("GetObject", "bob", "10.0.0.8", "AccessDenied"),
    ("PutBucketPolicy", "carol", "203.0.113.9", ""),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[QueryApi]:
    catalogue = Catalogue.build()
    storage = Storage(folder / "w.duckdb", catalogue, "id")
    rows = [
        {
            "TimeGenerated": (NOW - timedelta(hours=2 * index + 0.5)).isoformat(),
            "EventName": name,
            "UserIdentityUserName": who,
            "SourceIpAddress": address,
            "ErrorCode": error,
            "UserAgent": "aws-cli/2.1 md/x",
            "RequestParameters": json.dumps({"list": [index, 10]}),
        }
        for index, (name, who, address, error) in enumerate(EVENTS)
    ]
    frame = RowReader(load_schema("AWSCloudTrail")).read(json.dumps(rows).encode(), NOW).frame
    storage.append("AWSCloudTrail", frame, NOW.replace(tzinfo=None) - timedelta(minutes=1))
    yield QueryApi(storage, catalogue)
    storage.close()


def ask(api: QueryApi, kql: str) -> list[list[Any]]:
    return api.run(Query(kql)).rows


def refusal(api: QueryApi, kql: str) -> str:
    with pytest.raises(ApiError) as caught:
        api.run(Query(kql))
    assert caught.value.status == 400
    return caught.value.details["innererror"]["innererror"]["message"]


HOURS = f"from datetime({NOW - timedelta(hours=8):%Y-%m-%dT%H:%M:%S}) to datetime({NOW:%Y-%m-%dT%H:%M:%S})"


@pytest.mark.parametrize(
    ("kql", "expected"),
    [
        # aggregates and functions
        ("AWSCloudTrail | summarize count_distinct(EventName)", [[3]]),
        ("AWSCloudTrail | summarize count_distinctif(EventName, isnotempty(ErrorCode))", [[1]]),
        ("AWSCloudTrail | summarize make_set_if(EventName, ErrorCode != '')", [['["GetObject"]']]),
        ("AWSCloudTrail | summarize make_list_if(ErrorCode, ErrorCode != '')", [['["AccessDenied"]']]),
        (
            "print ipv4_is_private('10.1.2.3'), ipv4_is_private('172.32.0.1'), ipv4_is_private('x')",
            [[True, False, None]],
        ),
        (
            "print ipv4_is_in_range('10.1.1.9', '10.1.1.0/24'), ipv4_is_in_range('10.1.2.9', '10.1.1.0/24')",
            [[True, False]],
        ),
        ("print ipv4_is_match('10.1.2.3', '10.1.2.0/24'), ipv4_compare('10.0.0.2', '9.9.9.9')", [[True, 1]]),
        ("print has_ipv4('from 10.0.0.1, x', '10.0.0.1'), has_ipv4('10.0.0.11', '10.0.0.1')", [[True, False]]),
        ("print set_difference(dynamic([1, 2, 2]), dynamic([2]))", [["[1]"]]),
        ("print set_intersect(dynamic([1, 2]), dynamic([1]))", [["[1]"]]),
        ("print array_length(set_union(dynamic([1]), dynamic([1, 2])))", [[2]]),
        ("print bag_keys(dynamic({'a': 1})), url_decode('a%20b'), unixtime_seconds_todatetime(60)",
         [['["a"]', "a b", "1970-01-01T00:01:00Z"]]),
        ("AWSCloudTrail | take 1 | project a = column_ifexists('EventSource', 'no'), b = column_ifexists('Nope', 'no')",
         [["", "no"]]),
        ("print ipv4_compare('1.2.3.4/24', '1.2.3.5/24'), ipv4_compare('1.2.3.4', '1.2.3.5')", [[0, -1]]),
        ("print bag_merge(dynamic({'a': {'x': 1}, 'n': null}), dynamic({'a': {'y': 2}, 'n': 1}))",
         [['{"a":{"x":1},"n":null}']]),
        ("print bag_has_key(dynamic({'a': {'b': 1}}), '$.a.b'), bag_has_key(dynamic({'a': 1}), 'b')", [[True, False]]),
        ("print parse_csv('a,\"b,c\",\"say \"\"d\"\"\",')", [['["a","b,c","say \\"d\\"",""]']]),
        ("print extractjson('$.a', 'bad'), unixtime_seconds_todatetime(1e18)", [[None, None]]),
        ("AWSCloudTrail | summarize make_list_if(ErrorCode, EventName == 'GetObject', 1)", [['[""]']]),
        ("AWSCloudTrail | summarize array_length(make_set_if(EventName, true, 2))", [[2]]),
        ("AWSCloudTrail | take 1 | extend Made = 7 | project a = column_ifexists('Made', 0)", [[7]]),
        ("AWSCloudTrail | take 1 | extend Eventname = 7 | project a = column_ifexists('Eventname', 0)", [[7]]),
        # the dot of a pattern stops at line breaks, the text before the match does not
        ("print indexof_regex('a\\nb', 'a.b'), indexof_regex('x\\nab', 'ab')", [[-1, 2]]),
        ("print ~~~ago(1d) | 'x'~~~, ```a \"b\\\n```", [["ago(1d) | 'x'", 'a "b\\\n']]),
        # names
        (("AWSCloudTrail | extend Sourceipaddress = 'x' | join kind=inner (print k = 'x')"
         " on $left.Sourceipaddress == $right.k | count"), [[4]]),
        # operators
        (("AWSCloudTrail | take 1 | extend EventName = 'x', (A, B) = pack_array(EventName, 1), C = EventName"
         " | project EventName, tostring(A), C"), [["x", "ConsoleLogin", "ConsoleLogin"]]),
        ("AWSCloudTrail | mv-apply p = split(UserAgent, '/') on (where p == 'aws-cli' | extend q = p) | distinct q",
         [["aws-cli"]]),
        ("print 1 | extend (a, b) = dynamic(['x', 'y']), c = 3 | project a, b, c", [["x", "y", 3]]),
        ("AWSCloudTrail | project-keep EventName | distinct EventName | count", [[3]]),
        ("AWSCloudTrail | distinct * | count", [[4]]),
        ("AWSCloudTrail | sample 3 | count", [[3]]),
        ("AWSCloudTrail | serialize | as X | count", [[4]]),
        ("AWSCloudTrail | serialize n = row_number() | summarize max(n)", [[4]]),
        ("AWSCloudTrail | top-hitters 1 of EventName", [["GetObject", 2]]),
        ("set notruncation; AWSCloudTrail | count", [[4]]),
        ("AWSCloudTrail | mv-expand todynamic(RequestParameters) // the list\n| count", [[4]]),
        # search
        ("search in (AWSCloudTrail) 'GetObject' and not('AccessDenied') | count", [[1]]),
        ("search in (AWSCloudTrail) EventName: 'getobject' | count", [[2]]),
        ("search 'Put*' | project ['$table'], EventName", [["AWSCloudTrail", "PutBucketPolicy"]]),
        ("AWSCloudTrail | search '*Login' or \"carol\" | count", [[2]]),
        ("AWSCloudTrail | where * has 'carol' | count", [[1]]),
        ("AWSCloudTrail | search 'Get' | count", [[0]]),  # whole terms only
        ("AWSCloudTrail | where * has 'bob' and EventName in ('GetObject') and tolower('X') == 'x' | count", [[2]]),
        ("AWSCloudTrail | where * has 'bob' and EventName !in ('GetObject') | count", [[0]]),
        (("AWSCloudTrail | where * has 'bob' | search 'AccessDenied' | project-away Type | getschema"
         " | where ColumnName startswith '__' | count"), [[0]]),
        ("search in (AWSCloudTrail, AWSVPCFlow) EventName == 'GetObject' or 'nothing' | count", [[2]]),
        ("search 'bob' and EventName has_any ('getobject', 'x') and not(EventName == 'y') | count", [[2]]),
        # functions that give tables
        ("let f = (n: long) { AWSCloudTrail | where strlen(EventName) > n }; f(12) | count", [[1]]),
        ("let k = 12; let f = () { AWSCloudTrail | where strlen(EventName) > k }; f() | union (f()) | count", [[2]]),
        ("let f = (x: string) { toupper(x) }; print f('a')", [["A"]]),
        ("let f = (T: (A: string), n: long) { T | where strlen(EventName) > n }; f(AWSCloudTrail, 12) | count", [[1]]),
        ("let f = (T: (EventName: string)) { T | take 1 }; AWSCloudTrail | invoke f() | count", [[1]]),
        ("Denied | count", [[1]]),
        ("Denied() | join kind=inner (Twice) on EventName | count", [[2]]),
        ("let Denied = AWSCloudTrail; Denied | count", [[4]]),
        # lists
        ("let L = pack_array('get' 'object', 'x'); AWSCloudTrail | where EventName in~ (L) | count", [[2]]),
        (("let L = dynamic(['GetObject']); let f = () { let L = dynamic(['ConsoleLogin']); AWSCloudTrail"
         " | where EventName in (L) }; AWSCloudTrail | where EventName in (L) | count"), [[2]]),
        ("union isfuzzy=true (Nowhere | where a == 1), (AWSCloudTrail) | count", [[4]]),
        # series
        (
            (f"AWSCloudTrail | make-series n = count(), d = dcount(ErrorCode) default=-1 on TimeGenerated {HOURS}"
            f" step 2h | project n, d, array_length(TimeGenerated)"),
            [["[1,1,1,1]", "[1,1,1,1]", 4]],
        ),
        (
            (f"AWSCloudTrail | make-series count() default=-1 on TimeGenerated {HOURS} step 4h"
            f" by w = UserIdentityUserName | sort by w asc | project w, count_"),
            [["alice", "[-1,1]"], ["bob", "[1,1]"], ["carol", "[1,-1]"]],
        ),
        (  # a slot whose value is null stays in its place
            (f"AWSCloudTrail | make-series m = max(toint(iff(EventName == 'GetObject', int(null), 3))) default=-1"
            f" on TimeGenerated {HOURS} step 2h | project m"),
            [["[3,null,null,3]"]],
        ),
        (f"AWSCloudTrail | where Type == 'x' | make-series n=count() on TimeGenerated {HOURS} step 2h | count", [[0]]),
        (
            (f"AWSCloudTrail | where Type == 'x' | make-series kind=nonempty n=count() on TimeGenerated {HOURS} step 4h"
            " | project n"),
            [["[0,0]"]],
        ),
        (
            ("datatable(t: datetime, x: long)[datetime(2026-01-01 00:10), 1, datetime(2026-01-01 05:30), 2]"
            " | make-series s=sum(x) on t in range(datetime(2026-01-01), datetime(2026-01-01 05:00), 2h) | project s"),
            [["[1,0,2]"]],
        ),
    ],
)  # fmt: skip
def test_constructs(api: QueryApi, folder: Path, kql: str, expected: list[list[Any]]) -> None:
    saved = folder / "functions"
    saved.mkdir(exist_ok=True)
    (saved / "Denied.kql").write_text("// refused calls\nAWSCloudTrail\n| where isnotempty(ErrorCode)\n")
    (saved / "Twice.kql").write_text("union Denied, Denied")
    assert ask(api, kql) == expected


def test_reordered_columns_come_first(api: QueryApi) -> None:
    kql = "AWSCloudTrail | project TimeGenerated, EventName, ErrorCode | project-reorder Error*, EventName | take 2"
    assert api.run(Query(kql)).columns == ["ErrorCode", "EventName", "TimeGenerated"]
    assert api.run(Query(f"{kql} | project TimeGenerated, EventName")).columns == ["TimeGenerated", "EventName"]


def test_percentiles_have_their_own_names(api: QueryApi) -> None:
    result = api.run(Query("AWSCloudTrail | extend n = strlen(EventName) | summarize percentiles(n, 0, 99.5), count()"))
    assert result.columns == ["percentile_n_0", "percentile_n_99_5", "count_"]
    assert result.rows == [[9, 15, 4]]


def test_external_data_is_read_from_the_workspaces_folder(api: QueryApi, folder: Path) -> None:
    place = folder / "external"
    place.mkdir(exist_ok=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("nodes.csv", "Ip,Seen,Weight\n10.0.0.7,2026-11-01,3\n192.0.2.1,,x\n")
    (place / "nodes.csv.zip").write_bytes(packed.getvalue())
    (place / "words.txt").write_text("GetObject\nNothing\n")
    (place / "ranges.json").write_bytes(gzip.compress(b'{"prefixes": [{"p": "10.0.0.0/8"}]}'))
    nodes = "externaldata (Ip: string, Seen: datetime, Weight: long) [h@'https://a.example/x/nodes.csv.zip?sig=1']"
    nodes += " with (ignoreFirstRecord=true)"
    assert ask(api, f"{nodes} | sort by Ip asc") == [["10.0.0.7", "2026-11-01T00:00:00Z", 3], ["192.0.2.1", None, None]]
    assert ask(api, f"let N = ({nodes}); AWSCloudTrail | where SourceIpAddress in ((N | project Ip)) | count") == [[1]]
    words = "externaldata(W: string)[@'https://a.example/words.txt']"
    assert ask(api, f"AWSCloudTrail | where EventName in ({words}) | count") == [[2]]
    ranges = "externaldata(prefixes: dynamic)['https://a.example/ranges.json'] with (format='multijson')"
    expanded = f"{ranges} | mv-expand prefixes | extend p = tostring(prefixes.p) | project p"
    assert ask(api, expanded) == [["10.0.0.0/8"]]


def test_external_data_that_is_not_there_names_the_place(api: QueryApi, folder: Path) -> None:
    told = refusal(api, "externaldata(a: string)[@'https://a.example/deep/none.csv']")
    assert "https://a.example/deep/none.csv" in told
    assert str(folder / "external" / "none.csv") in told
    # Never outside that folder.
    assert "put it at" in refusal(api, "externaldata(a: string)[@'/etc/passwd']")
    assert "put it at" in refusal(api, "externaldata(a: string)[@'https://a.example/..']")


@pytest.mark.parametrize(
    ("kql", "says"),
    [
        ("SigninLogs | summarize arg_max(TimeGenerated, *) by a", "expression named 'SigninLogs'"),
        ("let X = Nowhere | where a == 1; AWSCloudTrail | join X on a", "expression named 'Nowhere'"),
        ("AWSCloudTrail | join kind=inner (Nowhere | take 1) on a", "expression named 'Nowhere'"),
        ("AWSCloudTrail | join Nowhere on a", "expression named 'Nowhere'"),
        ("union AWSCloudTrail, Nowhere", "expression named 'Nowhere'"),
        ("_GetWatchlist('x') | project a", "Unknown function: '_GetWatchlist'"),
        ("AWSCloudTrail | extend a = series_fit_line(b)", "Unknown function: 'series_fit_line'"),
        ("AWSCloudTrail | summarize hll(EventName)", "Unknown function: 'hll'"),
        ("AWSCloudTrail | partition by EventName (take 1)", "operator 'partition' is not available"),
        ("AWSCloudTrail | evaluate bag_unpack(a)", "operator 'evaluate' is not available"),
        ("AWSCloudTrail | mv-apply a = b on (summarize count())", "mv-apply with 'summarize'"),
        ("AWSCloudTrail | make-series count() on TimeGenerated step 1h", "make-series needs 'from', 'to' and 'step'"),
        (f"AWSCloudTrail | make-series count() on TimeGenerated {HOURS} step 1ms", "more than 1,048,576 values"),
        ("AWSCloudTrail | where * == 'bob'", "'* ==' is not available"),
        ("AWSCloudTrail | where * startswith 'b'", "'* startswith' is not available"),
        ("print url_encode('a b')", "Unknown function: 'url_encode'"),
        ("externaldata (['a\" b']: string)[@'https://a.example/b.csv']", "only letters, digits"),
        ("AWSCloudTrail | project EventName | search 'x'", "'search' is available only directly after a table"),
        ("search 'a*b'", "only at the ends of a term"),
        ("search in (Nowhere) 'a'", "expression named 'Nowhere'"),
        ("AWSCloudTrail | project-keep Event*", "project-keep with a wildcard"),
        ("AWSCloudTrail | distinct EventName, Nope", "scalar expression named 'Nope'"),
        ("externaldata", "externaldata needs"),
    ],
)
def test_what_is_missing_is_named(api: QueryApi, kql: str, says: str) -> None:
    assert says in refusal(api, kql)


@pytest.mark.parametrize(
    ("kql", "becomes"),
    [
        (
            "let L = pack_array('a', 2); T | where A has_any (L)",
            "let L = pack_array('a', 2); T | where A has_any ('a',2)",
        ),
        ("let L = pack_array(A); T | where A in (L)", "let L = pack_array(A); T | where A in (L)"),
        (
            "let L = pack_array('a', 'b')[0]; T | where A in (L)",
            "let L = pack_array('a', 'b')[0]; T | where A in (L)",
        ),
        ("T | project search, sample = f(sample)", "T | project search, sample = f(sample)"),
        ("T | extend x = '| search 1'", "T | extend x = '| search 1'"),
        ("T | project-reorder A | count", "T | count"),
        ("T | where (A | x", "T | where (A | x"),
    ],
)
def test_rewriting(kql: str, becomes: str) -> None:
    assert rewrite(kql, SCHEMA).text == becomes


def test_functions_leave_the_text() -> None:
    rewritten = rewrite("let f = (n: long) {\n T | take 5 // few\n}; f(1)", SCHEMA)
    assert rewritten.text.strip() == "f(1)"
    assert rewritten.functions == ("function f(n: long) { T | take 5 }",)


def test_saved_functions_stand_behind_those_they_name() -> None:
    saved = {"C": "union A, B", "B": "A | take 1", "A": "T | where A > 1", "D": "D | take 1"}
    functions = rewrite("C | union D", SCHEMA, saved).functions
    assert [function.split("(")[0] for function in functions] == [f"function {name}" for name in "ABCD"]


def test_a_search_is_short_whatever_the_number_of_columns_and_terms() -> None:
    schema = {"T": [f"Column{number}" for number in range(200)]}
    rewritten = rewrite("T | search 'a' and ('b' or 'c') and not('d')", schema)
    sql, _ = translate(rewritten, schema)
    assert rewritten.text.count("Column199") == 1
    assert len(sql) < 50_000


def test_a_series_of_a_fortnights_minutes(api: QueryApi) -> None:
    """Filled up in one pass: this took the square of the slots."""
    kql = "AWSCloudTrail | make-series n = count() on TimeGenerated from ago(14d) to now() step 1m by EventName"
    assert ask(api, f"{kql} | project array_length(n), array_length(TimeGenerated)") == [[20_160, 20_160]] * 3


@pytest.mark.parametrize("form", ["parquet", "avro"])
def test_external_forms_that_are_not_read_are_refused(api: QueryApi, folder: Path, form: str) -> None:
    (folder / "external").mkdir(exist_ok=True)
    (folder / "external" / "odd.bin").write_bytes(b"a;b\nc;d\n")
    clause = "externaldata(x: string, y: string)[@'https://a.example/odd.bin']"
    assert f"format '{form}' is not available" in refusal(api, f"{clause} with (format='{form}')")
    assert ask(api, f"{clause} with (format='scsv')") == [["a", "b"], ["c", "d"]]
    assert ask(api, f"{clause} with (format='raw') | project strlen(x)") == [[8]]


def test_lists_in_variables_do_not_make_a_query_slow(api: QueryApi) -> None:
    """Told by the SQL, not by a clock: the list stands in it as literals."""
    words = ", ".join(f"'word{number}'" for number in range(50))
    text = rewrite(f"let L = pack_array({words}); T | where A has_any (L)", SCHEMA).text
    assert "has_any ('word0','word1'," in text


def test_tables_may_spell_a_column_differently(tmp_path: Path) -> None:
    columns = {"TimeGenerated": "datetime", "Name": "string"}
    tables = {
        name: TableSchema(name, "Analytics", columns | {column: "string"}, {}, ())
        for name, column in (("A_CL", "TlsVersion"), ("B_CL", "TLSVersion"), ("Empty_CL", "TLSVERSION"))
    }
    catalogue = Catalogue(tables, {})
    storage = Storage(tmp_path / "w.duckdb", catalogue, "id")
    for name, column in (("A_CL", "TlsVersion"), ("B_CL", "TLSVersion")):
        frame = RowReader(tables[name]).read(json.dumps([{"Name": "zebra", column: name}]).encode(), NOW).frame
        storage.append(name, frame, NOW.replace(tzinfo=None) - timedelta(minutes=1))
    assert storage.vacant() == {"Empty_CL"}
    api = QueryApi(storage, catalogue)
    try:
        result = api.run(Query("search 'zebra' | sort by ['$table'] asc"))
        place = [result.columns.index(name) for name in ("$table", "TlsVersion", "TLSVersion")]
        found = [[row[index] or "" for index in place] for row in result.rows]
        assert found == [["A_CL", "A_CL", ""], ["B_CL", "", "B_CL"]]
        assert ask(api, "search 'B_CL' | project TlsVersion = 'x', Name") == [["x", "zebra"]]
        assert ask(api, "search in (B_CL) TLSVersion == 'B_CL' | count") == [[1]]
        # Answered from the other spelling it would be wrong.
        assert "spell the column 'TLSVersion'" in refusal(api, "search TLSVersion == 'B_CL'")
        assert "spell the column 'TLSVERSION'" in refusal(api, "search TLSVERSION == 'B_CL'")
        assert ask(api, "search in (Empty_CL) 'zebra' | count") == [[0]]
    finally:
        storage.close()


def test_a_workspace_without_rows_can_be_searched(tmp_path: Path) -> None:
    catalogue = Catalogue({"A_CL": TableSchema("A_CL", "Analytics", {"TimeGenerated": "datetime"}, {}, ())}, {})
    storage = Storage(tmp_path / "w.duckdb", catalogue, "id")
    assert ask(QueryApi(storage, catalogue), "search 'zebra' | count") == [[0]]
    storage.close()
