r"""Syslog lines → priority, time, host, program and message, whatever wrote them.

Source: RFC 3164 section 4, RFC 5424 section 6, RFC 6587 section 3.4.1 (the count in front), and rsyslog's templates
("RSYSLOG_FileFormat", "RSYSLOG_TraditionalFileFormat", "RSYSLOG_SyslogProtocol23Format", "RSYSLOG_ForwardFormat").

Belongs here: the forms of a line's header, as columns. Lines of several forms may mix. Does not belong here: Sentinel's
names for what the header says (``syslog``), reading its time (``line_logs.text_times``).

The forms, each tried on the lines that the ones before it did not fit:

1. ``<34>Oct 11 22:14:15 host sshd[42]: message``, with or without priority, or with a time as RFC 3339 has it. A word
   of severity (``INFO``), as Chrome OS writes it there, is not taken for a host.
2. ``<34>1 2003-10-11T22:14:15.003Z host app 42 ID47 [sd] message`` of RFC 5424.
3. The same without priority or version, where the structured data prove it.
4. Anything else with a priority or with a date that begins like ``Oct 11 22:14:15``: the program ends at a colon, a
   bracket or a blank as RFC 3164 says, and is left out where the first word does not look like one; without a time
   there is no host.
"""

import re
from collections.abc import Sequence

import polars as pl

from s3sentinel_assets.formats.line_logs.continued_lines import with_line_ends

__all__ = ["BSD_LINE", "FORM", "LOOSE", "PRIORITY_LINE", "STRICT_LINE", "read_headers"]

#: Column of `read_headers`: number of the form, null where none fits.
FORM = "form"
#: The number of the form that takes what follows no standard.
LOOSE = 4
_COLUMNS = ("pri", "stamp", "host", "tag", "pid", "msgid", "sd", "message")

_COUNT = r"(?:[0-9]{1,7} )?"
_PRI = r"<([0-9]{1,3})>"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
_BSD = rf"[A-Z][a-z]{{2}} [ 0-9][0-9] {_CLOCK}"
_ISO = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})"
#: A host name or an address: colons within, but none at the end.
_HOST = r":*[!-9;-~]+(?::+[!-9;-~]+)*"
_TAG = r"[%A-Za-z0-9_./\\()@+~*#$&'-]+"
_SD = r'(?:\[[^\[\]"= ]+(?: +[^\[\]"= ]+= ?"(?:[^"\\]|\\.)*")* ?\])+'

_FORM_1 = rf"^({_COUNT}(?:{_PRI} ?)?({_BSD}|{_ISO}) ({_HOST}) ({_TAG})(?:\[([0-9]+)\])?:(?: |$))"
_FORM_2 = rf"^({_COUNT}{_PRI}[0-9]{{1,2}} ([!-~]+) ([!-~]+) ([!-~]+) ([!-~]+) ([!-~]+) )"
_FORM_3 = rf"^({_COUNT}(?:{_PRI} ?)?({_ISO}) ({_HOST}) ({_HOST}) ([0-9]+|-) ([!-~]+) )"
_SD_FIRST = rf"^(-|{_SD})(?: |$)"
#: As form 4 takes it: devices put a counter, an asterisk, the year or a zone about the date.
_LOOSE_BSD = (
    rf"[A-Z][a-z]{{2}} {{1,2}}[0-9]{{1,2}}(?: [0-9]{{4}})? {_CLOCK}"
    r"(?: (?:UTC|GMT|[ECMP][SD]T|CES?T|[+-][0-9]{2}:?[0-9]{2})\b)?"
)
_LOOSE_ISO = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_CLOCK}(?:Z{{1,2}}| ?[+-][0-9]{{2}}:?[0-9]{{2}})?"
_FORM_4 = rf"^({_COUNT}(?:{_PRI} ?(?:1 )?)?:? ?(?:[0-9]+: )?[*.]?(?:({_LOOSE_BSD}|{_LOOSE_ISO}):? ?)?)"
_STARTS_DATED = rf"^{_LOOSE_BSD}"
_PROGRAM = r"^(?:: )?(([A-Za-z_/%][A-Za-z0-9_./%@+-]*)(?:\[([0-9]+)\])?(?::| |$))"
_PROGRAM_ALONE = rf"^(({_TAG})(?:\[([0-9]+)\])?:(?: |$))"
_HOST_FIRST = r"^((\[?[A-Za-z0-9_][A-Za-z0-9_.:%-]*\]?)(?: |$))"
_SEVERITY_WORD = r"^(?:EMERG|ALERT|CRIT|ERR|ERROR|WARNING|WARN|NOTICE|INFO|DEBUG)$"
_BOM = "\ufeff"

