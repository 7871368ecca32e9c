"""What is in Azure against what would be written: each difference by itself.

Belongs here: comparing. Does not belong here: reading (``reading``), printing (``cli``).

Names of types are compared without regard to capitals, since Azure gives them back as it likes. Of an Azure table only
our own columns are expected; a further custom column of somebody else is told, because deploying would take it away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from s3sentinel_assets.config import Config
from s3sentinel_assets.infra.azure.columns import output_stream, stream_columns, table_columns
from s3sentinel_assets.infra.azure.needs import UNCHANGED
from s3sentinel_assets.infra.azure.reading import AzureReader
from s3sentinel_assets.infra.azure.resources import ENDPOINT_SUFFIX
from s3sentinel_assets.infra.azure.rules import Plan, Rule
from s3sentinel_assets.tables import TableSchema

__all__ = ["Difference", "Kind", "compare", "further_columns"]


class Kind(StrEnum):
    """What is wrong with a part."""

    MISSING = "missing"
    SURPLUS = "surplus"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        where: the resource, or the place in the configuration.
        part: of it, such as ``column Priority_CF``; empty: all of it.
        kind: missing in Azure, surplus there, or different.
        wanted: what would be written.
        found: what is there.
    """

    where: str
    part: str
    kind: Kind
    wanted: str | None = None
    found: str | None = None


def compare(config: Config, plan: Plan, reader: AzureReader) -> list[Difference]:
    """Every difference between the plan and Azure.

    Args:
        config: its ids are compared, too.
        plan: what should be there.
        reader: asks Azure.

    Raises:
        UserError: Azure cannot be asked.
    """
    workspace = reader.workspace()
    found = list(_compare_ids(config, workspace))
    for schema in plan.tables:
        found += _compare_table(schema, reader.table(schema.name))
    ids: dict[str, str] = {}
    for rule in plan.rules:
        name = config.sentinel.azure.dcr_name + rule.suffix
        today = reader.rule(name)
        found += _Rules(config, plan, reader.workspace_id).compare(rule, name, today)
        if today is not None:
            ids[rule.suffix] = str(_properties(today).get("immutableId"))
    if len(ids) == len(plan.rules):
        found += _compare_uses(config, plan, ids)
    return found


def further_columns(plan: Plan, reader: AzureReader) -> dict[str, dict[str, str]]:
    """Custom columns that tables have beside ours: table → name → type.

    Raises:
        UserError: Azure cannot be asked.
    """
    further: dict[str, dict[str, str]] = {}
    for schema in plan.tables:
        today = reader.table(schema.name)
        mine = {name.casefold() for name in (*schema.writable, *schema.system_columns)}
        extra = {} if today is None else _custom_columns(today)
        if left := {name: kind for name, kind in extra.items() if name.casefold() not in mine}:
            further[schema.name] = left
    return further


def _compare_ids(config: Config, workspace: Mapping[str, Any]) -> Iterator[Difference]:
    found = str(_properties(workspace).get("customerId"))
    if found.casefold() != config.sentinel.workspace_id.casefold():
        yield Difference("configuration", "sentinel.workspace_id", Kind.DIFFERENT, found, config.sentinel.workspace_id)


def _compare_table(schema: TableSchema, today: Mapping[str, Any] | None) -> Iterator[Difference]:
    where = f"table {schema.name}"
    if today is None:
        yield Difference(where, "", Kind.MISSING)
        return
    custom = schema.name.endswith("_CL")
    plan = str(_properties(today).get("plan"))
    if custom and plan.casefold() != schema.plan.casefold():
        yield Difference(where, "plan", Kind.DIFFERENT, schema.plan, plan)
    own = _custom_columns(today)
    # Some columns of a custom table are listed with the service's own, TimeGenerated for one.
    present = _named(_schema(today).get("standardColumns")) | own
    yield from _compare_columns(where, "column", table_columns(schema), present, surplus=())
    known = {name.casefold() for name in (*schema.writable, *schema.system_columns)}
    for name, kind in sorted(own.items()):
        if name.casefold() not in known:
            yield Difference(where, f"column {name}", Kind.SURPLUS, None, kind)


def _compare_columns(
    where: str, what: str, wanted: Mapping[str, str], present: Mapping[str, str], *, surplus: Sequence[str]
) -> Iterator[Difference]:
    folded = {name.casefold(): kind for name, kind in present.items()}
    for name, kind in wanted.items():
        found = folded.get(name.casefold())
        if found is None:
            yield Difference(where, f"{what} {name}", Kind.MISSING, kind)
        elif found.casefold() != kind.casefold():
            yield Difference(where, f"{what} {name}", Kind.DIFFERENT, kind, found)
    for name in surplus:
        yield Difference(where, f"{what} {name}", Kind.SURPLUS, None, present[name])


