"""Writing CloudTrail records as JSON text, from templates that are compiled once.

Belongs here: sessions, filling templates, the text of a file. Does not belong here: the shape of a record
(``records``), who does what (``cast``), when files are delivered (``layout``) or how many events an hour has
(``generator``).
"""

import base64
import functools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from s3sentinel_assets.local.generator.calls import CALLS
from s3sentinel_assets.local.generator.cast import Principal, estate
from s3sentinel_assets.local.generator.draws import hexadecimal, rng_for, unique_id, uuid_text
from s3sentinel_assets.local.generator.records import record_with_slots

__all__ = ["Scribe", "Session", "records_file"]

_TIME = "%Y-%m-%dT%H:%M:%SZ"
#: Slots whose value is drawn afresh for every event; all other slots come from a principal's or an account's things.
_FRESH: dict[str, Callable[[random.Random], str]] = {
    "hex16": lambda rng: hexadecimal(rng, 16),
    "id2": lambda rng: base64.b64encode(rng.randbytes(56)).decode(),
    "size": lambda rng: str(int(rng.paretovariate(1.2) * 300)),
    "temporary": lambda rng: unique_id(rng, "")[:16],
    "shared_id": uuid_text,
    "token": lambda rng: "IQoJb3JpZ2luX2VjE" + hexadecimal(rng, 96),
}


@dataclass(frozen=True)
class Session:
    """One sign-in of a principal: the part of ``userIdentity`` that stays the same for hours.

    Attributes:
        name: role session name, user or service.
        access_key: the key id in use.
        created: when the session began.
        address: where its calls come from.
        agent: its user agent.
    """

    name: str
    access_key: str
    created: datetime
    address: str
    agent: str


@dataclass(frozen=True)
class _Template:
    text: str
    slots: tuple[str, ...]


class Scribe:
    """Writes records of one seed's cast.

    Args:
        seed: the generator's seed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._session = functools.lru_cache(maxsize=4096)(self._make_session)
        self._template = functools.lru_cache(maxsize=8192)(self._make_template)

    def session(self, principal: Principal, when: datetime, rng: random.Random) -> Session:
        """The session a principal uses at this instant; machines renew theirs every six hours, people every day."""
        hour = principal.hours[0] if principal.kind == "sso" else when.hour // 6 * 6
        block = when.replace(hour=hour, minute=0, second=0)
        choices = max(len(principal.networks), len(principal.agents))
        return self._session(principal, block.replace(microsecond=0), int(rng.random() * choices))

    def _make_session(self, principal: Principal, block: datetime, choice: int) -> Session:
        rng = rng_for(
            self._seed, "session", principal.account, principal.role, principal.name, block.isoformat(), choice
        )
        names = principal.name.split(" ")
        permanent = principal.kind == "user"
        if permanent:  # a user's key is as old as the user
            rng = rng_for(self._seed, "key", principal.account, principal.name)
        return Session(
            name=names[choice % len(names)],
            access_key=unique_id(rng, "AKIA" if permanent else "ASIA"),
            created=block - timedelta(seconds=rng.randrange(30, 1500)),
            address=principal.networks[choice % len(principal.networks)],
            agent=principal.agents[choice % len(principal.agents)],
        )

    def write(
        self,
        principal: Principal,
        session: Session,
        name: str,
        when: datetime,
        region: str,
        rng: random.Random,
        *,
        error: str | None = None,
        values: dict[str, str] | None = None,
    ) -> str:
        """One record as JSON text.

        Args:
            principal: who calls.
            session: with which sign-in.
            name: key of `calls.CALLS`.
            when: event time.
            region: where the call is recorded.
            rng: source of what differs from event to event.
            error: ``errorCode`` of a failed call.
            values: slot values that take precedence over drawn ones.
        """
        template = self._template(principal, name, error)
        things = estate(self._seed, principal.account)
        slots: dict[str, str] = {
            "event_id": uuid_text(rng),
            "request_id": uuid_text(rng),
            "event_time": when.strftime(_TIME),
            "region": region,
            "account": principal.account,
            "session": session.name,
            "access_key": session.access_key,
            "created": session.created.strftime(_TIME),
            "address": session.address,
            "agent": session.agent,
        }
        for slot in template.slots:
            if fresh := _FRESH.get(slot):
                slots[slot] = fresh(rng)
            elif slot in _DERIVED:
                slots[slot] = _DERIVED[slot](when, session)
            else:
                pool = principal.own.get(slot) or things[slot]
                slots[slot] = pool[int(rng.random() * len(pool))]
        if values:
            slots |= values
        return template.text % slots

    def _make_template(self, principal: Principal, name: str, error: str | None) -> _Template:
        record = record_with_slots(self._seed, principal, CALLS[name], error)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        # S3 counts bytes as numbers, and a slot inside JSON text is always quoted: take those quotes off again.
        text = text.replace('"%(size)s"', "%(size)s")
        wanted = {part.split(")s", 1)[0] for part in text.split("%(")[1:]}
        return _Template(text, tuple(sorted(wanted - _ALWAYS)))


_ALWAYS = {
    "event_id",
    "request_id",
    "event_time",
    "region",
    "account",
    "session",
    "access_key",
    "created",
    "address",
    "agent",
}
_DERIVED: dict[str, Callable[[datetime, Session], str]] = {
    "expires": lambda when, _: (when + timedelta(hours=1)).strftime("%b %d, %Y, %I:%M:%S %p"),
    "written_time": lambda when, _: when.strftime("%b %d, %Y, %I:%M:%S %p"),
    "epoch": lambda when, _: str(int(when.timestamp())),
    "day": lambda when, _: when.strftime("%Y/%m/%d"),
    "role_session": lambda _, session: session.name,
}


def records_file(records: Sequence[str]) -> str:
    """The text of a CloudTrail file."""
    return '{"Records":[' + ",".join(records) + "]}"