#: For detection, one line each: with a priority; in form 1 without one; with a date as RFC 3164 has it.
PRIORITY_LINE = re.compile(rf"{_COUNT}<(?:[0-9]|[1-9][0-9]|1[0-8][0-9]|19[01])>(?=.)".encode())
STRICT_LINE = re.compile(rf"(?:{_FORM_1[1:]}|{_FORM_3[1:]}(?:-|{_SD})(?: |$))".encode())
BSD_LINE = re.compile(rf"{_BSD}[ :]".encode())


def read_headers(lines: pl.Series) -> pl.DataFrame:
    """Takes syslog lines apart.

    Args:
        lines: String; a line may hold marks of `continued_lines`.

    Returns:
        A row for each line with String columns, null for what the line does not have: ``pri`` (digits), ``stamp`` (the
        time as it is written), ``host``, ``tag`` (the program), ``pid``, ``msgid``, ``sd`` (structured data of RFC
        5424), ``message`` (without blanks around it), ``word`` (the severity of Chrome OS); and `FORM` (UInt8).
    """
    # RFC 5424 first where the first line has it; no line fits both.
    first = str(lines[0]) if lines.len() else ""
    readers = [_form_1, _form_2, _form_3, _form_4]
    if re.match(rf"{_COUNT}{_PRI}[0-9] ", first):
        readers[:2] = reversed(readers[:2])
    found: list[pl.DataFrame] = []
    left = pl.DataFrame({"line": lines, "place": pl.int_range(lines.len(), dtype=pl.UInt32, eager=True)})
    for reader in readers:
        made = reader(left)
        fits = made[FORM].is_not_null()
        if fits.all():
            found.append(made)
            left = left.clear()
            break
        if fits.any():
            found.append(made.filter(fits))
            left = left.filter(~fits)
    if left.height:
        found.append(left.select("place", *(pl.lit(None, dtype=pl.String).alias(name) for name in (*_COLUMNS, "word"))))
    frame = pl.concat(found, how="diagonal") if len(found) > 1 else found[0]
    if len(found) > 1:
        frame = frame.sort("place")
    return frame.drop("place").with_columns(
        pl.lit(None, dtype=pl.UInt8).alias(FORM) if FORM not in frame.columns else FORM
    )


def _groups(frame: pl.DataFrame, pattern: str, names: Sequence[str], text: str = "line") -> pl.DataFrame:
    """The groups of ``pattern``, of which the first is all that it matches and becomes ``matched``."""
    return frame[text].str.extract_groups(pattern).struct.rename_fields(["matched", *names]).struct.unnest()


def _shaped(left: pl.DataFrame, parts: pl.DataFrame, form: int, fits: pl.Expr, message: pl.Expr) -> pl.DataFrame:
    """The columns of `read_headers` and ``place``; `FORM` is null where ``fits`` does not hold."""
    frame = parts.hstack([left["line"], left["place"]])
    missing = [name for name in (*_COLUMNS[:-1], "word") if name not in frame.columns]
    stripped = with_line_ends(message).str.strip_chars()
    return frame.select(
        "place",
        *(pl.col(name) if name not in missing else pl.lit(None, dtype=pl.String).alias(name) for name in _COLUMNS[:-1]),
        pl.when(stripped != "").then(stripped).alias("message"),
        pl.lit(None, dtype=pl.String).alias("word") if "word" in missing else pl.col("word"),
        pl.when(fits).then(pl.lit(form, dtype=pl.UInt8)).alias(FORM),
    )


def _behind(matched: str = "matched", text: str = "line") -> pl.Expr:
    return pl.col(text).str.strip_prefix(pl.col(matched))


