"""What digests say of a log file.

Belongs here: the status of one log file, from the digests that list it and from those that should. Does not belong
here: finding them (``ledger.digests``, ``pipeline``).
"""

import hmac
from collections.abc import Iterable, Sequence

from s3sentinel_assets.integrity.chain import Coverage
from s3sentinel_assets.integrity.verdicts import Reason, sentence
from s3sentinel_assets.ledger.schema import DigestState, Integrity

__all__ = ["COVER_MARGIN", "judge_log", "judge_unlisted", "object_problem"]

#: Microseconds after its delivery within which a log file is listed by a digest that is not a backfill.
COVER_MARGIN = 2 * 3_600 * 1_000_000

Status = tuple[Integrity, Reason | None, str | None]


def _status(integrity: Integrity, reason: Reason | None = None) -> Status:
    return integrity, reason, sentence(reason) if reason else None


def object_problem(
    containers: Sequence[str], members: int, *, extra_bytes: bool = False, cut: bool = False
) -> Reason | None:
    """What is wrong with a log object whatever its digest says: CloudTrail writes exactly one whole gzip member.

    Args:
        containers: how it is stored, outermost first, such as ``gzip``; empty for plain bytes.
        members: gzip members in it that end.
        extra_bytes: whether anything, even zeros, follows the last member.
        cut: whether its bytes end before a container does, such as after a further member's header.
    """
    if list(containers) != ["gzip"]:
        return Reason.NOT_GZIP
    if members > 1:
        return Reason.MORE_THAN_ONE_MEMBER
    if cut and members == 1:
        return Reason.TRAILING_BYTES
    if cut or members != 1:
        return Reason.CORRUPT_GZIP
    return Reason.TRAILING_BYTES if extra_bytes else None


def judge_log(
    listings: Sequence[tuple[str, DigestState]], content_sha256: str | None, problem: Reason | None = None
) -> Status:
    """The status of a log file that was read.

    Args:
        listings: for each digest that lists it, the hash named there and the digest's own state.
        content_sha256: of its decoded content; None where that was not hashed.
        problem: what is wrong with the object by itself; see `object_problem`.

    Returns:
        Status, reason, sentence. ``pending`` where no digest lists it.
    """
    if problem is not None:
        return _status(Integrity.FAILED, problem)
    if not listings:
        return _status(Integrity.PENDING)
    if content_sha256 is None:
        return _status(Integrity.UNPROVED, Reason.NOT_HASHED)
    proved = {sha256 for sha256, state in listings if state is DigestState.VERIFIED}
    if not proved:
        return _status(Integrity.UNPROVED, Reason.DIGEST_NOT_PROVED)
    if len(proved) > 1:
        return _status(Integrity.FAILED, Reason.DIGESTS_DISAGREE)
    if hmac.compare_digest(proved.pop().encode(), content_sha256.encode()):
        return _status(Integrity.VERIFIED)
    return _status(Integrity.FAILED, Reason.CONTENT_CHANGED)


def judge_unlisted(delivered_at: int, chains: Iterable[Coverage], *, named: bool = False) -> Status:
    """The status of a log file that no verified digest lists.

    A digest that is not verified never makes it better than ``uncovered``: anybody may have put that digest there. It
    only says why the status is open as long as the verified digests of the time are not all there, such as while
    CloudTrail's keys are not to be had.

    Args:
        delivered_at: when it was delivered, microseconds.
        chains: the chains of its account and region, backfill ones left out. A log file does not say which trail it
            belongs to, so that all of them must be whole before one may say that none lists it.
        named: whether a digest that is not verified lists it.
    """
    answers = {chain.over(delivered_at, delivered_at + COVER_MARGIN) for chain in chains} - {"before"}
    open_yet = not answers or "later" in answers
    if named and (open_yet or "broken" in answers):
        return _status(Integrity.UNPROVED, Reason.DIGEST_NOT_PROVED)
    if open_yet:
        return _status(Integrity.PENDING)
    if "broken" in answers:
        return _status(Integrity.UNPROVED, Reason.NO_DIGEST)
    return _status(Integrity.UNCOVERED, Reason.NOT_LISTED)
