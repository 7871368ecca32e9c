"""Calls become events: errors, targets, texts and ids, and the frame in the entity view's columns.

Belongs here: what an event has besides who, what, when and where from. Does not belong here: who does what when.
"""

import uuid

import numpy as np
import polars as pl
import pyarrow as pa

from evaluation.background.draws import Floats, Integers, chance, rng_for
from evaluation.background.estate import ACCOUNTS, HABITS, REGIONS, Estate
from evaluation.background.requests import Requests
from evaluation.background.units import Units, expand
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["WORLD_SCHEMA", "Scribe"]

#: The entity view, what kind of event it is, a tag of what is hard about it, and when its file arrives.
WORLD_SCHEMA: dict[str, pl.DataType] = {
    **ENTITY_SCHEMA,
    "kind": pl.String(),
    "habit": pl.String(),
    "arrival": pl.Datetime("us", "UTC"),
}

_RESOURCES = 24
_TEXTS_OF_A_KIND = 10
_ERRORS = (
    None, "AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "ThrottlingException",
    "Client.RequestLimitExceeded", "ServiceUnavailable", "ResourceNotFoundException", "ValidationException",
    "NoSuchEntityException", "NoSuchBucketPolicy", "NoSuchTagSet", "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration", "NoSuchCORSConfiguration", "ReplicationConfigurationNotFoundError",
    "Client.InvalidInstanceID.NotFound", "NoSuchKey",
)  # fmt: skip
_CODES = {error: code for code, error in enumerate(_ERRORS)}
_XML = (
    "s3",
    "iam",
    "sts",
    "cloudformation",
    "sns",
    "sqs",
    "rds",
    "monitoring",
    "autoscaling",
    "elasticloadbalancing",
    "route53",
)
# What most buckets do not have.
_UNSET = {
    "GetBucketPolicy": "NoSuchBucketPolicy", "GetBucketTagging": "NoSuchTagSet",
    "GetBucketLifecycle": "NoSuchLifecycleConfiguration", "GetBucketCors": "NoSuchCORSConfiguration",
    "GetBucketPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
}  # fmt: skip
_PASSING = 0.004
_WINDOW = 300


