"""``externaldata``: files that a query reads beside the tables.

Belongs here: taking the clause out of the text, and reading the file. Does not belong here: any download: the local
workspace reaches no network, so the files have to lie in ``external/`` below its folder, under the name the address
ends with.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import polars as pl

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.kql_errors import HERE, bad_query
from s3sentinel_assets.local.workspace.kql_tokens import (
    Token,
    call_at,
    next_solid,
    parts,
    render,
    solid,
    string_value,
    tokenise,
)

__all__ = ["External", "read_external", "take_external"]

FOLDER = "external"
SEPARATORS = {"csv": ",", "tsv": "\t", "psv": "|", "ssv": ";", "scsv": ";", "tsve": "\t", "sohsv": "\x01"}
#: Forms that are not read here; what is not known otherwise is text, a line a row.
BINARY = ("avro", "apacheavro", "orc", "parquet", "sstream", "w3clogfile")
_SUFFIX = re.compile(r"\.(\w+)(?:\.(?:zip|gz|gzip))?$")


@dataclass(frozen=True)
class External:
    """One clause.

    Attributes:
        table: the name it has in the rewritten query.
        columns: name → Kusto type.
        addresses: where the files are.
        form: csv, json, txt, …
        header: whether the first line is left out.
    """

    table: str
    columns: dict[str, str]
    addresses: tuple[str, ...]
    form: str
    header: bool


def take_external(tokens: list[Token]) -> tuple[list[Token], list[External]]:
    """Replaces every clause by a table's name.

    Raises:
        ApiError: 400; a clause is incomplete.
    """
    result: list[Token] = []
    found: list[External] = []
    index = 0
    while index < len(tokens):
        if tokens[index].kind == "name" and tokens[index].text in ("externaldata", "external_data"):
            clause, index = _clause(tokens, index, f"__external_{len(found) + 1}")
            found.append(clause)
            # A pipeline rather than a name: `in (T)` takes no table's name.
            result += tokenise(f"{clause.table} | project {', '.join(clause.columns)}")
        else:
            result.append(tokens[index])
            index += 1
    return result, found


def _clause(tokens: Sequence[Token], index: int, table: str) -> tuple[External, int]:
    call = call_at(tokens, index)
    opening = next_solid(tokens, call[1]) if call else len(tokens)
    closing = next((i for i in range(opening, len(tokens)) if tokens[i].text == "]"), None)
    if call is None or closing is None or tokens[opening].text != "[":
        raise bad_query("SyntaxError", "externaldata needs '(Column: type, …) [ \"address\" ]'")
    columns = {render(name).strip(): render(kind).strip() for name, kind in (parts(part, ":") for part in call[0])}
    odd = next((name for name in columns if not name.isidentifier()), None)
    if odd is not None:  # it would have to be quoted, in KQL and in SQL
        raise bad_query("SemanticError", f"externaldata takes only letters, digits and '_' in a name {HERE}: {odd}")
    addresses = tuple(string_value(token) for token in tokens[opening:closing] if token.kind == "string")
    options: dict[str, str] = {}
    end = closing + 1
    following = next_solid(tokens, end)
    if following < len(tokens) and tokens[following].text == "with" and (given := call_at(tokens, following)):
        end = given[1]
        for option in given[0]:
            name, _, value = render(solid(option)).partition("=")
            options[name.lower()] = value.strip("'\"").lower()
    suffix = _SUFFIX.search(urlsplit(addresses[0]).path) if addresses else None
    form = options.get("format") or (suffix[1].lower() if suffix else "csv")
    return External(table, columns, addresses, form, options.get("ignorefirstrecord") == "true"), end


def read_external(clause: External, folder: Path | None) -> pl.DataFrame:
    """The rows of ``clause``: text as text, other types converted; what cannot be converted is null.

    Raises:
        ApiError: 400; a file is not there or cannot be read.
    """
    frames = [_read(address, clause, folder) for address in clause.addresses]
    if not frames:
        raise bad_query("SyntaxError", "externaldata names no address")
    return pl.concat(frames)


def _read(address: str, clause: External, folder: Path | None) -> pl.DataFrame:
    name = unquote(urlsplit(address.split(";")[0]).path).rsplit("/", 1)[-1]
    file = (folder or Path()) / FOLDER / name
    if folder is None or not name or not file.is_file():
        place = file if folder else f"{FOLDER}/{name} below the workspace's folder"
        raise bad_query(
            "SemanticError", f"externaldata needs '{address}', which is not fetched {HERE}; put it at {place}"
        )
    names = list(clause.columns)
    try:
        data = _unpacked(file)
        if clause.form in SEPARATORS:
            frame = _delimited(data, clause, names)
        elif "json" in clause.form:
            frame = _json(data, names)
        elif clause.form == "raw":
            frame = pl.DataFrame({names[0]: [data.decode(errors="replace")]})
        elif clause.form in BINARY:
            raise bad_query("SemanticError", f"externaldata: format '{clause.form}' is not available {HERE}")
        else:
            frame = pl.DataFrame({names[0]: data.decode(errors="replace").splitlines()[clause.header :]})
    except (OSError, zipfile.BadZipFile, msgspec.DecodeError, pl.exceptions.PolarsError, EOFError) as error:
        raise _unreadable(file, error) from None
    missing = [pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns]
    return frame.with_columns(missing).select(names).cast(pl.String)


def _unreadable(file: Path, error: Exception) -> ApiError:
    return bad_query("SemanticError", f"externaldata: {file} cannot be read ({str(error).splitlines()[0]})")


def _unpacked(file: Path) -> bytes:
    data = file.read_bytes()
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return b"".join(archive.read(member) for member in archive.namelist())
    return data


def _delimited(data: bytes, clause: External, names: list[str]) -> pl.DataFrame:
    if not data.strip():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    frame = pl.read_csv(
        data,
        has_header=False,
        skip_rows=int(clause.header),
        separator=SEPARATORS[clause.form],
        infer_schema=False,
        truncate_ragged_lines=True,
        raise_if_empty=False,
    )
    return frame.rename(dict(zip(frame.columns, names, strict=False)))


def _json(data: bytes, names: list[str]) -> pl.DataFrame:
    try:
        document = msgspec.json.decode(data)
        rows = document if isinstance(document, list) else [document]
    except msgspec.DecodeError:
        rows = [msgspec.json.decode(line) for line in data.splitlines() if line.strip()]
    columns = {name: [_text(row.get(name)) for row in rows if isinstance(row, dict)] for name in names}
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
