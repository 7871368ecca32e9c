"""The file itself: what queries cannot do, and tables that grow."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.workspace.definitions import Catalogue
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.rows import RowReader
from s3sentinel_assets.local.workspace.storage import Storage, Window
from s3sentinel_assets.tables import TableSchema

NOW = datetime.now(UTC)
SMALL = TableSchema("Grows_CL", "Analytics", {"TimeGenerated": "datetime", "Id": "string"}, {}, ())
LARGE = TableSchema(
    "Grows_CL", "Analytics", {"TimeGenerated": "datetime", "Id": "string"}, {"Note_CF": "string", "N_CF": "int"}, ()
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/s3sentinel-must-not-exist'",
        "ATTACH '/tmp/s3sentinel-must-not-exist.duckdb' AS other",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ],
)
def test_a_query_connection_reaches_no_file(tmp_path: Path, sql: str) -> None:
    storage = Storage(tmp_path / "w.duckdb", Catalogue.build(), "id")
    try:
        with storage.reader(Window(NOW.replace(tzinfo=None), ("AWSCloudTrail",))) as connection:
            assert connection.execute('SELECT count(*) FROM "AWSCloudTrail"').fetchall() == [(0,)]
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
    finally:
        storage.close()


def test_a_table_may_gain_columns(tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    storage = Storage(file, Catalogue.build([SMALL]), "id")
    storage.append("Grows_CL", RowReader(SMALL).read(b'[{"Id": "old"}]', NOW).frame, NOW.replace(tzinfo=None))
    storage.close()
    # Read-only with a schema the file does not have yet.
    catalogue = Catalogue.build([LARGE])
    storage = Storage(file, catalogue, "id", read_only=True)
    ask = Query("Grows_CL | sort by Id asc | project Id, Note_CF, N_CF")
    assert QueryApi(storage, catalogue).run(ask).rows == [["old", "", None]]
    storage.close()
    storage = Storage(file, catalogue, "id")
    frame = RowReader(LARGE).read(b'[{"Id": "new", "Note_CF": "x", "N_CF": 5}]', NOW).frame
    storage.append("Grows_CL", frame, NOW.replace(tzinfo=None))
    assert QueryApi(storage, catalogue).run(ask).rows == [["new", "x", 5], ["old", "", None]]
    storage.close()


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="s3sentinel workspace serve"):
        Storage(tmp_path / "w.duckdb", Catalogue.build(), "id", read_only=True)
