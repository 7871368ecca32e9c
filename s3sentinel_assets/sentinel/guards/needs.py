"""The rows of a table that pass the conditions behind it.

Belongs here: gathering conditions up to the first stage that needs several rows or makes columns that are not followed.
Does not belong here: finding the tables (``pipelines``) and reading a condition (``conditions``).
"""

from collections.abc import Collection, Mapping, Sequence

from s3sentinel_assets.sentinel.guards.conditions import Columns, Condition
from s3sentinel_assets.sentinel.guards.known import Stage, constants
from s3sentinel_assets.sentinel.guards.kql_text import render
from s3sentinel_assets.sentinel.guards.sql import TRUE, Sql, all_of
from s3sentinel_assets.sentinel.guards.stages import columns_after, keyword, looks_elsewhere, union_operands

__all__ = ["rows_needed"]


def rows_needed(kinds: Mapping[str, str], stages: Sequence[Stage], functions: Collection[str]) -> tuple[Sql, list[str]]:
    """What holds for every row that the stages may look at together with others, or give away.

    Args:
        kinds: the table's columns → type.
        stages: what follows the table.
        functions: names of saved functions.

    Returns:
        The condition, and which parts of it could not be used; or, if there is none, what reads every row.
    """
    columns = Columns(kinds)
    conditions: list[Sql] = []
    unused: list[str] = []
    last = "the query's end"
    for stage in stages:
        word, after = keyword(stage.nodes)
        if looks_elsewhere(stage.nodes, {*stage.known, *functions}):
            last = word
            break
        if word in ("where", "filter"):
            condition = Condition(columns, constants(stage.known))
            conditions.append(condition.possible(stage.nodes[after:]))
            unused += condition.unused
        elif word == "union":
            made = union_operands(stage.nodes[after:]).column
            columns = columns.assigned({made: None}) if made else columns
        else:
            following = columns_after(word, stage.nodes[after:], columns)
            if following is None:
                last = word or render(stage.nodes, 20)
                break
            columns = following
    where = all_of(conditions)
    if where == TRUE and not unused:
        unused = [f"no condition before {last}"]
    return where, unused