class Scribe:
    """Writes the events of an hour."""

    def __init__(self, estate: Estate, names: pl.DataFrame) -> None:
        self._estate, vocabulary = estate, estate.vocabulary
        self._requests = Requests(estate)
        actors = estate.actors
        self._names = names
        self._account = np.array([actor.account for actor in actors])
        self._favourite = np.array([actor.favourite for actor in actors])
        self._deny = np.array([[actor.deny_write, actor.deny_read] for actor in actors])
        self._mutes = np.array([actor.kind == "service" for actor in actors])
        services = list(dict.fromkeys(vocabulary.services))
        self._service = np.array([services.index(service) for service in vocabulary.services])
        self._services = len(services)
        self._targets = [
            _resource(service, account, name, number)
            for account, name in zip(estate.accounts, ACCOUNTS, strict=True)
            for service in services
            for number in range(_RESOURCES)
        ]
        calls = [name.partition(":")[2] for name in vocabulary.names]
        # Lists name no resource.
        self._named = np.array(
            [service not in ("signin", "ce", "sso", "health") and not call.startswith(("List", "Lookup"))
             and not (call.startswith("Describe") and call.endswith("s")) and call != "GetCallerIdentity"
             for call, service in zip(calls, vocabulary.services, strict=True)]
        )  # fmt: skip
        self._unset = np.array([_CODES[_UNSET[call]] if service == "s3" and call in _UNSET else 0
                                for call, service in zip(calls, vocabulary.services, strict=True)])  # fmt: skip
        ec2 = np.array([service == "ec2" for service in vocabulary.services])
        xml = np.isin(np.array(vocabulary.services), _XML)
        self._denied = np.where(ec2, 3, np.where(xml, 1, 2))
        self._throttled = np.where(ec2, 5, 4)
        self._missing = np.where(ec2, 16, np.where(xml, 9, 7))
        self._moves_bytes = np.isin(np.arange(len(calls)), vocabulary.codes("s3:GetObject s3:ListObjects s3:PutObject"))
        self._texts = {
            "action": pl.Series(list(vocabulary.names)),
            "service": pl.Series(list(vocabulary.services)),
            "agent": pl.Series(estate.agents.texts),
            "network": pl.Series(estate.networks.texts),
            "target": pl.Series(self._targets),
            "region": pl.Series(list(REGIONS)),
            "error": pl.Series(list(_ERRORS), dtype=pl.String),
            "habit": pl.Series(list(HABITS), dtype=pl.String),
            "account": pl.Series(list(estate.accounts)),
        }

    def write(self, units: Units, hour: int, start: int) -> pl.DataFrame:
        """The events of the units, in order of time, in the columns of `WORLD_SCHEMA`.

        Args:
            units: what is done in the hour.
            hour: number of the hour in the world.
            start: its first second since 1970.
        """
        estate, vocabulary = self._estate, self._estate.vocabulary
        rng = rng_for(estate.seed, "events", hour)
        calls = expand(units, estate.templates, rng)
        who, code = units.who[calls.unit], calls.code
        account = self._account[who]
        region = np.where(vocabulary.everywhere[code], 0, units.region[calls.unit])
        resource = self._resource(who, code, rng)
        place = (account * self._services + self._service[code]) * _RESOURCES + resource
        error = self._errors(who, code, resource, units.fault[calls.unit], units.fault_kind[calls.unit], rng)
        moved = np.exp(rng.normal(9.5, 2.2, len(code))).astype(np.int64)
        changing = np.flatnonzero(~vocabulary.read[code] & ~vocabulary.data[code])
        moment = pl.Series(((start + calls.second) * 1_000_000), dtype=pl.Int64)
        arrival = self._arrival(account, region, calls.second, hour, start)
        null = np.flatnonzero(~self._named[code])
        columns = {
            "event_id": _ids(account, estate, rng),
            "time": moment.cast(ENTITY_SCHEMA["time"]),
            "account": self._texts["account"].gather(account),
            "region": self._texts["region"].gather(region),
            "principal": self._names["principal"].gather(who),
            "principal_type": self._names["principal_type"].gather(who),
            "peer": self._names["peer"].gather(who),
            "service": self._texts["service"].gather(code),
            "action": self._texts["action"].gather(code),
            "target": self._texts["target"].gather(place).scatter(null, None)
            if len(null)
            else self._texts["target"].gather(place),
            "source_ip": self._texts["network"].gather(units.network[calls.unit]),
            "user_agent": self._texts["agent"].gather(units.agent[calls.unit]),
            "error": self._texts["error"].gather(error),
            "read_only": pl.Series(vocabulary.read[code]),
            "bytes": _with_nulls(moved, self._moves_bytes[code] & (error == 0)),
            "packets": pl.Series([None], dtype=pl.Int64).new_from_index(0, len(code)),
            "detail": self._details(code, account, resource, place, changing),
            "severity": pl.Series([None], dtype=pl.String).new_from_index(0, len(code)),
            "kind": pl.Series(["background"]).new_from_index(0, len(code)),
            "habit": self._texts["habit"].gather(units.habit[calls.unit]),
            "arrival": pl.Series(arrival * 1_000_000, dtype=pl.Int64).cast(WORLD_SCHEMA["arrival"]),
        }
        return pl.DataFrame(columns).cast(WORLD_SCHEMA)  # type: ignore[arg-type]

    def _resource(self, who: Integers, code: Integers, rng: np.random.Generator) -> Integers:
        """Teams work with their own few resources most of the time."""
        own = np.minimum(rng.geometric(0.45, len(who)), 5) + self._favourite[who] * 5
        anywhere = rng.random(len(who)) < 0.06
        chosen = np.where(anywhere, rng.integers(0, _RESOURCES, len(who)), own)
        few = ~self._estate.vocabulary.read[code]
        return np.where(few, chosen % _TEXTS_OF_A_KIND, chosen % _RESOURCES)

    def _errors(
        self, who: Integers, code: Integers, resource: Integers, fault: Floats, kind: Integers, rng: np.random.Generator
    ) -> Integers:
        reading = self._estate.vocabulary.read[code].astype(np.int64)
        first, second = rng.random(len(code)), rng.random(len(code))
        passing = np.where(second < 0.3, self._throttled[code], np.where(second < 0.7, self._missing[code], 8))
        error = np.where((first < _PASSING) & ~self._mutes[who], passing, 0)
        unset = (self._unset[code] > 0) & (chance(self._estate.seed, resource, self._service[code] + 7) < 0.4)
        error = np.where(unset, self._unset[code], error)
        # Who may not do something may never do it.
        forbidden = chance(self._estate.seed, who, code) < self._deny[who, reading]
        error = np.where(forbidden, self._denied[code], error)
        why = np.where(kind == 0, self._throttled[code], np.where(kind == 1, self._denied[code], 6))
        return np.where(rng.random(len(code)) < fault, why, error)

    def _details(
        self, code: Integers, account: Integers, resource: Integers, place: Integers, changing: Integers
    ) -> pl.Series:
        """Request parameters of the management calls that change something, one text for each distinct case."""
        key = (code[changing] * len(ACCOUNTS) + account[changing]) * _RESOURCES + resource[changing]
        distinct, first, back = np.unique(key, return_index=True, return_inverse=True)
        at = changing[first]
        texts = [
            self._requests.text(*case)
            for case in zip(
                code[at].tolist(),
                account[at].tolist(),
                resource[at].tolist(),
                [self._targets[p] for p in place[at].tolist()],
                strict=True,
            )
        ]
        # The last text is what all other calls have.
        number = np.full(len(code), len(distinct), dtype=np.int64)
        number[changing] = back
        return pl.Series([*texts, None], dtype=pl.String).gather(number)

    def _arrival(self, account: Integers, region: Integers, second: Integers, hour: int, start: int) -> Integers:
        """When the event's file is there: one file for an account, a region and five minutes, 5 to 20 minutes late."""
        rng = rng_for(self._estate.seed, "arrival", hour)
        shape = (len(ACCOUNTS), len(REGIONS), 3_600 // _WINDOW)
        late = np.clip(rng.gamma(2.2, 150.0, shape), 15.0, 900.0).astype(np.int64)
        window = second // _WINDOW
        return start + (window + 1) * _WINDOW + late[account, region, window]


def _with_nulls(values: Integers, present: np.ndarray) -> pl.Series:
    return pl.from_arrow(pa.array(values, mask=~present))  # type: ignore[return-value]


def _resource(service: str, account: str, name: str, number: int) -> str:
    """An ARN or a name of a service's resource."""
    word = ("orders", "billing", "search", "media", "reports", "ingest", "gateway", "sessions")[number % 8]
    if service == "s3":
        return f"arn:aws:s3:::example-{name}-{word}-{number}"
    if service == "iam":
        return f"arn:aws:iam::{account}:role/{word}-{('app', 'task', 'ci')[number % 3]}-{number}"
    if service == "ec2":
        return f"i-0{uuid.uuid5(uuid.NAMESPACE_OID, f'{account}{number}').hex[:16]}"
    if service == "kms":
        return f"arn:aws:kms:us-east-1:{account}:key/{uuid.uuid5(uuid.NAMESPACE_OID, f'{account}{number}')}"
    return f"arn:aws:{service}:us-east-1:{account}:{word}/{name}-{number}"


_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def _ids(account: Integers, estate: Estate, rng: np.random.Generator) -> pl.Series:
    """``account:uuid`` for every event, laid out byte by byte."""
    count = len(account)
    numbers = np.frombuffer(rng.bytes(16 * count), dtype=np.uint8).reshape(count, 16)
    digits = np.empty((count, 32), dtype=np.uint8)
    digits[:, 0::2], digits[:, 1::2] = _HEX[numbers >> 4], _HEX[numbers & 15]
    made = np.empty((count, 49), dtype=np.uint8)
    written = np.frombuffer("".join(estate.accounts).encode(), dtype=np.uint8).reshape(-1, 12)
    made[:, :12], made[:, 12] = written[account], ord(":")
    at = 13
    for begin, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)):
        made[:, at : at + end - begin] = digits[:, begin:end]
        at += end - begin
        if end < 32:
            made[:, at] = ord("-")
            at += 1
    made[:, 13 + 14] = ord("4")
    offsets = np.arange(count + 1, dtype=np.int64) * 49
    array = pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets.tobytes()), pa.py_buffer(made.tobytes()))
    return pl.from_arrow(array)  # type: ignore[return-value]
