"""Families of log formats: how the events of each format are counted.

Belongs here: which columns and factors a family has, how much it may keep, which format belongs to which family. Does
not belong here: how keys are made (``keys`` and the modules beside it), what is counted of them (``update``).

Formats are names here, as data: what reads them is another package.
"""

from dataclasses import dataclass, replace

from s3sentinel_assets.errors import ConfigurationError

__all__ = ["FACTORS", "FAMILIES", "FORMATS", "SITE_FACTORS", "Family", "family_of"]

#: What can be new for an owner. Each is a state table ``principal/<factor>``.
FACTORS = ("action", "service", "write", "network", "wide_network", "agent", "region", "error", "domain")
#: What can be new at a site. Each is a state table ``site/<factor>``.
SITE_FACTORS = ("path", "client", "agent", "method", "domain")


@dataclass(frozen=True)
class Family:
    """How the events of a format are counted. An *owner* is who habits belong to: the ``principal`` of the keys.

    Attributes:
        name: of the family.
        model: ``rarity_<model>.json`` holds its numbers.
        what: columns of the entity view that events of a group agree in; ``peer``, ``action`` and ``service`` are
            always among them.
        more: further columns that keys are made of, event by event.
        address: whose networks are counted: ``source`` or ``target`` (address columns), ``other`` (the source's, the
            target's where the source is the owner itself), ``user`` (the source's where the owner is a named user), or
            none.
        exact: whether an owner that is a public address stays one; else its network is the owner, because who has one
            address of a network today has another one tomorrow, and there are far too many.
        private_exact: the same for private addresses.
        site: what owners have in common and have a history of: ``peer`` (load balancer, distribution, bucket),
            ``account`` or none.
        site_factors: what can be new there.
        account_factors: what is counted per account for the terms that say "new to the account".
        spread: a factor whose distinct items an owner has in an hour are counted; it is no state table.
        error_ratio: whether the owner's share of failures is kept.
        hourly_items: how many distinct items of one factor an owner can bring into the state in an hour: its most
            frequent ones. None: any number.
        owner_items: how many of one factor the state keeps of an owner; the faintest go once a day. None: any number.
        site_items: the same of a site; a tenth of it is what all owners together can bring in an hour.
    """

    name: str
    model: str
    what: tuple[str, ...]
    more: tuple[str, ...] = ()
    address: str = ""
    exact: bool = True
    private_exact: bool = True
    site: str = ""
    site_factors: tuple[str, ...] = ()
    account_factors: tuple[str, ...] = ()
    spread: str = ""
    error_ratio: bool = True
    hourly_items: int | None = 200
    owner_items: int | None = 2_000
    site_items: int = 20_000

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the entity view that history needs."""
        addresses = {"source": ("source_ip",), "target": ("target",), "user": ("source_ip",)}
        addressed = addresses.get(self.address, ("source_ip", "target") if self.address else ())
        return frozenset({"time", "account", "principal", *self.what, *self.more, *addressed})

    @property
    def bounded(self) -> bool:
        """Whether the distinct items of an owner or a site are limited."""
        return self.hourly_items is not None


_CLOUDTRAIL = Family(
    "cloudtrail",
    "cloudtrail",
    ("peer", "action", "service", "error", "user_agent", "region", "read_only"),
    more=("detail",),
    address="source",
    account_factors=("wide_network", "agent"),
    error_ratio=False,
    # Actions, regions and clients are few by themselves, and everything a person did counts.
    hourly_items=None,
    owner_items=None,
)
_VPC_FLOW = Family(
    "vpc_flow",
    "vpc_flow",
    ("peer", "action", "service"),
    more=("bytes", "packets"),
    address="target",
    account_factors=("wide_network",),
    spread="remote",
    hourly_items=500,
    owner_items=5_000,
)
_WEB = Family(
    "web",
    "web",
    ("peer", "action", "service", "error", "user_agent", "target"),
    address="user",
    exact=False,
    private_exact=False,
    site="peer",
    site_factors=("path", "client", "agent", "method"),
    spread="template",
)
_DNS = Family(
    "dns",
    "dns",
    ("peer", "action", "service", "error"),
    more=("target",),
    exact=False,
    site="account",
    site_factors=("domain",),
    site_items=100_000,
)
_GENERIC = Family(
    "generic",
    "generic",
    ("peer", "action", "service", "error", "user_agent", "region", "read_only"),
    more=("bytes",),
    address="other",
    exact=False,
    account_factors=("wide_network", "agent"),
)
# The "error" of a finding is its severity: that says nothing about who fails.
_FINDINGS = replace(_GENERIC, name="findings", what=tuple(name for name in _GENERIC.what if name != "error"))

FAMILIES: dict[str, Family] = {each.name: each for each in (_CLOUDTRAIL, _VPC_FLOW, _WEB, _DNS, _GENERIC, _FINDINGS)}

_NAMES = {
    "cloudtrail": ("cloudtrail",),
    "vpc_flow": ("vpc_flow", "tgw_flow"),
    "web": ("alb", "elb", "cloudfront", "cloudfront_realtime", "waf", "s3_access", "web_access", "w3c"),
    "dns": ("route53_resolver", "route53_public"),
    "findings": ("guardduty", "securityhub"),
    "generic": (
        *("aws_config", "cef", "cloudwatch_export", "cloudwatch_logs", "csv", "eks_audit", "json_lines", "leef"),
        *("logfmt", "network_firewall", "nlb", "ocsf", "rds_audit", "syslog", "zeek", "zeek_json"),
    ),
}  # fmt: skip
_FAMILY_OF = {log_format: FAMILIES[name] for name, formats in _NAMES.items() for log_format in formats}

#: Every format that can be scored.
FORMATS: tuple[str, ...] = tuple(_FAMILY_OF)


def family_of(log_format: str) -> Family:
    """How the events of a format are counted.

    Raises:
        ConfigurationError: the format has no keys here.
    """
    if log_format not in _FAMILY_OF:
        raise ConfigurationError(f"format {log_format!r} cannot be scored; formats with keys: {', '.join(FORMATS)}")
    return _FAMILY_OF[log_format]
