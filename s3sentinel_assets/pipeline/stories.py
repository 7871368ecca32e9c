"""The attack stories that ship with the project, as sequences to transplant.

Belongs here: finding and reading ``models/stories.json``. Does not belong here: putting them into a background
(``ml.evaluation.transplant``).
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["STORIES_FILE", "stories"]

STORIES_FILE = "stories.json"
_TOLD_OF = "cloudtrail"
#: Who does it, from where and with what; a transplant replaces all of it, the account in the calls, too. Other accounts
#: in them are foreign.
_NOBODY = {
    "account": "111122223333",
    **dict.fromkeys(("principal", "peer"), "story"),
    "principal_type": "IAMUser",
    "source_ip": "203.0.113.1",
    "user_agent": "story",
}


def stories(models_dir: Path, log_format: str) -> pl.DataFrame:
    """``transplant.SEQUENCE_SCHEMA``; no rows for a log family that there are no stories of.

    Raises:
        ConfigurationError: the file is missing or wrong.
    """
    from s3sentinel_assets.ml.evaluation.transplant import SEQUENCE_SCHEMA

    if log_format != _TOLD_OF:
        return pl.DataFrame(schema=SEQUENCE_SCHEMA)
    file = Path(models_dir) / STORIES_FILE
    try:
        told = json.loads(file.read_text(encoding="utf-8"))["stories"]
        rows = [row for story in told for row in _rows(story)]
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror}); restore it or point models_dir at the right folder"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{file}: is no list of stories ({error!r}); restore it") from None
    return pl.DataFrame(rows, schema=SEQUENCE_SCHEMA)


def _rows(story: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for step in story["steps"]:
        detail = step.get("detail")
        for turn in range(int(step.get("times", 1))):
            yield {
                **dict.fromkeys(ENTITY_SCHEMA),
                **_NOBODY,
                "service": step["call"].partition(":")[0],
                "action": step["call"],
                "read_only": bool(step["read_only"]),
                "error": step.get("error"),
                "target": step.get("target"),
                "bytes": step.get("bytes"),
                "detail": None if detail is None else json.dumps(detail, separators=(",", ":")),
                "region": "elsewhere" if step.get("region") else None,
                "sequence": story["id"],
                "technique": story["technique"],
                "offset": timedelta(seconds=float(step["at"]) + turn * float(step.get("every", 1))),
            }
