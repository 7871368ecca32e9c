"""The sample networks: VPCs, their interfaces and the flow logs that watch them.

Belongs here: what there is. Does not belong here: the traffic (``flows``).
"""

import functools
from dataclasses import dataclass

from s3sentinel_assets.local.generator.cast import PROD, STAGING
from s3sentinel_assets.local.generator.draws import hexadecimal, rng_for

__all__ = ["FlowLog", "Interface", "flow_logs"]


@dataclass(frozen=True)
class Interface:
    """A network interface.

    Attributes:
        eni: its id.
        address: its private address.
        instance: the instance behind it, or ``-``.
        role: what it does in the sample network.
        subnet: its subnet.
    """

    eni: str
    address: str
    instance: str
    role: str
    subnet: str


@dataclass(frozen=True, eq=False)
class FlowLog:
    """A flow log subscription and the network it watches.

    Attributes:
        account: the account.
        region: the region.
        name: ``fl-…``.
        version: 2 or 5, see `HEADERS`.
        vpc: the VPC.
        interfaces: role → interfaces.
        weight: its share of all lines, relative to the others.
    """

    account: str
    region: str
    name: str
    version: int
    vpc: str
    interfaces: dict[str, tuple[Interface, ...]]
    weight: float

    def __str__(self) -> str:
        return self.name


def _network(seed: int, account: str, region: str, second: int, version: int, weight: float) -> FlowLog:
    rng = rng_for(seed, "network", account, region)
    interfaces: dict[str, tuple[Interface, ...]] = {}
    sizes = {"balancer": 3, "web": 8, "app": 16, "database": 3, "cache": 3, "nat": 2, "idle": 6}
    for third, (role, count) in enumerate(sizes.items()):
        subnet = f"subnet-0{hexadecimal(rng, 16)}"
        interfaces[role] = tuple(
            Interface(
                eni=f"eni-0{hexadecimal(rng, 16)}",
                address=f"10.{second}.{third * 16}.{rng.randrange(10, 250)}",
                instance="-" if role in {"balancer", "nat", "database"} else f"i-0{hexadecimal(rng, 16)}",
                role=role,
                subnet=subnet,
            )
            for _ in range(count)
        )
    return FlowLog(
        account, region, f"fl-0{hexadecimal(rng, 16)}", version, f"vpc-0{hexadecimal(rng, 16)}", interfaces, weight
    )


@functools.cache
def flow_logs(seed: int) -> tuple[FlowLog, ...]:
    """The flow logs of the sample accounts."""
    return (
        _network(seed, PROD, "us-east-1", 20, 2, 0.7),
        _network(seed, PROD, "eu-central-1", 30, 5, 0.06),
        _network(seed, STAGING, "us-east-1", 40, 2, 0.24),
    )
