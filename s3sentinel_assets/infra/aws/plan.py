"""What the configuration asks of AWS: which buckets are read and how far, which queues serve whom, which role reads.

Belongs here: the configuration brought into the form that documents are made from, and the questions it leaves open.
Does not belong here: the role's own settings (``trust``), any document (``template``, ``documents``).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from s3sentinel_assets.config import Config, SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.infra.aws.names import queue_name
from s3sentinel_assets.infra.aws.patterns import event_prefix, key_pattern, shortest, static_start
from s3sentinel_assets.infra.aws.trust import Trust, make_trust
from s3sentinel_assets.s3.digests import digest_template, log_template
from s3sentinel_assets.s3.queue import queue_region

__all__ = ["ExistingQueue", "Plan", "ReadBucket", "make_plan"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,40}")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", re.ASCII)
_ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint/[a-z0-9-]+", re.ASCII)
_QUEUE_PATH = re.compile(r"/(\d{12})/([A-Za-z0-9_-]{1,80}(?:\.fifo)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReadBucket:
    """A bucket (or access point) and what is read of it.

    Attributes:
        name: the bucket's name, or the ARN of an access point.
        region: where it lies.
        owner: the account that ``expected_bucket_owner`` names.
        sources: who reads it.
        woken: of these, whom the stack's queue for it wakes; empty: the stack makes none.
        starts: fixed text that all listed prefixes begin with.
        keys: IAM patterns of the objects that are read.
        event_prefixes: how the keys begin whose events ``woken`` needs; ``("",)``: all.
    """

    name: str
    region: str
    owner: str | None
    sources: tuple[str, ...]
    woken: tuple[str, ...]
    starts: tuple[str, ...]
    keys: tuple[str, ...]
    event_prefixes: tuple[str, ...]

    @property
    def is_access_point(self) -> bool:
        """Whether the name is the ARN of an access point."""
        return self.name.startswith("arn:")


@dataclass(frozen=True, slots=True)
class ExistingQueue:
    """A queue of the configuration that this stack does not make; the role may read it."""

    region: str
    account: str
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the documents are made from.

    Attributes:
        name: of the stack; queues are called by it.
        account: where the stack is deployed, as far as that is known.
        home: the region whose template holds the role.
        buckets: what is read, by name.
        queues: existing queues.
        trust: the role and who may assume it.
        asks_public_keys: whether CloudTrail is asked for its public keys.
        sections: source → where its access stands in the configuration: ``aws`` or ``sources.<name>.aws``.
    """

    name: str
    account: str | None
    home: str
    buckets: tuple[ReadBucket, ...]
    queues: tuple[ExistingQueue, ...]
    trust: Trust
    asks_public_keys: bool
    sections: dict[str, str]

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that need a template, the home first."""
        others = {bucket.region for bucket in self.buckets if bucket.woken} - {self.home}
        return (self.home, *sorted(others))


def make_plan(
    config: Config,
    *,
    sources: Sequence[str] = (),
    name: str = "s3sentinel",
    account: str | None = None,
    oidc_issuer: str | None = None,
) -> Plan:
    """What the enabled sources need.

    Args:
        config: the configuration.
        sources: only these; by default all that are enabled.
        name: of the stack.
        account: 12 digits, where the stack is deployed; by default that of the configured role.
        oidc_issuer: the role is assumed with tokens of this issuer, such as
            ``oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF``.

    Raises:
        ConfigurationError: there is no source of that name.
        UserError: one stack cannot serve these sources, or an option does not fit.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"--name {name!r} cannot name a stack: use letters, digits and '-', a letter first, 41 at most")
    if account is not None and not _ACCOUNT.fullmatch(account):
        raise UserError(f"--account {account!r} is not an account id of 12 digits; correct it")
    chosen = [config.source(each) for each in dict.fromkeys(sources)] or [
        source for source in config.sources.values() if source.enabled
    ]
    if not chosen:
        raise UserError("no source is enabled, so there is nothing to allow; enable one, or name some with --source")
    trust = make_trust(config, chosen, oidc_issuer)
    account = account or trust.account
    by_bucket: dict[str, list[SourceSettings]] = {}
    for source in chosen:
        _check_bucket(source)
        by_bucket.setdefault(source.bucket, []).append(source)
    existing = {source.name: queue for source in chosen if (queue := _existing(config, source, name)) is not None}
    buckets = tuple(_bucket(config, readers, existing) for _, readers in sorted(by_bucket.items()))
    regions = sorted({bucket.region for bucket in buckets})
    return Plan(
        name=name,
        account=account,
        home=config.aws.region if config.aws.region in regions else regions[0],
        buckets=buckets,
        queues=tuple(sorted(set(existing.values()), key=lambda queue: (queue.region, queue.account, queue.name))),
        trust=trust,
        asks_public_keys=any(
            source.verifies_digests and not (source.digests and source.digests.public_keys_file) for source in chosen
        ),
        sections={source.name: f"sources.{source.name}.aws" if source.aws else "aws" for source in chosen},
    )