class _Rules:
    """Compares data collection rules."""

    def __init__(self, config: Config, plan: Plan, workspace_id: str) -> None:
        self._azure, self._plan, self._workspace = config.sentinel.azure, plan, workspace_id

    def compare(self, rule: Rule, name: str, today: Mapping[str, Any] | None) -> Iterator[Difference]:
        where = f"rule {name}"
        if today is None:
            yield Difference(where, "", Kind.MISSING)
            return
        yield from self._settings(where, today)
        streams = {stream.name: stream_columns(stream.schema) for stream in rule.streams}
        yield from _compare_streams(where, streams, _declared(today))
        flows = {
            (stream.name, output_stream(flow.table)): flow.transform for stream in rule.streams for flow in stream.flows
        }
        yield from _compare_flows(where, flows, _flows(today))

    def _settings(self, where: str, today: Mapping[str, Any]) -> Iterator[Difference]:
        properties = _properties(today)
        wanted = [("kind", "Direct", today.get("kind"))]
        if self._azure.location:
            wanted.append(("location", self._azure.location, today.get("location")))
        if self._plan.shares_endpoint:
            name = self._azure.dcr_name + ENDPOINT_SUFFIX
            wanted.append(("endpoint", name, str(properties.get("dataCollectionEndpointId") or "").rpartition("/")[2]))
        for part, value, found in wanted:
            if _plain(value) != _plain(found):
                yield Difference(where, part, Kind.DIFFERENT, value, str(found or "none"))
        listed = _list(_map(properties.get("destinations")).get("logAnalytics"))
        targets = {str(each.get("workspaceResourceId")) for each in listed}
        if {target.casefold().strip("/") for target in targets} != {self._workspace.casefold().strip("/")}:
            found = ", ".join(sorted(targets)) or "none"
            yield Difference(where, "workspace", Kind.DIFFERENT, self._workspace, found)


def _compare_streams(
    where: str, wanted: Mapping[str, Mapping[str, str]], present: Mapping[str, Mapping[str, str]]
) -> Iterator[Difference]:
    for name, columns in wanted.items():
        if name not in present:
            yield Difference(where, f"stream {name}", Kind.MISSING)
            continue
        known = {column.casefold() for column in columns}
        surplus = [column for column in sorted(present[name]) if column.casefold() not in known]
        yield from _compare_columns(where, f"stream {name}, column", columns, present[name], surplus=surplus)
    for name in sorted(present.keys() - wanted.keys()):
        yield Difference(where, f"stream {name}", Kind.SURPLUS)


def _compare_flows(
    where: str, wanted: Mapping[tuple[str, str], str], present: Mapping[tuple[str, str], str]
) -> Iterator[Difference]:
    for key in sorted(wanted.keys() | present.keys()):
        part = f"flow {key[0]} → {key[1]}"
        if key not in present:
            yield Difference(where, part, Kind.MISSING, wanted[key])
        elif key not in wanted:
            yield Difference(where, part, Kind.SURPLUS, None, present[key])
        elif wanted[key] != present[key]:
            yield Difference(where, part, Kind.DIFFERENT, wanted[key], present[key])


def _compare_uses(config: Config, plan: Plan, ids: Mapping[str, str]) -> Iterator[Difference]:
    """Whether each place of the configuration names rules that have its stream."""
    for use in plan.uses:
        right = [ids[rule.suffix] for rule in plan.rules_of(use.destination.stream_name)]
        named = use.destination.rules(config.sentinel.dcr_id)
        if not set(named) <= set(right):
            place = f"sources.{use.source}" + (f", routing rule {use.rule}" if use.rule else "")
            part = f"dcr_id for {use.destination.table}"
            yield Difference(place, part, Kind.DIFFERENT, ", ".join(right), ", ".join(named))


def _plain(value: Any) -> str:
    """A region is called ``West Europe`` or ``westeurope``."""
    return str(value or "").replace(" ", "").casefold()


# What Azure sends is read for what is needed; anything of another shape counts as not there.


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [_map(each) for each in value] if isinstance(value, list) else []


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return _map(body.get("properties"))


def _schema(table: Mapping[str, Any]) -> Mapping[str, Any]:
    return _map(_properties(table).get("schema"))


def _custom_columns(table: Mapping[str, Any]) -> dict[str, str]:
    return _named(_schema(table).get("columns"))


def _named(columns: Any) -> dict[str, str]:
    return {str(each.get("name")): str(each.get("type")) for each in _list(columns)}


def _declared(rule: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    declared = _map(_properties(rule).get("streamDeclarations"))
    return {name: _named(_map(each).get("columns")) for name, each in declared.items()}


def _flows(rule: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for flow in _list(_properties(rule).get("dataFlows")):
        streams = flow.get("streams")
        for stream in streams if isinstance(streams, list) else []:
            transform = " ".join(str(flow.get("transformKql") or UNCHANGED).split())
            found[str(stream), str(flow.get("outputStream") or stream)] = transform
    return found
