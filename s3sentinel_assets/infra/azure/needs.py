"""What a configuration needs: streams, the tables behind them, and how a stream is divided.

Belongs here: reading sources, destinations and routing rules. Does not belong here: how streams are spread over data
collection rules (``rules``).

Sources that are switched off count, too: what was planned before may still have to be sent, and a template that forgot
their streams would take them away.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from s3sentinel_assets.config import COMMON_TABLES, Config, Destination, RouteRule, SourceSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.infra.azure.limits import check_columns, check_stream, check_table_name, check_transform
from s3sentinel_assets.tables import TableSchema, load_schema
from s3sentinel_assets.tables.tiers import base_of, plan_of

__all__ = ["UNCHANGED", "Flow", "Stream", "Use", "needed_streams", "uses"]

#: The transformation that changes nothing.
UNCHANGED = "source"

_PRIORITIES = ("critical", "high", "medium", "low", "unknown")


@dataclass(frozen=True, order=True)
class Flow:
    """Rows of a stream on their way to a table, by a transformation."""

    table: str
    transform: str = UNCHANGED


@dataclass(frozen=True, order=True)
class Stream:
    """One stream of a data collection rule.

    Attributes:
        name: ``Custom-…``.
        table: whose columns it has.
        flows: where its rows go, one or several tables, sorted.
    """

    name: str
    table: str
    flows: tuple[Flow, ...]

    @property
    def schema(self) -> TableSchema:
        """The schema of the rows."""
        return load_schema(self.table)


@dataclass(frozen=True)
class Use:
    """A place of the configuration that sends rows to a stream.

    Attributes:
        source: the source's name.
        rule: the routing rule's; None: the source's own rows.
        destination: table, stream and data collection rules.
    """

    source: str
    rule: str | None
    destination: Destination


def uses(config: Config) -> list[Use]:
    """Every place that rows are sent to, source by source."""
    return [use for source in config.sources.values() for use in _uses_of(source)]


def needed_streams(config: Config, *, split: bool) -> list[Stream]:
    """The streams that the sources need, sorted.

    Args:
        config: the configuration.
        split: divide rows by priority in the data collection rule, as routing rules say.

    Raises:
        ConfigurationError: a stream or table cannot be, or ``split`` does not fit the routing rules.
    """
    tables: dict[str, str] = {}
    for use in uses(config):
        stream, table = use.destination.stream_name, use.destination.table
        check_stream(stream)
        if tables.setdefault(stream, table) != table:
            raise ConfigurationError(
                f"the stream {stream} is named for the tables {tables[stream]} and {table}; give each table a stream "
                "of its own"
            )
    divided = _divisions(config) if split else {}
    if split and not divided:
        raise ConfigurationError(
            "--split needs a routing rule that names a priority, nothing else but its table, and a cheaper twin of "
            "that table, such as {name: quiet, table: AWSVPCFlow, priority: [low], to: {table: "
            "AWSVPCFlow_Auxiliary_CL}}"
        )
    streams = [
        Stream(name, table, tuple(sorted(_flows(table, divided.get(name, {}))))) for name, table in tables.items()
    ]
    for stream in streams:
        for flow in stream.flows:
            _check_table(flow.table)
            check_transform(stream.name, flow.transform)
    return sorted(streams)


def _uses_of(source: SourceSettings) -> Iterator[Use]:
    for table in (*source.tables, *COMMON_TABLES):
        yield Use(source.name, None, source.destination_for(table))
    for rule in source.routing.rules:
        if rule.to is not None:
            yield Use(source.name, rule.name, rule.to)


def _check_table(table: str) -> None:
    schema = load_schema(table)
    check_table_name(table)
    own = schema.writable if table.endswith("_CL") else schema.own_columns
    check_columns(table, own, schema.writable)


def _flows(table: str, divided: dict[str, str]) -> list[Flow]:
    if not divided:
        return [Flow(table)]
    # Every row goes to one table and no more: a priority is in one list, and whatever is in none stays.
    gone = _listed(set(divided))
    flows = [Flow(table, f"{UNCHANGED} | where Priority_CF !in ({gone})")]
    for twin in sorted(set(divided.values())):
        some = _listed({priority for priority, to in divided.items() if to == twin})
        flows.append(Flow(twin, f"{UNCHANGED} | where Priority_CF in ({some})"))
    return flows


def _listed(priorities: set[str]) -> str:
    return ", ".join(f'"{priority}"' for priority in _PRIORITIES if priority in priorities)


def _divisions(config: Config) -> dict[str, dict[str, str]]:
    """Stream → priority → twin, for streams that are divided at all."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for source in config.sources.values():
        for table in source.tables:
            stream = source.destination_for(table).stream_name
            divided = _division(source, table)
            first, known = found.setdefault(stream, (source.name, divided))
            if known != divided:
                raise ConfigurationError(
                    f"--split: sources {first} and {source.name} both send to the stream {stream}, and their routing "
                    "rules differ; give one of them a stream of its own (destinations: [{table: …, stream: …}])"
                )
    return {stream: divided for stream, (_, divided) in found.items() if divided}


def _division(source: SourceSettings, table: str) -> dict[str, str]:
    """Priority → twin for a source's rows of one table, by its rules in their order."""
    divided: dict[str, str] = {}
    for rule in source.routing.rules:
        if not _by_priority_alone(rule, table):
            continue
        if source.routing.demotion == "on":
            raise ConfigurationError(
                f"--split: sources.{source.name}.routing has demotion: on, so the connector itself sends the rows of "
                f"rule {rule.name} elsewhere; set demotion: off, or leave --split out"
            )
        for priority in rule.priority:
            divided.setdefault(priority, rule.to.table if rule.to else "")
    return divided


def _by_priority_alone(rule: RouteRule, table: str) -> bool:
    return bool(
        rule.priority
        and rule.where is None
        and rule.older_than_hours is None
        and rule.table in (None, table)
        and rule.to is not None
        and plan_of(rule.to.table)
        and table in base_of(rule.to.table)
    )