def _check_bucket(source: SourceSettings) -> None:
    bucket, leave_out = source.bucket, "or name the other sources with --source"
    if bucket.endswith("-s3alias"):
        raise UserError(
            f"sources.{source.name}.bucket is the alias of an access point, from which its ARN cannot be told; write "
            f"the ARN there, {leave_out}"
        )
    if bucket.endswith(("--x-s3", "--xa-s3")):
        raise UserError(
            f"sources.{source.name}.bucket is a directory bucket, which has rights of its own (s3express) and no "
            f"notifications; allow it by hand, {leave_out}"
        )
    if not (_BUCKET.fullmatch(bucket) or _ACCESS_POINT.fullmatch(bucket)):
        raise UserError(
            f"sources.{source.name}.bucket is neither a bucket's name nor the ARN of an access point; correct it, "
            f"{leave_out}"
        )


def _existing(config: Config, source: SourceSettings, stack: str) -> ExistingQueue | None:
    """The queue that the source has already; None where it has none, or the one that this stack makes."""
    if source.queue_url is None:
        return None
    found = _QUEUE_PATH.fullmatch(urlsplit(source.queue_url).path)
    if not found:
        raise UserError(
            f"sources.{source.name}.queue_url does not end with an account id and the queue's name, so that no right "
            "can be given for it; write the URL as SQS gives it"
        )
    if not source.bucket.startswith("arn:") and found[2] == queue_name(stack, source.bucket):
        return None
    return ExistingQueue(queue_region(source.queue_url) or config.aws_access(source).region, found[1], found[2])


def _bucket(config: Config, readers: Sequence[SourceSettings], existing: dict[str, ExistingQueue]) -> ReadBucket:
    bucket = readers[0].bucket
    access = [config.aws_access(source) for source in readers]
    region = _one(bucket, "region", (each.region for each in access))
    owner = _one(bucket, "expected_bucket_owner", (each.expected_bucket_owner for each in access))
    templates = [template for source in readers for template in _templates(source)]
    woken = [source for source in readers if source.name not in existing and not bucket.startswith("arn:")]
    return ReadBucket(
        name=bucket,
        region=region or "",
        owner=owner,
        sources=tuple(sorted(source.name for source in readers)),
        woken=tuple(sorted(source.name for source in woken)),
        starts=shortest(map(static_start, templates)),
        keys=tuple(sorted(set(map(key_pattern, templates)))),
        event_prefixes=shortest(event_prefix(static_start(source.prefix)) for source in woken),
    )


def _templates(source: SourceSettings) -> list[str]:
    """The prefix templates below which the source is read; with CloudTrail's digests two or three."""
    found = [source.prefix]
    if source.verifies_digests:
        found += [template for template in (digest_template(source), log_template(source)) if template is not None]
    return found


def _one(bucket: str, key: str, values: Iterable[str | None]) -> str | None:
    found = sorted({value for value in values if value is not None})
    if len(found) > 1:
        raise UserError(
            f"the sources of bucket {bucket} have different values of aws.{key} ({found[0]}, {found[1]}); a bucket has "
            "one: correct them"
        )
    return found[0] if found else None
