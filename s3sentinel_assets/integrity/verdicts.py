"""Why a digest or log file is not what it should be: a slug for the ledger and a sentence for people.

Belongs here: the words. Does not belong here: finding out which of them applies.
"""

import enum

__all__ = ["OBJECT_PROBLEMS", "Reason", "sentence"]


class Reason(enum.StrEnum):
    """Why a digest or log file is not verified, or how it is although its own signature could not be checked."""

    # of an object, digest or log
    NOT_GZIP = "not_gzip"
    CORRUPT_GZIP = "corrupt_gzip"
    MORE_THAN_ONE_MEMBER = "more_than_one_member"
    TRAILING_BYTES = "trailing_bytes"
    TOO_LARGE = "too_large"
    CONTENT_CHANGED = "content_changed"
    # of a digest
    BAD_JSON = "bad_json"
    BAD_DIGEST = "bad_digest"
    STRANGE_NAME = "strange_name"
    WRONG_PLACE = "wrong_place"
    NO_SIGNATURE = "no_signature"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_ALGORITHM = "unknown_algorithm"
    UNKNOWN_KEY = "unknown_key"
    KEYS_UNAVAILABLE = "keys_unavailable"
    KEY_NOT_VALID = "key_not_valid"
    WRONG_LINK = "wrong_link"
    FORK = "fork"
    VOUCHED_FOR = "vouched_for"
    # of a log file
    DIGESTS_DISAGREE = "digests_disagree"
    DIGEST_NOT_PROVED = "digest_not_proved"
    NOT_HASHED = "not_hashed"
    NOT_LISTED = "not_listed"
    NO_DIGEST = "no_digest"


_SENTENCES: dict[Reason, str] = {
    Reason.NOT_GZIP: "it is not a gzip file, which CloudTrail always writes",
    Reason.CORRUPT_GZIP: "its gzip stream is damaged or cut",
    Reason.MORE_THAN_ONE_MEMBER: "a second gzip member was appended; CloudTrail writes one",
    Reason.TRAILING_BYTES: "bytes were appended behind its gzip stream",
    Reason.TOO_LARGE: "it decodes to more bytes than are allowed",
    Reason.CONTENT_CHANGED: "its content is not what a verified digest says",
    Reason.BAD_JSON: "it is not the JSON of a digest",
    Reason.BAD_DIGEST: "a field of the digest is missing or wrong",
    Reason.STRANGE_NAME: "its name is not one that CloudTrail gives to digests",
    Reason.WRONG_PLACE: "it does not lie where it says CloudTrail put it",
    Reason.NO_SIGNATURE: "the object has no signature in its metadata, which copying through a local disk loses",
    Reason.BAD_SIGNATURE: "its signature is not CloudTrail's for this content at this place",
    Reason.UNKNOWN_ALGORITHM: "it is hashed or signed in a way that is not known here; a newer version may know it",
    Reason.UNKNOWN_KEY: "it is signed with a key that CloudTrail does not list for its region and time",
    Reason.KEYS_UNAVAILABLE: "CloudTrail's public keys are not to be had",
    Reason.KEY_NOT_VALID: "it is signed with a key of CloudTrail that was not valid at its time",
    Reason.WRONG_LINK: "the digest before it is another one than it says",
    Reason.FORK: "another digest claims the same predecessor",
    Reason.VOUCHED_FOR: "its own signature could not be checked, but the verified digest after it names its content",
    Reason.DIGESTS_DISAGREE: "two verified digests name different contents for it",
    Reason.DIGEST_NOT_PROVED: "the digest that lists it is not proved itself",
    Reason.NOT_HASHED: "its content was not hashed when it was read",
    Reason.NOT_LISTED: "the digests of its time are all there and verified, and none lists it: it was added, or it is "
    "of a trail of the same account, region and prefix that has no log file validation",
    Reason.NO_DIGEST: "a digest that could list it is missing or not proved",
}

#: What no digest is needed for to say that an object is not as CloudTrail wrote it.
OBJECT_PROBLEMS = frozenset(
    {
        Reason.NOT_GZIP,
        Reason.CORRUPT_GZIP,
        Reason.MORE_THAN_ONE_MEMBER,
        Reason.TRAILING_BYTES,
        Reason.TOO_LARGE,
    }
)


def sentence(reason: Reason) -> str:
    """What ``reason`` means, as half a sentence about the file."""
    return _SENTENCES[reason]
