"""The base of the JSON log formats: with it, a format is one short module.

Belongs here: what all of them share — gathering records, decoding, unknown fields, drift, times, detection by keys.
Does not belong here: any one format. Start reading at `JsonParser`.
"""

from s3sentinel_assets.formats.json_logs.distinct import per_distinct
from s3sentinel_assets.formats.json_logs.named_values import named_values
from s3sentinel_assets.formats.json_logs.parser import Inner, JsonParser
from s3sentinel_assets.formats.json_logs.peeking import count_keys, judge, looks_like_json, peek
from s3sentinel_assets.formats.json_logs.steps import CONTEXT, TEXT
from s3sentinel_assets.formats.json_logs.times import any_time, epoch_milliseconds, epoch_seconds, first_time, iso_time
from s3sentinel_assets.formats.json_logs.typed import NULL

__all__ = [
    "CONTEXT",
    "NULL",
    "TEXT",
    "Inner",
    "JsonParser",
    "any_time",
    "count_keys",
    "epoch_milliseconds",
    "epoch_seconds",
    "first_time",
    "iso_time",
    "judge",
    "looks_like_json",
    "named_values",
    "peek",
    "per_distinct",
]
