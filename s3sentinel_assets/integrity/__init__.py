"""Integrity of CloudTrail at the source: do its digest files prove that the log files are what CloudTrail wrote?

Belongs here: understanding digest files, their signatures, their chains, and what follows for a log file. All of it is
pure: bytes and facts in, verdicts out. Does not belong here: fetching (``s3.digests``), remembering
(``ledger.digests``), when to look (``pipeline.integrity``).

What is signed, and by whom, is described in the user guide of CloudTrail ("Validating CloudTrail log file integrity",
"Custom implementations of CloudTrail log file integrity validation"). Three things go further than that guide:

* A log or digest object must be one gzip member and nothing else, because readers take an appended member for more of
  the log while a validator that stops after the first member does not see it.
* A chain must have no hole in time, because the link of a digest names its direct predecessor only: of two missing
  neighbours the older one is named by nobody.
* A digest that lacks a signature, or whose key is not to be had, is proved by a verified successor, which names the
  hash of its content.
"""

from s3sentinel_assets.integrity.chain import Coverage, Gap, GapKind, Link, LinkVerdict, find_gaps, judge_links
from s3sentinel_assets.integrity.check import (
    SIGNING_MARGIN,
    CheckedDigest,
    FindKey,
    FoundDigest,
    KeysUnavailableError,
    check_digest,
)
from s3sentinel_assets.integrity.content import Content, read_content
from s3sentinel_assets.integrity.digest import Digest, DigestError, LogFile, Previous, parse_digest
from s3sentinel_assets.integrity.logs import judge_log, judge_unlisted, object_problem
from s3sentinel_assets.integrity.names import DigestName, LogName, digest_name, log_name, scope_of_digest, scope_of_log
from s3sentinel_assets.integrity.signature import PublicKey, load_keys_file, make_key, signature_holds, text_to_sign
from s3sentinel_assets.integrity.verdicts import Reason, sentence

__all__ = [
    "SIGNING_MARGIN",
    "CheckedDigest",
    "Content",
    "Coverage",
    "Digest",
    "DigestError",
    "DigestName",
    "FindKey",
    "FoundDigest",
    "Gap",
    "GapKind",
    "KeysUnavailableError",
    "Link",
    "LinkVerdict",
    "LogFile",
    "LogName",
    "Previous",
    "PublicKey",
    "Reason",
    "check_digest",
    "digest_name",
    "find_gaps",
    "judge_links",
    "judge_log",
    "judge_unlisted",
    "load_keys_file",
    "log_name",
    "make_key",
    "object_problem",
    "parse_digest",
    "read_content",
    "scope_of_digest",
    "scope_of_log",
    "sentence",
    "signature_holds",
    "text_to_sign",
]
