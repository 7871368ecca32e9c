"""Functions of KQL that the translator does not have, as SQL templates for its own tables of functions.

Belongs here: scalar and aggregate functions that one SQL expression can say. Does not belong here: constructs that
change the query's shape (``kql_calls``, ``kql_operators``).

A template that needs a value twice binds it in a one-element list: an argument may be a long expression.
"""

import functools

__all__ = ["register"]

_PRIVATE = ((0x0A000000, 0xFF000000), (0xAC100000, 0xFFF00000), (0xC0A80000, 0xFFFF0000))
# An IPv4 address in text, with or without a prefix length, as a number; NULL where it is none.
_OCTET = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
_DOTTED = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(/(3[0-2]|[12]?\d))?"
_NUMBER = " + ".join(
    f"CAST(split_part(split_part(_a, '/', 1), '.', {octet}) AS BIGINT) * {256 ** (4 - octet)}" for octet in range(1, 5)
)


def _address(position: int) -> str:
    return (
        f"list_transform([CAST({{{position}}} AS VARCHAR)], "
        f"lambda _a: CASE WHEN regexp_full_match(_a, '{_DOTTED}') THEN {_NUMBER} END)[1]"
    )


def _bits(position: int) -> str:
    return f"coalesce(TRY_CAST(nullif(split_part(CAST({{{position}}} AS VARCHAR), '/', 2), '') AS INTEGER), 32)"


def _of_networks(bits: str, of_both: str) -> str:
    """``of_both`` of the first ``bits`` bits of two addresses."""
    first, second = (f"(_p[{place}] // CAST(pow(2, 32 - _p[3]) AS BIGINT))" for place in (1, 2))
    return f"list_transform([[{_address(0)}, {_address(1)}, {bits}]], lambda _p: {of_both.format(first, second)})[1]"


def _same_network(bits: str) -> str:
    return _of_networks(bits, "{0} = {1}")


def _private() -> str:
    tests = " OR ".join(f"(_n & {mask}) = {network}" for network, mask in _PRIVATE)
    return f"list_transform([{_address(0)}], lambda _n: {tests})[1]"


def _elements(position: int) -> str:
    return f"CAST(to_json({{{position}}}) AS JSON[])"


_LONGEST_SERIES = 1 << 20  # the service's limit
_AT, _VALUES = "CAST(to_json({0}) AS BIGINT[])", _elements(1)


def _slots(count: str) -> str:
    too_long = f"make-series: more than {_LONGEST_SERIES:,} values; choose a longer step"
    return (
        f"list_transform([{count}], lambda _n: CASE WHEN _n > {_LONGEST_SERIES} "
        f"THEN CAST(error('{too_long}') AS BIGINT) ELSE CAST(_n AS BIGINT) END)[1]"
    )


