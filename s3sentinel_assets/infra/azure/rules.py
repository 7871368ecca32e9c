"""The plan: tables, and data collection rules with their streams, within the limits of a rule.

Belongs here: which rule a stream is in, names of rules, copies of rules. Does not belong here: which streams there are
(``needs``), resources and templates (``resources``).

Rules are filled in the order of the streams' names, so the same configuration always gives the same plan. A new table
in the middle moves streams from one rule to the next; then the outputs of the deployment have to be copied again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from s3sentinel_assets.config import Config
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.infra.azure.limits import (
    CUSTOM_TABLES_PER_WORKSPACE,
    FLOWS_PER_RULE,
    STREAMS_PER_RULE,
    check_rule_name,
)
from s3sentinel_assets.infra.azure.needs import Stream, Use, needed_streams, uses
from s3sentinel_assets.tables import TableSchema, load_schema

__all__ = ["Options", "Plan", "Rule", "plan_infrastructure"]


@dataclass(frozen=True)
class Options:
    """What is asked for beside the configuration.

    Attributes:
        spread: copies of every rule; None: as many as the longest ``dcr_ids`` of the configuration has.
        split: let the rules divide rows by priority, instead of the connector.
    """

    spread: int | None = None
    split: bool = False


@dataclass(frozen=True)
class Rule:
    """One data collection rule.

    Attributes:
        group: counts from 1; rules of one group have the same streams.
        copy: counts from 1.
        streams: sorted.
    """

    group: int
    copy: int
    streams: tuple[Stream, ...]

    @property
    def suffix(self) -> str:
        """What follows the common name: ``-2``, or ``-2-3`` for the third copy."""
        return f"-{self.group}" if self.copy == 1 else f"-{self.group}-{self.copy}"


@dataclass(frozen=True)
class Plan:
    """Everything that a configuration needs in Azure.

    Attributes:
        tables: schemas, sorted by name.
        rules: by group and copy.
        uses: the places of the configuration that send, see `needs.uses`.
    """

    tables: tuple[TableSchema, ...]
    rules: tuple[Rule, ...]
    uses: tuple[Use, ...]

    @property
    def shares_endpoint(self) -> bool:
        """Whether the rules need one endpoint in common: the connector knows only one, and each rule has another."""
        return len(self.rules) > 1

    def rules_of(self, stream: str) -> list[Rule]:
        """The rules that take a stream: one group, all its copies."""
        return [rule for rule in self.rules if any(each.name == stream for each in rule.streams)]


def plan_infrastructure(config: Config, options: Options | None = None) -> Plan:
    """The plan for a configuration.

    Args:
        config: the configuration.
        options: see `Options`.

    Raises:
        ConfigurationError: it cannot be within the service's limits.
    """
    options = options or Options()
    places = uses(config)
    copies = options.spread or max(len(use.destination.rules("")) for use in places)
    if copies < 1:
        raise ConfigurationError("--spread must be 1 or more")
    streams = needed_streams(config, split=options.split)
    rules = [
        Rule(group, copy, held) for group, held in enumerate(_filled(streams), start=1) for copy in range(1, copies + 1)
    ]
    for rule in rules:
        check_rule_name(config.sentinel.azure.dcr_name + rule.suffix)
    names = sorted({flow.table for stream in streams for flow in stream.flows})
    custom = sum(name.endswith("_CL") for name in names)
    if custom > CUSTOM_TABLES_PER_WORKSPACE:
        raise ConfigurationError(
            f"{custom} custom tables are needed, and a workspace takes {CUSTOM_TABLES_PER_WORKSPACE}"
        )
    return Plan(tuple(load_schema(name) for name in names), tuple(rules), tuple(places))


def _filled(streams: Iterable[Stream]) -> Iterator[tuple[Stream, ...]]:
    held: list[Stream] = []
    for stream in streams:
        flows = sum(len(each.flows) for each in held)
        if held and (len(held) == STREAMS_PER_RULE or flows + len(stream.flows) > FLOWS_PER_RULE):
            yield tuple(held)
            held = []
        held.append(stream)
    if held:
        yield tuple(held)
