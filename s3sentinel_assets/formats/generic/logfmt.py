r"""Lines of ``key=value`` pairs and nothing else, as Go programs and many others write them.

Source: "logfmt" (brandur.org/logfmt) and the reader that others follow (pkg.go.dev/github.com/kr/logfmt): values stand
in double quotes where they hold blanks, ``\"`` and ``\\`` are escapes; a key alone means true.

Belongs here: such lines, and which keys stand for time, level, message and the like. Does not belong here: pairs in
other formats.

Decisions: a line needs two pairs at least, and more pairs than keys that stand alone. ``Fields`` has all pairs that
have no column of their own; the first of several keys for one column wins it.
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.line_logs.pairs import KEY, ROW, VALUE, json_objects, to_columns
from s3sentinel_assets.formats.line_logs.text_lines import FITS, Arrival, TextLineParser, head_lines
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.model import Verdict

__all__ = ["LogfmtParser"]

_NAME = r"[^ \t=\"\x00-\x1f\x7f{}\[\](),;|]+"
_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^ \t"]*)'
_TOKEN = rf"{_NAME}(?:={_VALUE})?"
_LINE = rf"^[ \t]*{_NAME}={_VALUE}(?:[ \t]+{_TOKEN})*[ \t]*$"
_BYTES_LINE, _BYTES_TOKEN = re.compile(_LINE.encode()), re.compile(_TOKEN.encode())
#: Column → keys for it, the most usual first.
_KEYS = {
    "level": ("level", "lvl", "severity", "loglevel", "log_level"),
    "message": ("msg", "message"),
    "host": ("host", "hostname"),
    "logger": ("logger", "component"),
    "process_name": ("app", "service", "process", "program"),
    "process_id": ("pid",),
    "trace_id": ("trace_id", "traceID", "traceid", "traceId"),
    "account": ("account_id", "accountId", "aws_account_id"),
    "region": ("region", "aws_region"),
    "when": ("time", "ts", "timestamp", "@timestamp", "t", "datetime", "date"),
}
_KNOWN = {name for names in _KEYS.values() for name in names}
_ERROR = r"(?i)^(?:error|err|fatal|panic|crit|critical|alert|emerg)"

NATIVE = TableMapping(
    "S3Events_CL",
    {
        "Format": constant("logfmt"),
        "AccountId": field("account", "account_id"),
        "Region": field("region"),
        "Host": field("host"),
        "Level": field("level"),
        "Logger": field("logger"),
        "ProcessName": field("process_name", "app"),
        "ProcessId": field("process_id", "pid"),
        "TraceId": field("trace_id"),
        "Message": field("message", "msg"),
        "Fields": derived("all other pairs, as text", pl.col("fields")),
        "RawData": derived("the line", pl.col("_line")),
    },
    entities={
        "account": field("account", "account_id"),
        "region": field("region"),
        "principal": derived(
            "`user`, else `process_name` or `host`", pl.coalesce("user", "process_name", "host")
        ),
        "service": field("process_name", "app"),
        "action": derived(
            "program and level: `api/info`", pl.concat_str("process_name", "level", separator="/", ignore_nulls=True)
        ),
        "error": derived("`level` from error up", pl.when(pl.col("level").str.contains(_ERROR)).then("level")),
    },
    note="Other names of the same keys, such as `severity` for `level`, fill the same columns.",
)  # fmt: skip


class LogfmtParser(TextLineParser):
    """Parses lines of key=value pairs."""

    name: ClassVar[str] = "logfmt"
    title: ClassVar[str] = "a log of key=value lines"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    keep_line: ClassVar[bool] = True

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - names say nothing
        """Lines of pairs: low, as any text may look so; lowest where there are but two of them in a line."""
        if b"=" not in head:
            return Verdict(0.0, "there is no =")
        lines = head_lines(head)
        found = [_pairs_in(line) for line in lines]
        share = sum(count > 1 for count in found) / len(found) if found else 0.0
        many = sum(count > 2 for count in found) / len(found) if found else 0.0
        return Verdict(0.35 * share + 0.15 * many, f"{share:.0%} of {len(lines)} lines are pairs and nothing else")

    def take_apart(self, lines: pl.Series, arrival: Arrival) -> pl.DataFrame:
        """Pairs; see `TextLineParser.take_apart`."""
        tokens = pl.DataFrame(
            {ROW: pl.int_range(lines.len(), dtype=pl.UInt32, eager=True), "token": lines.str.extract_all(_TOKEN)}
        ).explode("token")
        cut = tokens["token"].str.splitn("=", 2).struct.rename_fields([KEY, VALUE]).struct.unnest()
        pairs = _unquoted(cut.hstack([tokens[ROW]]))
        counts = pairs.group_by(ROW, maintain_order=True).agg(pl.col(VALUE).count().alias("pairs"), pl.len())
        counts = counts.filter((pl.col("pairs") > 1) & (pl.col("pairs") * 2 > pl.col("len")))
        # A line without a token has no row here.
        enough = pl.Series([False]).new_from_index(0, lines.len()).scatter(counts[ROW], values=True)
        known, rest = to_columns(pairs.drop_nulls(KEY), lines.len(), _KNOWN)
        frame, others = _chosen(known, rest)
        frame = frame.with_columns(
            (lines.str.contains(_LINE) & enough).alias(FITS), json_objects(others, lines.len()).alias("fields")
        )
        frame = frame.hstack(to_columns(rest.filter(pl.col(KEY) == "user"), lines.len(), ["user"])[0])
        return self.with_time(frame, arrival, frame["when"]).drop("when")


def _unquoted(pairs: pl.DataFrame) -> pl.DataFrame:
    """Values without quotes and escapes."""
    value = pl.col(VALUE)
    if not pairs[VALUE].str.starts_with('"').any():
        return pairs
    inner = value.str.slice(1).str.head(-1)
    if pairs[VALUE].str.contains("\\", literal=True).any():
        inner = inner.str.replace_many(
            ["\\\\", '\\"', "\\n", "\\t", "\\r"], ["\\", '"', "\n", "\t", "\r"], leftmost=True
        )
    return pairs.with_columns(pl.when(value.str.starts_with('"')).then(inner).otherwise(value).alias(VALUE))


def _chosen(known: pl.DataFrame, rest: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A column for each of `_KEYS`, and the pairs that have no column: ``rest`` and those that others came before."""
    columns, left = [], [rest]
    for column, names in _KEYS.items():
        there = [name for name in names if name in known.columns]
        best = pl.Series(column, [None], dtype=pl.String()).new_from_index(0, known.height)
        for name in there:
            beaten = best.is_not_null() & known[name].is_not_null()
            if beaten.any():
                places = beaten.arg_true().alias(ROW)
                left.append(
                    pl.DataFrame([places, known[name].filter(beaten).alias(VALUE)]).select(
                        pl.lit(name).alias(KEY), VALUE, ROW
                    )
                )
            best = best.zip_with(best.is_not_null(), known[name])
        columns.append(best.alias(column))
    others = pl.concat(left).sort(ROW, maintain_order=True) if len(left) > 1 else rest
    return pl.DataFrame(columns), others


def _pairs_in(line: bytes) -> int:
    """How many pairs a line has; 0 where it is no line of pairs."""
    if not _BYTES_LINE.match(line):
        return 0
    tokens = [b"=" in token for token in _BYTES_TOKEN.findall(line)]
    return sum(tokens) if sum(tokens) * 2 > len(tokens) else 0
