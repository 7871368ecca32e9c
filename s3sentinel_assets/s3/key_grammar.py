"""What a key says by itself: account, region and time by a source's prefix template, and the hour of its log.

Belongs here: understanding one key, and narrowing a source to some keys. Does not belong here: finding keys
(``prefixes``, ``listing``), the names that AWS's services give to files (``key_time``).
"""

import functools
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.s3.key_template import FOUND, UNPADDED, pattern_of, segments
from s3sentinel_assets.s3.key_time import hour_in_name, hour_text, instant_of

__all__ = ["KeyFilter", "KeyGrammar", "KeyParts", "Precision", "key_hour"]

Precision = Literal["year", "month", "day", "hour"]

_PRECISIONS: dict[str, Precision] = {
    "yyyy": "year", "mm": "month", "m": "month", "dd": "day", "d": "day", "hh": "hour",
}  # fmt: skip
_LONGEST = {"year": timedelta(days=366), "month": timedelta(days=31), "day": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key says in the fields of its template; None for what the template does not have.

    Attributes:
        account: the account.
        region: the region.
        organization: the organisation.
        instant: start of the year, month, day or hour, aware, UTC.
        precision: which of these.
    """

    account: str | None
    region: str | None
    organization: str | None
    instant: datetime | None
    precision: Precision | None


class KeyGrammar:
    """A prefix template as the test of a key: does it begin as the template wants, and what does it say?

    Args:
        template: a checked template (see ``config.SourceSettings.prefix``).

    Attributes:
        template: the template.
        fields: its fields; each folder by a number of its own.
        precision: how far its date fields go.
        start: the literal text that all its keys begin with.
    """

    def __init__(self, template: str) -> None:
        pattern, fields, start = "", dict[str, None](), ""
        for literal, field in (piece for segment in segments(template) for piece in segment):
            pattern += re.escape(literal)
            start += "" if fields else literal
            if field is not None:
                pattern += f"(?P={field})" if field in fields else f"(?P<{field}>{pattern_of(field)})"
                fields[field] = None
        self.template = template
        self.fields = frozenset(fields)
        self.start = start
        self.precision: Precision | None = None
        for field, precision in _PRECISIONS.items():
            self.precision = precision if field in fields else self.precision
        self._twice = [(short, long) for short, long in UNPADDED.items() if {short, long} <= self.fields]
        self._regex = re.compile(pattern)
        self._last: str | None = None

    def _match(self, key: str) -> tuple[dict[str, str], datetime | None, int] | None:
        match = self._regex.match(key)
        if match is None:
            return None
        found, instant = match.groupdict(), None
        if any(int(found[short]) != int(found[long]) for short, long in self._twice):
            return None
        if self.precision:
            instant = instant_of(
                found["yyyy"],
                found.get("mm") or found.get("m") or "1",
                found.get("dd") or found.get("d") or "1",
                found.get("hh") or "0",
            )
            if instant is None:
                return None
        return found, instant, match.end()

    def match(self, key: str) -> KeyParts | None:
        """What the key says; None when it does not begin as the template wants, or with a date that does not exist."""
        matched = self._match(key)
        if matched is None:
            return None
        found, instant, _ = matched
        return KeyParts(found.get("account"), found.get("region"), found.get("organization"), instant, self.precision)

    def matches(self, key: str) -> bool:
        """Whether `match` finds something; cheap for keys of one folder after the other."""
        # What matched once, at the beginning of a key, matches at the beginning of any.
        last = self._last
        if last is not None and key.startswith(last):
            return True
        matched = self._match(key)
        if matched is None:
            return False
        self._last = key[: matched[2]]
        return True


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Narrows a source to the keys of an account, of a region, or that begin with some text.

    Attributes:
        account: 12 digits; needs ``{account}`` in the source's prefix.
        region: such as ``eu-central-1``; needs ``{region}``.
        prefix: how the keys begin, from the first character of the key.
    """

    account: str | None = None
    region: str | None = None
    prefix: str | None = None

    @property
    def found(self) -> dict[str, str]:
        """The fields that need not be found in the bucket, because they are given."""
        given = {"account": self.account, "region": self.region}
        return {field: value for field, value in given.items() if value}

    def check(self, grammar: KeyGrammar) -> None:
        """Checks that keys of this template can be narrowed this way.

        Raises:
            UserError: the template lacks a field, a value does not look like one, or no key begins so.
        """
        for field, value in self.found.items():
            if field not in grammar.fields:
                raise UserError(
                    f"the source's prefix {grammar.template!r} has no {{{field}}}, so its keys cannot be narrowed by "
                    f"{field}; use --prefix (prefix in the web interface) with the beginning of the wanted keys"
                )
            if not re.fullmatch(FOUND[field], value):
                example = {"account": "12 digits", "region": "a region's name, such as eu-central-1"}[field]
                raise UserError(f"{field} {value!r} is not {example}; correct it")
        if self.prefix and not (self.prefix.startswith(grammar.start) or grammar.start.startswith(self.prefix)):
            raise UserError(
                f"no key of the source begins with {self.prefix!r}: its prefix is {grammar.template!r}; give the "
                "beginning of a key, without the bucket and without a leading slash"
            )

    def matches(self, grammar: KeyGrammar, key: str) -> bool:
        """Whether the key is one of the source's and of this filter.

        Raises:
            UserError: see `check`.
        """
        self.check(grammar)
        if self.prefix and not key.startswith(self.prefix):
            return False
        if not (self.account or self.region):
            return grammar.matches(key)
        parts = grammar.match(key)
        return (
            parts is not None
            and (not self.account or parts.account == self.account)
            and (not self.region or parts.region == self.region)
        )


_grammar = functools.lru_cache(maxsize=256)(KeyGrammar)


@functools.lru_cache(maxsize=4096)
def _around(instant: datetime, precision: Precision) -> tuple[str, str]:
    """The first and the last hour that go with a date in a key, a day more on both sides.

    Time zones, and files named by the end of an interval that began on the day before.
    """
    day = timedelta(days=1)
    return hour_key(instant - day), hour_key(instant + _LONGEST[precision] + day)


def key_hour(source: SourceSettings | KeyGrammar, key: str) -> str | None:
    """The hour that the key itself says, for ``hour_from: key``.

    A configured ``key_time`` alone decides. Else it is the template's fields where they go down to ``{hh}``, else the
    time in names of the kind that AWS's services give (`key_time.hour_in_name`), unless it contradicts the template's
    date by more than a day.

    Args:
        source: a source, or just the grammar of its prefix.
        key: the key.

    Returns:
        The hour key; None when the key says no hour, or one that does not exist.
    """
    if isinstance(source, KeyGrammar):
        grammar = source
    elif source.key_time is not None:
        match = _compiled(source.key_time).search(key)
        digits = match.group("yyyy", "mm", "dd", "hh") if match else (None,)
        return None if None in digits else hour_text(*digits)
    else:
        grammar = _grammar(source.prefix)
    if grammar.precision is None:
        return hour_in_name(key)
    parts = grammar.match(key)
    if parts is not None and parts.precision == "hour" and parts.instant is not None:
        return _hour_of(parts.instant)
    hour = hour_in_name(key)
    if hour is None or parts is None or parts.instant is None or parts.precision is None:
        return hour
    first, last = _around(parts.instant, parts.precision)
    return hour if first <= hour <= last else None


_compiled = functools.lru_cache(maxsize=64)(re.compile)
_hour_of = functools.lru_cache(maxsize=4096)(hour_key)
