"""What is left of an event: masks, JSON member names, status classes and path templates."""

import polars as pl
import pytest

from s3sentinel_assets.ml.patterns.keys import KEYS_KEPT, member_names
from s3sentinel_assets.ml.patterns.masks import TOKENS, mask_paths, mask_texts
from s3sentinel_assets.ml.patterns.recipes import RECIPES, recipe_of
from s3sentinel_assets.ml.patterns.skeletons import needed_columns, printable, skeletons
from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA


def masked(text):
    return mask_texts(pl.Series([text])).item()


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("from 10.1.2.3 port 22", "from <ip> port <num>"),
        ("from 10.1.2.3:4711", "from <ip>"),
        ("peer 2001:db8::8a2e:370:7334 up", "peer <ip> up"),
        ("peer fe80::1 up", "peer <ip> up"),
        ("mac 00:1a:2B:3c:4d:5e", "mac <mac>"),
        ("id 123e4567-e89b-12d3-a456-426614174000 ok", "id <uuid> ok"),
        ("at 2026-11-20T10:00:01.123Z done", "at <time> done"),
        ("at Nov 20 10:00:01 done", "at <time> done"),
        ("[10/Oct/2000:13:55:36 -0700] x", "[<time>] x"),
        ("mail to a.b@example.org", "mail to <email>"),
        ("get https://a.example/x?y=1 now", "get <url> now"),
        ("open /var/log/app.log failed", "open <path> failed"),
        (r"run C:\Windows\cmd.exe now", "run <path> now"),
        ("addr 0xDEADbeef", "addr <hex>"),
        ("commit 9f8e7d6c5b", "commit <hex>"),
        ("token a1b2Zc3d4", "token <id>"),
        ('user "anna lee" gone', "user <str> gone"),
        ("uid=0 tty= rhost=10.0.0.1", "uid=<*> tty=<*> rhost=<*>"),
        ("took 12.5 ms, 1,024 rows", "took <num> ms, <num> rows"),
        ("std::string and/or foo", "std::string and/or foo"),
    ],
)
def test_values_are_masked(text, mask):
    assert masked(text) == mask


def test_what_says_what_happened_is_not_masked():
    assert masked("action=deny user=bob") != masked("action=allow user=bob")
    assert masked('op="open" name="/etc/x"') != masked('op="exec" name="/etc/x"')
    assert masked("action=deny user=bob") == masked("action=deny user=eve")


def test_paths_lose_ids_and_queries():
    addresses = pl.Series(
        [
            "/users/17/orders/9f8e7d6c5b4a39281706?x=1#top",
            "https://shop.example:8443/users/42/orders/00112233445566778899",
            "GET https://shop.example/users/1/orders/aabbccddeeff00112233 HTTP/1.1",
            "/",
            "https://shop.example",
            None,
        ]
    )
    assert mask_paths(addresses).to_list() == ["/users /<num> /orders /<hex>"] * 3 + ["/", "/", None]


def page(path):
    rows = pl.DataFrame({"CsMethod": ["GET"], "CsUriStem": [path]})
    return skeletons(rows, rows, "cloudfront", "AWSCloudFront_AccessLog_CL").distinct.row(0, named=True)


def test_a_path_is_cut_and_says_so():
    whole, longer, longest = (page("/a" * segments) for segments in (TOKENS, TOKENS + 1, 480))
    assert printable("", whole["body"], path=True) == "/a" * TOKENS
    assert printable("", longest["body"], path=True) == "/a" * TOKENS + "/…"
    assert longest == longer
    assert longest["pattern"] != whole["pattern"]
    assert page("/a" * TOKENS + "/b/c")["pattern"] == longest["pattern"]


def test_a_text_is_cut():
    rows = pl.DataFrame({"SyslogMessage": ["w " * 100]})
    body = skeletons(rows, rows, "syslog", "Syslog").distinct["body"].item()
    assert body.split(" ") == ["w"] * TOKENS


def test_member_names_are_the_top_level_ones():
    texts = pl.Series(
        [
            '{"key": "a\\"b:{", "bucketName": "x", "tags": {"Set": [1, {"deep": 2}]}}',
            '{"bucketName":"y","key":"other","tags":{}}',
            "{}",
            "[1]",
            "no json",
            None,
        ]
    )
    assert member_names(texts).to_list() == ["{bucketName, key, tags}"] * 2 + ["{}", "{?}", "{?}", None]


