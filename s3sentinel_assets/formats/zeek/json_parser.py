"""Zeek's logs as JSON lines, and as Corelight's sensors export them.

Source: Zeek, "Zeek Log Formats and Inspection", section "Zeek JSON Format Logs" (docs.zeek.org/en/master/
log-formats.html); Corelight's exporters add ``_path``, ``_system_name`` and ``_write_ts``.

Belongs here: reading, and telling the log by its fields where it does not say its name. Does not belong here: fields
(``fields``), tables (``columns``), tab-separated logs (``zeek``).

``ts`` may be seconds, milliseconds or an ISO time, as Zeek is configured.
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.json_logs import TEXT, any_time, looks_like_json, peek
from s3sentinel_assets.formats.json_logs.sparse import SparseJsonParser, sparse_record
from s3sentinel_assets.formats.json_logs.values import plain_texts
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import Verdict
from s3sentinel_assets.formats.zeek.columns import MAPPINGS, RECORD, WRITTEN
from s3sentinel_assets.formats.zeek.fields import FIELDS, GROUPS, KNOWN, PATH

__all__ = ["ZeekJsonParser"]

_TYPES = {
    "text": str | None, "int": int | None, "float": float | None, "bool": bool | None, "list": msgspec.Raw,
    "any": msgspec.Raw,
}  # fmt: skip
#: One of these a record of Zeek's has; the later ones are of logs that are about no connection.
_MARKS = (
    "uid", PATH, "id.orig_h", "fuid", "uids", "conn_uids", "certificate.version", "compile_ts", "ts_delta", "peer",
    "software_type", "port_num", "node",
)  # fmt: skip
_READ = {name: _TYPES[kind] for name, kind in FIELDS.items()}
_READ |= {name: msgspec.Raw for name in _MARKS if name not in FIELDS}
#: Fields that tell the log, where it does not say its name.
_TELLING = {
    "conn": (("conn_state",),),
    "dns": (("qtype_name",), ("rcode_name",), ("qclass_name",), ("trans_id", "query")),
    "http": (("method", "host"), ("host", "uri"), ("resp_mime_types",), ("trans_depth", "response_body_len")),
}
#: SIP's requests look like those of HTTP, but for this.
_SIP = '"call_id"'
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ZeekJsonParser(SparseJsonParser):
    """Parses Zeek's logs as JSON."""

    name: ClassVar[str] = "zeek_json"
    title: ClassVar[str] = "a Zeek log as JSON"
    native: ClassVar[tuple[TableMapping, ...]] = MAPPINGS
    fields: ClassVar = _READ
    required: ClassVar = ("ts", _MARKS)
    Record = sparse_record(tuple((name, _READ[name]) for name in ("ts", *_MARKS)))

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """``ts`` with the name of a log, a connection or a file."""
        if not looks_like_json(head):
            return Verdict(0.0, "it is not JSON")
        best = 0.0
        for record in peek(head):
            has = record.keys()
            if "ts" not in has:
                continue
            if PATH in has or {"uid", "id.orig_h"} <= has:
                best = max(best, 0.96)
            elif "id.orig_h" in has or {"fuid", "source", "seen_bytes"} <= has or {"uids", "client_addr"} <= has:
                best = max(best, 0.9)
            elif "certificate.version" in has or {"compile_ts", "is_exe"} <= has:
                best = max(best, 0.85)
        return Verdict(best, "JSON with the fields of a Zeek log" if best else "it has none of a Zeek log's fields")

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``ts``."""
        return any_time(frame["ts"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the name of the log, when records were written, the record, and fields that have no column."""
        written = any_time(raw["_write_ts"]) if "_write_ts" in raw.columns else None
        texts = [name for name, kind in FIELDS.items() if kind == "any" and name in raw.columns]
        raw = raw.with_columns(plain_texts(raw[name]).alias(name) for name in texts)
        said = raw[PATH].is_not_null()
        raw = raw.with_columns(_path(raw).alias(PATH), pl.col(TEXT).alias(RECORD))
        if written is not None:
            raw = raw.with_columns(written.alias(WRITTEN))
        return raw.with_columns(_unplaced(raw, said).alias(EXTRA)).drop(TEXT)


def _path(raw: pl.DataFrame) -> pl.Expr:
    """The name of the log: its own, else by its fields."""
    found = pl.lit(None, dtype=pl.String)
    for path, alternatives in reversed(_TELLING.items()):
        fitting = [
            pl.all_horizontal(pl.col(name).is_not_null() for name in names)
            for names in alternatives
            if all(name in raw.columns for name in names)
        ]
        if fitting:
            found = pl.when(pl.any_horizontal(fitting)).then(pl.lit(path)).otherwise(found)
    return pl.coalesce(PATH, pl.when(~pl.col(TEXT).str.contains(_SIP, literal=True)).then(found))


def _unplaced(raw: pl.DataFrame, path_said: pl.Series) -> pl.Series:
    """Fields that the record's mapping does not place, as a JSON object; null for logs that are kept whole.

    ``path_said``: which records named their log. A record that has as many members as there are values in its columns
    has no others.
    """
    extra = pl.Series(EXTRA, [None], dtype=pl.String).new_from_index(0, raw.height)
    members = raw[TEXT].str.count_matches(r'"\s*:')
    for group, paths in GROUPS.items():
        known = KNOWN[group]
        placed = [pl.col(name).is_not_null() for name in known if name in raw.columns and name != PATH]
        counts = raw.select(pl.sum_horizontal(placed).cast(pl.Int64)).to_series() + path_said.cast(pl.Int64)
        more = (raw[PATH].is_in(list(paths)) & (members.cast(pl.Int64) != counts)).fill_null(value=False)
        if more.any():
            places = more.arg_true()
            extra = extra.scatter(places, [_others(text, known) for text in raw[TEXT].gather(places)])
    return extra


def _others(text: str, known: Mapping[str, str]) -> str | None:
    try:
        others = {name: value for name, value in _MEMBERS.decode(text).items() if name not in known}
    except (ValueError, RecursionError):
        return None
    return msgspec.json.encode(others).decode() if others else None
