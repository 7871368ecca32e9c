"""What the UI says about an asset before it has run: owner, tags, and a text with the same three parts everywhere.

Belongs here: the words a newcomer reads. Does not belong here: columns (`assets.columns`) and figures
(`assets.metadata`).
"""

from s3sentinel_assets.config import SourceSettings

__all__ = [
    "delivered_text",
    "parsed_text",
    "progress_text",
    "raw_text",
    "scored_text",
    "state_text",
    "streams_of",
    "tags_of",
]

#: So many tables are named in a text.
_NAMED = 6


def tags_of(source: SourceSettings, step: str) -> dict[str, str]:
    """The tags of an asset, to filter by.

    Args:
        source: the source.
        step: the step's place and name, such as ``1-listed``; filtering by the tag shows it for all sources.
    """
    table = source.tables[0] if len(source.tables) == 1 else "several"
    return {"source": source.name, "format": source.format, "table": table, "step": step}


def streams_of(source: SourceSettings) -> dict[str, str]:
    """Asset metadata: the tables that the source fills, and the streams their rows go through."""
    streams = [source.destination_for(table).stream_name for table in source.tables]
    if len(streams) == 1:
        return {"table": source.tables[0], "stream": streams[0]}
    return {"tables": ", ".join(source.tables), "streams": ", ".join(streams)}


def _tables(source: SourceSettings) -> str:
    """The source's tables in words: ``the Sentinel table `AWSVPCFlow` ``."""
    named = [f"`{table}`" for table in source.tables]
    if len(named) == 1:
        return f"the Sentinel table {named[0]}"
    if len(named) <= _NAMED:
        return f"the Sentinel tables {', '.join(named[:-1])} and {named[-1]}, whichever it belongs to"
    return f"the Sentinel table of its format: {', '.join(named[:_NAMED])} and {len(named) - _NAMED} more"


def _text(what: str, materialising: str, red: str) -> str:
    return f"{what}\n\n**Materialising an hour** {materialising}\n\n**When it is red:** {red}"


def raw_text(source: SourceSettings) -> str:
    """About ``raw_logs``."""
    return _text(
        f"The objects that arrived in `s3://{source.bucket}/{source.prefix}` in the hour (UTC, by LastModified). The "
        "logs stay in S3; the *ledger*, the database of this project, records key, size and version of each object and "
        "puts them into *parts*, the pieces of work of all later steps.",
        "lists the bucket and adds what is new. Nothing is read or changed in S3. The launchpad narrows it to an "
        "account, a region or a prefix, and asks again at once for objects that were refused.",
        "the run's error names what S3 refuses: bucket, role or network. Nothing is lost; the next listing finds it.",
    )


def parsed_text(source: SourceSettings) -> str:
    """About ``parsed_logs``."""
    tampered = " Check *integrity* is red when a log file was changed, added or deleted."
    return _text(
        f"Every record of the hour's objects as a row of {_tables(source)}, in Parquet files of this project. What "
        "cannot be parsed is in *quarantine* with the reason and its bytes; a repeated event is "
        "*filtered* and counted.",
        "reads the parts that are not parsed yet, and no other.",
        "`problems` in the hour's metadata names objects, reasons and what to do. A refused object holds up no other; "
        "it is asked for again where that helps." + (tampered if source.verifies_digests else ""),
    )


def state_text() -> str:
    """About ``entity_state``."""
    return _text(
        "What the users, roles and network interfaces of the source have done so far: decayed counts that scoring "
        "compares new events with. One snapshot an hour, built on the one before.",
        "lists and parses what turned up last, *seals* the hour once it is over and its grace has passed (no more is "
        "expected then), and carries the counts one hour on. An open hour is left as it is and says so.",
        "mostly an object of the hour cannot be parsed; see `parsed_logs`. Delivery does not wait for it: events are "
        "scored with the newest snapshot there is.",
    )


def scored_text(source: SourceSettings) -> str:
    """About ``scored_logs``."""
    by_format = " Each format is scored by its own model and history; `unscored_…` counts events of those without."
    return _text(
        "How unusual every event of the hour is for who did it: a score in bits, a priority, and from medium up the "
        "reasons in words. `preview` in the hour's metadata shows the most urgent ones."
        + (by_format if len(source.formats) > 1 else ""),
        "scores the parts that are not scored yet.",
        "events that cannot be scored go out all the same, flagged `unscored` and counted, so red means that the files "
        "or the ledger cannot be reached.",
    )


def delivered_text(source: SourceSettings) -> str:
    """About ``delivered_batches``."""
    several = len(source.tables) > 1
    where = (
        f"the Sentinel workspace, each in {_tables(source)}"
        if several
        else f"`{source.tables[0]}` of the Sentinel workspace"
    )
    return _text(
        f"The hour's rows in {where}. They go out in batches of about 1 MB whose plan is on disk before the first byte "
        "is sent; the ledger keeps the outcome of each.",
        "sends what is not accepted yet. Nothing is sent twice: a batch whose outcome is unknown is settled by asking "
        "the workspace, not by sending again.",
        "the run's error says what the workspace refuses (role, rule, size). Check *accounting* tells where each "
        "record is, check *workspace_count* what the workspace itself holds, `s3sentinel dead-letter list` what it "
        "refuses for good.",
    )


def progress_text(source: SourceSettings) -> str:
    """About ``delivery_progress``."""
    return (
        "How far the delivery has come: the newest hour **up to which every hour is sealed, delivered and proved**, "
        "without a gap. Bringing an old hour up to date cannot make it look fresh, and an hour that fails holds it.\n\n"
        "**It cannot be materialised:** it is told by every run that delivers or seals, and by the hourly sweep. Open "
        "*Plots* for `hours_behind` over time; run check *on_time* to have it told now.\n\n"
        "**When it is red:** `waits_for` names the first hour that is not done and what it waits for. A warning comes "
        f"after {source.late_after_hours:g} hours of waiting, or of silence in the bucket; three times as long is an "
        "error."
    )
