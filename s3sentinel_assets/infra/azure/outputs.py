"""What a deployment tells when it is done: ids and addresses, and where they go in the configuration.

Belongs here: the outputs. Does not belong here: the resources (``resources``).

The output ``s3sentinel`` has the shape of the configuration file. JSON is YAML, so it can be pasted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from s3sentinel_assets.config import Destination
from s3sentinel_assets.infra.azure.expressions import Output, Property, Resource
from s3sentinel_assets.infra.azure.needs import Use
from s3sentinel_assets.infra.azure.rules import Plan, Rule

__all__ = ["write_outputs"]


def write_outputs(
    plan: Plan,
    workspace: Resource,
    endpoint: Resource | None,
    rules: Sequence[tuple[Rule, Resource]],
) -> tuple[Output, ...]:
    """The outputs of a template.

    Args:
        plan: its places are told with their new ids.
        workspace: the resource.
        endpoint: the endpoint that the rules share; None: the only rule's own.
        rules: each with its resource.
    """
    first = rules[0][1]
    address = Property(first, ("endpoints", "logsIngestion"))
    if endpoint is not None:
        address = Property(endpoint, ("logsIngestion", "endpoint"))
    ids = {rule.suffix: Property(resource, ("immutableId",)) for rule, resource in rules}
    sentinel = {
        "dcr_id": ids[rules[0][0].suffix],
        "ingestion_endpoint": address,
        "workspace_id": Property(workspace, ("customerId",)),
    }
    told = [
        {
            "immutableId": ids[rule.suffix],
            "logsIngestion": Property(resource, ("endpoints", "logsIngestion")),
            "name": resource.name,
            "streams": [stream.name for stream in rule.streams],
        }
        for rule, resource in rules
    ]
    sources: dict[str, Any] = {}
    routes: dict[str, dict[str, Any]] = {}
    for use in sorted(plan.uses, key=lambda use: (use.source, use.rule or "", use.destination.table)):
        where = _where(use, plan, ids)
        if where is None:
            continue
        if use.rule is None:
            sources.setdefault(use.source, {"destinations": []})["destinations"].append(where)
        else:
            routes.setdefault(use.source, {})[use.rule] = where
    document = {"sentinel": sentinel, **({"sources": sources} if sources else {})}
    outputs = [Output("rules", "array", told), Output("s3sentinel", "object", document)]
    if routes:
        outputs.append(Output("routingTargets", "object", routes))
    return tuple(sorted(outputs, key=lambda output: output.name))


def _where(use: Use, plan: Plan, ids: Mapping[str, Property]) -> dict[str, Any] | None:
    """The destination as the configuration has it; None: the default is right."""
    destination = use.destination
    rules = plan.rules_of(destination.stream_name)
    named = destination.stream if destination.stream != Destination(table=destination.table).stream_name else None
    if rules[0].group == 1 and len(rules) == 1 and named is None:
        return None
    where: dict[str, Any] = {"table": destination.table}
    if named is not None:
        where["stream"] = named
    if len(rules) == 1:
        return where | {"dcr_id": ids[rules[0].suffix]}
    return where | {"dcr_ids": [ids[rule.suffix] for rule in rules]}