def _form_1(left: pl.DataFrame) -> pl.DataFrame:
    parts = _groups(left, _FORM_1, ("pri", "stamp", "host", "tag", "pid"))
    is_word = pl.col("host").str.contains(_SEVERITY_WORD)
    if parts.select(is_word.any()).item():
        parts = parts.with_columns(
            pl.when(is_word).then("host").alias("word"), pl.when(~is_word).then("host").alias("host")
        )
    parts = parts.with_columns(pl.col("host").str.strip_chars("[]"))
    return _shaped(left, parts, 1, pl.col("matched").is_not_null(), _behind())


def _form_2(left: pl.DataFrame) -> pl.DataFrame:
    parts = _groups(left, _FORM_2, ("pri", "stamp", "host", "tag", "pid", "msgid"))
    return _structured(left, parts, 2)


def _form_3(left: pl.DataFrame) -> pl.DataFrame:
    parts = _groups(left, _FORM_3, ("pri", "stamp", "host", "tag", "pid", "msgid"))
    return _structured(left, parts, 3)


def _structured(left: pl.DataFrame, parts: pl.DataFrame, form: int) -> pl.DataFrame:
    """What follows the header of RFC 5424: structured data or ``-``, and the message, perhaps behind a BOM."""
    rest = parts.hstack([left["line"]]).select(_behind().alias("rest")).to_series()
    parts = parts.hstack([rest]).with_columns(rest.str.extract(_SD_FIRST).alias("data"))
    nil = [
        pl.when(pl.col(name) != "-").then(pl.col(name)).alias(name) for name in ("stamp", "host", "tag", "pid", "msgid")
    ]
    parts = parts.with_columns(*nil).with_columns(
        pl.col("tag").str.strip_suffix(":"), pl.when(pl.col("data") != "-").then("data").alias("sd")
    )
    message = pl.col("rest").str.strip_prefix(pl.col("data").fill_null(""))
    message = message.str.strip_chars_start(" ").str.strip_prefix(_BOM)
    return _shaped(left, parts, form, pl.col("data").is_not_null(), message)


def _form_4(left: pl.DataFrame) -> pl.DataFrame:
    parts = _groups(left, _FORM_4, ("pri", "stamp")).hstack([left["line"]])
    dated = pl.col("line").str.contains(_STARTS_DATED)
    parts = parts.with_columns(
        _behind().str.strip_chars_start(" ").alias("body"), (pl.col("pri").is_not_null() | dated).alias("fits")
    )
    alone = _groups(parts, _PROGRAM_ALONE, ("tag", "pid"), "body")
    host = _groups(parts, _HOST_FIRST, ("host",), "body").select(
        pl.when(alone["matched"].is_null() & parts["stamp"].is_not_null()).then(pl.all())
    )
    behind_host = pl.DataFrame([parts["body"], host["matched"].fill_null("")]).select(_behind("matched", "body"))
    program = _groups(behind_host, _PROGRAM, ("tag", "pid"), "body")
    # "last message repeated 3 times" is what syslogd itself says; a priority without time or host has no bare program.
    bare = pl.col("matched").str.ends_with(" ") | (pl.col("matched").str.len_bytes() == pl.col("tag").str.len_bytes())
    repeated = pl.col("body").str.starts_with("last message repeated ")
    program = program.hstack([behind_host["body"], host["host"]]).with_columns(
        pl.when(~repeated & (~bare | pl.col("host").is_not_null())).then(pl.col(name)).alias(name)
        for name in ("matched", "tag", "pid")
    )
    found = pl.DataFrame(
        [
            parts["pri"],
            parts["stamp"],
            host["host"].str.strip_chars("[]"),
            alone["tag"].zip_with(alone["matched"].is_not_null(), program["tag"]),
            alone["pid"].zip_with(alone["matched"].is_not_null(), program["pid"]),
            parts["fits"],
            parts["body"],
        ]
    )
    alone_left = pl.DataFrame([parts["body"], alone["matched"].fill_null("")]).select(_behind("matched", "body"))
    rest = program.select(
        pl.col("body").str.strip_prefix(": ").str.strip_prefix(pl.col("matched").fill_null("")).alias("rest")
    )
    found = found.with_columns(
        alone_left.to_series().zip_with(alone["matched"].is_not_null(), rest.to_series()).alias("rest")
    )
    return _shaped(left, found, LOOSE, pl.col("fits"), pl.col("rest"))