#: Name → (template, numbers of arguments).
SCALARS: dict[str, tuple[str, tuple[int, ...]]] = {
    "ipv4_is_private": (_private(), (1,)),
    "ipv4_is_in_range": (_same_network(_bits(1)), (2,)),
    "ipv4_is_match": (_same_network(f"least({_bits(0)}, {_bits(1)})"), (2,)),
    "ipv4_compare": (
        _of_networks(f"least({_bits(0)}, {_bits(1)})", "CAST(sign({0} - {1}) AS BIGINT)"),
        (2,),
    ),
    "has_ipv4": (
        "regexp_matches({0}, '(^|[^0-9A-Za-z.])' || replace({1}, '.', '\\.') || '($|[^0-9A-Za-z.])')",
        (2,),
    ),
    "bag_keys": ("to_json(json_keys({0}))", (1,)),
    "bag_has_key": (
        "CASE WHEN starts_with({1}, '$.') THEN json_exists({0}, {1}) ELSE list_contains(json_keys({0}), {1}) END",
        (2,),
    ),
    # The first bag wins, key by key; a merge patch would also merge what lies below, and drop nulls.
    "bag_merge": (
        "to_json(map_concat(TRY_CAST({1} AS MAP(VARCHAR, JSON)), TRY_CAST({0} AS MAP(VARCHAR, JSON))))",
        (2,),
    ),
    "set_union": (f"to_json(list_distinct(list_concat({_elements(0)}, {_elements(1)})))", (2,)),
    "set_intersect": (f"to_json(list_intersect({_elements(0)}, {_elements(1)}))", (2,)),
    "set_difference": (
        f"to_json(list_filter(list_distinct({_elements(0)}), lambda _e: NOT list_contains({_elements(1)}, _e)))",
        (2,),
    ),
    "url_decode": ("url_decode({0})", (1,)),
    "tohex": ("lower(to_hex({0}))", (1,)),
    # The third argument would be a type, which is refused before this.
    "extractjson": ("json_extract_string(TRY_CAST({1} AS JSON), {0})", (2,)),
    "extract_json": ("json_extract_string(TRY_CAST({1} AS JSON), {0})", (2,)),
    "unixtime_seconds_todatetime": ("make_timestamp(TRY_CAST({0} * 1000000 AS BIGINT))", (1,)),
    "unixtime_milliseconds_todatetime": ("make_timestamp(TRY_CAST({0} * 1000 AS BIGINT))", (1,)),
    "unixtime_microseconds_todatetime": ("make_timestamp(CAST({0} AS BIGINT))", (1,)),
    "rand": ("random()", (0,)),
    "strcmp": ("CASE WHEN {0} < {1} THEN -1 WHEN {0} > {1} THEN 1 ELSE 0 END", (2,)),
    "todecimal": ("CAST({0} AS DOUBLE)", (1,)),
    "parse_csv": (
        (
            'to_json(list_transform(regexp_extract_all({0} || \',\', \'("(?:[^"]|"")*"|[^,]*),\', 1), lambda _f: '
            "CASE WHEN starts_with(_f, '\"') THEN replace(_f[2:-2], '\"\"', '\"') ELSE _f END))"
        ),
        (1,),
    ),
    "row_number": ("row_number() OVER ()", (0,)),
    "dynamic_to_json": ("CAST(to_json({0}) AS VARCHAR)", (1,)),
    # The step behind search only: any number of columns as one text. A line break stands between them, so that no term
    # crosses it. (`tostring` of a hundred columns is half a megabyte of SQL.)
    "__row_text_of": ("concat_ws(chr(10), {})", ()),
    # Steps behind make-series only.
    "__slot": ("CAST(floor(epoch({0} - {1}) / epoch({2})) AS BIGINT)", (3,)),
    "__slots": (_slots("ceil(epoch({0} - {1}) / epoch({2}))"), (3,)),
    "__slots_through": (_slots("floor(epoch({0} - {1}) / epoch({2})) + 1"), (3,)),
    "__values": (
        (
            f"list_transform([MAP({_AT}, {_VALUES})], lambda _m: "
            "to_json(list_transform(range({2}), lambda _i: coalesce(json_extract(_m[_i], '$[0]'), to_json({3})))))[1]"
        ),
        (4,),
    ),
    "__times": (
        "to_json(list_transform(range({2}), lambda _i: strftime({0} + _i * {1}, '%Y-%m-%dT%H:%M:%S.%fZ')))",
        (3,),
    ),
}

#: Name → (template, numbers of arguments, the prefix of an unnamed result).
AGGREGATES: dict[str, tuple[str, tuple[int, ...], str | None]] = {
    "count_distinct": ("count(DISTINCT {0})", (1,), None),
    "count_distinctif": ("count(DISTINCT {0}) FILTER (WHERE {1})", (2,), None),
    # With the most elements, which `kql_calls` adds where a query has none.
    "make_list_if": (
        "list_slice(coalesce(list({0}) FILTER (WHERE ({1}) AND {0} IS NOT NULL), []), 1, {2})",
        (3,),
        "list",
    ),
    "make_set_if": (
        "to_json(list_slice(coalesce(list_distinct(list({0}) FILTER (WHERE ({1}) AND {0} IS NOT NULL)), []), 1, {2}))",
        (3,),
        "set",
    ),
    "maxif": ("max({0}) FILTER (WHERE {1})", (2,), None),
    "minif": ("min({0}) FILTER (WHERE {1})", (2,), None),
    "take_anyif": ("any_value({0}) FILTER (WHERE {1})", (2,), None),
    "anyif": ("any_value({0}) FILTER (WHERE {1})", (2,), None),
    "stdevp": ("coalesce(stddev_pop({0}), 0.0)", (1,), None),
    "variancep": ("coalesce(var_pop({0}), 0.0)", (1,), None),
    "binary_all_or": ("bit_or({0})", (1,), None),
    "binary_all_and": ("bit_and({0})", (1,), None),
}


@functools.cache
def register() -> None:
    """Adds the functions to the translator's tables; what it has itself stays."""
    from duckdb_kql.translate.functions import AGGREGATE_FUNCTIONS, SCALAR_FUNCTIONS, AggregateSpec, FunctionSpec

    for name, (template, arities) in SCALARS.items():
        SCALAR_FUNCTIONS.setdefault(name, FunctionSpec(name, "template", template, arities))
    for name, (template, arities, prefix) in AGGREGATES.items():
        AGGREGATE_FUNCTIONS.setdefault(name, AggregateSpec(name, template, arities, name_prefix=prefix))
