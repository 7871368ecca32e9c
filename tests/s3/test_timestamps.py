"""Timestamps in AWS's answers, read fast and the same as botocore reads them."""

from datetime import UTC, datetime

import pytest
from botocore.session import Session
from botocore.utils import parse_timestamp

from s3sentinel_assets.s3.timestamps import read_timestamps_fast

FORMS = [
    "2026-11-03T00:05:06.000Z",
    "2026-11-03T00:05:06.123456Z",
    "2026-11-03T00:05:06Z",
    "20261103T000506Z",
    "2026-11-03T00:05:06+02:00",
    "2026-11-03T00:05:06.1Z",
    "Tue, 03 Nov 2026 00:05:06 GMT",
    "1793664306",
    1793664306,
    1793664306.5,
]


@pytest.mark.parametrize("text", FORMS)
def test_every_form_is_the_same_instant_as_botocore_reads(text) -> None:
    session = Session()
    read_timestamps_fast(session)
    parser = session.get_component("response_parser_factory").create_parser("rest-xml")
    assert parser._timestamp_parser(text) == parse_timestamp(text)


def test_what_is_no_time_stays_botocores_error() -> None:
    session = Session()
    read_timestamps_fast(session)
    parser = session.get_component("response_parser_factory").create_parser("rest-xml")
    with pytest.raises(ValueError, match="NoTimeAtAllZ"):
        parser._timestamp_parser("NoTimeAtAllZ")


def test_our_clients_read_them_fast(bucket) -> None:
    bucket.put("f", last_modified="2026-11-03T00:05:06Z")
    (page,) = bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
    modified = page["Contents"][0]["LastModified"]
    assert modified == datetime(2026, 11, 3, 0, 5, 6, tzinfo=UTC)
    assert modified.tzinfo is UTC  # botocore's own way gives a zone of dateutil's