def test_names_that_are_data_do_not_make_patterns():
    texts = pl.Series([f'{{"instances":1,"i-0{number:016x}":{{"a":1}}}}' for number in range(100)])
    assert member_names(texts).unique().to_list() == ["{<*>, instances}"]
    many = pl.Series(['{"' + '":1,"'.join(f"name{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(100)) + '":1}'])
    assert member_names(many).item().count(",") == KEYS_KEPT


def cloudtrail(**differs):
    values = {"service": "s3", "action": "s3:GetObject", "principal_type": "AssumedRole", "error": None}
    given = values | {"parameters": '{"bucketName":"b","key":"k"}'} | differs
    rows = pl.DataFrame({"RequestParameters": pl.Series([given.pop("parameters")], dtype=pl.String)})
    entities = pl.DataFrame({name: pl.Series([value], dtype=pl.String) for name, value in given.items()})
    return skeletons(rows, entities, "cloudtrail", "AWSCloudTrail").distinct["pattern"].item()


def test_a_call_is_its_structure_and_not_its_values():
    assert len(cloudtrail()) == 12
    assert cloudtrail() == cloudtrail(parameters='{"key":"another","bucketName":"c"}')
    others = [
        cloudtrail(action="s3:PutObject"),
        cloudtrail(principal_type="IAMUser"),
        cloudtrail(error="AccessDenied"),
        cloudtrail(parameters='{"bucketName":"b","key":"k","acl":"public-read"}'),
        cloudtrail(parameters=None),
    ]
    assert len({cloudtrail(), *others}) == 6


def test_ids_are_stable():
    assert cloudtrail() == "6cbfb5d827eb"  # rows in workspaces carry it: another one would be another pattern


def test_status_codes_count_by_class():
    rows = pl.DataFrame(
        {"HttpRequestMethod": ["GET"] * 3, "EventResultDetails": ["200", "204", "404"], "Url": ["/a/1", "/a/2", "/a/3"]}
    )
    found = skeletons(rows, rows, "web_access", "ASimWebSessionLogs").distinct
    shown = [printable(head, body, path=True) for head, body, _ in found.iter_rows()]
    assert shown == ["GET | 2xx: /a/<num>", "GET | 4xx: /a/<num>"]


def test_json_in_a_text_counts_by_members_and_what_it_says():
    rows = pl.DataFrame(
        {"Message": ['{"level":"info","msg":"took 12 ms","n":1}', '{"level":"warn","n":7,"msg":"took 9 ms"}']}
    )
    found = skeletons(rows, rows, "cloudwatch_logs", "AWSCloudWatch").distinct
    assert found["body"].to_list() == ["{level,msg,n} took <num> ms"]


@pytest.mark.parametrize("table", RECIPES)
def test_recipes_name_columns_that_exist(table):
    recipe, columns = RECIPES[table], load_schema(table).columns
    named = (*recipe.values, *recipe.classes, *recipe.keys, *recipe.texts, *recipe.path)
    assert set(named) <= set(columns)
    assert set(recipe.entities) <= set(ENTITY_SCHEMA)


def test_a_table_without_a_recipe_counts_by_its_filled_columns():
    rows = pl.DataFrame({"TimeGenerated": [1, 2, 3], "A": ["x", "y", None], "B": [None, None, 3], "_object": [1, 1, 1]})
    entities = pl.DataFrame({"action": ["a", "a", "a"]})
    columns, _ = needed_columns("new", "New_CL", rows.columns)
    assert columns == ["A", "B"]
    found = skeletons(rows.select(columns), entities, "new", "New_CL")
    assert found.codes.to_list() == [0, 0, 1]


def test_flows_carry_no_pattern():
    assert not recipe_of("vpc_flow", "ASimNetworkSessionLogs").delivered
    assert recipe_of("cloudtrail", "AWSCloudTrail").delivered


def test_no_rows():
    rows = pl.DataFrame(schema={"ProcessName": pl.String, "SyslogMessage": pl.String})
    found = skeletons(rows, rows, "syslog", "Syslog")
    assert found.codes.len() == 0
    assert found.distinct.is_empty()
