"""The Logs Ingestion API: one upload, from the bytes on the wire to 204 or a refusal.

Belongs here: the checks in the service's order, limits, decompression, the report of what went wrong after a 204. Does
not belong here: the meaning of values (``rows``) and HTTP plumbing (``server``).
"""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import duckdb
import polars as pl
from isal import isal_zlib

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.local.workspace.definitions import DCR_LOG_ERRORS, Catalogue
from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.faults import Faults, RateWindow, Statistics
from s3sentinel_assets.local.workspace.rows import RowReader, Rows
from s3sentinel_assets.local.workspace.storage import Storage

__all__ = ["CALL_LIMIT", "Ingestion", "Upload"]

CALL_LIMIT = 1_048_576
RAW_LIMIT_OBSERVED = 50 * 1_048_576


@dataclass(frozen=True)
class Upload:
    """One request as it came.

    Attributes:
        dcr_id: from the path.
        stream: from the path.
        body: the bytes on the wire, at most `CALL_LIMIT` + 1 of them unless the wire limit is off.
        wire_bytes: how many there really were.
        encoding: the Content-Encoding header.
        request_id: x-ms-client-request-id.
    """

    dcr_id: str
    stream: str
    body: bytes
    wire_bytes: int
    encoding: str
    request_id: str


class Ingestion:
    """Takes uploads for the DCRs ``dcr_ids``, which all have the same streams; rates count for each by itself."""

    def __init__(self, dcr_ids: Iterable[str], catalogue: Catalogue, storage: Storage, statistics: Statistics) -> None:
        self._rates = {dcr_id: RateWindow() for dcr_id in dcr_ids}
        self._catalogue = catalogue
        self._storage = storage
        self._statistics = statistics
        self._readers = {name: RowReader(table) for name, table in catalogue.tables.items()}

    def authorise(self, dcr_id: str, stream: str, faults: Faults) -> None:
        """Checks role, DCR and stream, before the body is looked at.

        Raises:
            ApiError: 403 or 404.
        """
        if faults.forbid_ingestion:
            raise ApiError(
                403,
                "OperationFailed",
                "The authentication token provided does not have access to ingest data for the data collection rule "
                f"with immutable Id '{dcr_id}' PipelineAccessResult: AccessGranted: False, IsRbacPresent: False, "
                "IsDcrDceBindingValid: , DcrArmId: , Message: Required authorization action was not found for tenantId "
                "objectId on resourceId. ConfigurationId: .",
            )
        if dcr_id not in self._rates:
            raise ApiError(404, "NotFound", f"Data collection rule with immutable Id '{dcr_id}' not found.")
        if stream not in self._catalogue.streams:
            raise ApiError(
                404,
                "InvalidStream",
                f"The stream {stream} was not configured for the Data collection rule with immutable Id {dcr_id}",
            )

    def admit(self, upload: Upload, faults: Faults) -> bytes | None:
        """Checks sizes and rates and unpacks the body.

        Returns:
            The uncompressed body, or None where it is so large that the service loses it after the 204.

        Raises:
            ApiError: 400, 413 or 429.
        """
        if faults.wire_limit and upload.wire_bytes > CALL_LIMIT:
            self._statistics.body(upload.wire_bytes, 0)
            raise _too_large(upload.wire_bytes)
        limit = CALL_LIMIT if faults.raw_limit else RAW_LIMIT_OBSERVED
        raw = _unpack(upload.body, upload.encoding, limit)
        self._statistics.body(upload.wire_bytes, len(raw))
        if len(raw) > limit and faults.raw_limit:
            raise _too_large(len(raw))
        wait = self._rates[upload.dcr_id].admit(len(raw), faults)
        if wait is not None:
            raise ApiError(
                429,
                "TooManyRequests",
                f"The rate limit of the data collection rule with immutable Id '{upload.dcr_id}' is exceeded. "
                f"Retry after {math.ceil(wait)} seconds.",
                headers={"Retry-After": str(max(1, math.ceil(wait)))},
            )
        return raw if len(raw) <= limit else None

    def store(self, upload: Upload, raw: bytes | None, faults: Faults, drop: bool) -> None:
        """Reads and stores the rows; what is lost on the way is reported as the service would. Blocks until committed.

        Args:
            upload: the request.
            raw: its body, from `admit`.
            faults: the switches.
            drop: lose the rows although they were accepted.

        Raises:
            ApiError: 400 for the body, 500 when the disk refuses.
        """
        now = utc_now()
        visible = (now + timedelta(seconds=faults.ingestion_delay_seconds)).astimezone(UTC).replace(tzinfo=None)
        table = self._catalogue.streams[upload.stream]
        rows = Rows(pl.DataFrame())
        if raw is None:
            rows.problems.append(
                "PayloadSizeLimitExceeded: the decompressed payload is too large; its rows were dropped."
            )
        else:
            rows = self._readers[table].read(raw, now)
            if drop:
                rows.problems.append(
                    f"{rows.frame.height} rows could not be written to the destination and were dropped."
                )
                rows.counts["rows_lost"] = rows.frame.height
                rows.frame = rows.frame.clear()
        try:
            self._storage.append(table, rows.frame, visible)
            if rows.problems and faults.dcr_log_errors:
                self._report(upload, rows.problems, now, visible)
        except duckdb.Error as error:
            raise ApiError(
                500, "InternalServerError", f"The rows could not be stored: {str(error).splitlines()[0]}"
            ) from None
        self._statistics.rows[table] += rows.frame.height
        self._statistics.changes.update(rows.counts)

    def _report(self, upload: Upload, problems: list[str], now: datetime, visible: datetime) -> None:
        values = {
            "TimeGenerated": now.replace(tzinfo=None),
            "ClientRequestId": upload.request_id,
            "CorrelationId": str(uuid4()),
            "InputStreamId": upload.stream,
            "Message": "",
            "OperationName": "Ingestion",
            "_ResourceId": f"/dataCollectionRules/{upload.dcr_id}",
            "_BilledSize": 0.0,
        }
        frame = pl.DataFrame([{**values, "Message": problem} for problem in problems])
        self._storage.append(DCR_LOG_ERRORS.name, frame, visible)


def _unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The uncompressed body; stops at one byte over ``limit``, so a bomb costs no memory."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise ApiError(
            400, "UnsupportedContentEncoding", f"The content encoding '{encoding}' is not supported; use gzip."
        )
    pieces: list[bytes] = []
    left = limit + 1
    while body and left > 0:
        stream = isal_zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            piece = stream.decompress(body, left)
        except isal_zlib.error as error:  # pyright: ignore[reportGeneralTypeIssues] - the stub says Any
            raise ApiError(400, "InvalidPayload", f"The request body is not valid gzip: {error}.") from None
        pieces.append(piece)
        left -= len(piece)
        if left > 0 and not stream.eof:
            raise ApiError(400, "InvalidPayload", "The request body is not valid gzip: the stream ends too early.")
        body = stream.unused_data
    return b"".join(pieces)


def _too_large(size: int) -> ApiError:
    return ApiError(
        413,
        "ContentLengthLimitExceeded",
        f"Maximum allowed content length: {CALL_LIMIT} bytes (1 MB). Provided content length: {size} bytes.",
    )
