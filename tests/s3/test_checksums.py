"""Proofs: which there are, that any split of the bytes gives the same, and that a changed byte shows."""

import base64
import hashlib
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.s3.checksums import checks_of
from s3sentinel_assets.s3.part_digests import PartDigests, parts_of_etag

CHECK = b"123456789"
#: Published check values of "123456789": the catalogue of parametrised CRC algorithms, the hashes' own test vectors.
KNOWN = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(CHECK).hexdigest(),
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "SHA512": hashlib.sha512(CHECK).hexdigest(),
    "MD5": "25f9e794323b453885f5181f1b624d0b",
    "XXHASH64": "8cb841db40e6ae83",
}
ETAG = hashlib.md5(CHECK).hexdigest()


def split(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def encoded(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


@pytest.mark.parametrize("algorithm", KNOWN)
def test_known_checksums_are_found_in_the_bytes(algorithm) -> None:
    for fed in ([CHECK], [CHECK[:4], b"", CHECK[4:]]):
        checks = checks_of({f"Checksum{algorithm}": encoded(KNOWN[algorithm])}, "opaque")
        for piece in fed:
            checks.update(piece)
        assert (checks.names, checks.difference()) == (algorithm.lower(), None)


@pytest.mark.parametrize("algorithm", KNOWN)
def test_a_changed_byte_shows(algorithm) -> None:
    checks = checks_of({f"Checksum{algorithm}": encoded(KNOWN[algorithm])}, "opaque")
    checks.update(b"123456780")
    assert f"but S3's checksum is {KNOWN[algorithm]}" in (checks.difference() or "")


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_any_split_of_the_bytes_gives_the_same(body, cuts) -> None:
    checks = checks_of(
        {"ChecksumCRC32": encoded(f"{zlib.crc32(body):08x}"), "ChecksumType": "FULL_OBJECT"},
        hashlib.md5(body).hexdigest(),
    )
    for piece in split(body, cuts):
        checks.update(piece)
    assert (checks.names, checks.difference()) == ("crc32+md5", None)


@pytest.mark.parametrize(
    ("response", "etag", "names"),
    [
        ({}, ETAG, "md5"),
        ({}, "opaque", "length"),
        ({}, ETAG.upper(), "length"),
        ({}, f"{ETAG}-2", "length"),
        ({"ServerSideEncryption": "AES256"}, ETAG, "md5"),
        ({"ServerSideEncryption": "aws:kms"}, ETAG, "length"),
        ({"ServerSideEncryption": "aws:kms:dsse"}, ETAG, "length"),
        ({"ServerSideEncryption": "aws:fsx"}, ETAG, "length"),
        ({"ServerSideEncryption": "not known yet"}, ETAG, "length"),
        ({"ServerSideEncryption": None}, ETAG, "md5"),
        ({"SSECustomerAlgorithm": "AES256"}, ETAG, "length"),
        ({"StorageClass": "EXPRESS_ONEZONE"}, ETAG, "length"),
        ({"ChecksumCRC64NVME": encoded(KNOWN["CRC64NVME"])}, f"{ETAG}-2", "crc64nvme"),
        ({"ChecksumCRC32": encoded(KNOWN["CRC32"])}, ETAG, "crc32+md5"),
        ({"ChecksumMD5": encoded(KNOWN["MD5"])}, ETAG, "md5"),
        # Of the parts, or perhaps of the parts:
        ({"ChecksumSHA256": encoded(KNOWN["SHA256"]) + "-3", "ChecksumType": "COMPOSITE"}, f"{ETAG}-3", "length"),
        ({"ChecksumSHA256": encoded(KNOWN["SHA256"]), "ChecksumType": "COMPOSITE"}, f"{ETAG}-3", "length"),
        ({"ChecksumSHA256": encoded(KNOWN["SHA256"]) + "-3"}, "opaque", "length"),
        ({"ChecksumSHA256": encoded(KNOWN["SHA256"])}, f"{ETAG}-3", "length"),
        ({"ChecksumCRC32": encoded(KNOWN["CRC32"]), "ChecksumType": "FULL_OBJECT"}, f"{ETAG}-3", "crc32"),
        # Nothing that could be such a checksum:
        ({"ChecksumCRC32": "?"}, ETAG, "md5"),
        ({"ChecksumCRC32": encoded(KNOWN["CRC64NVME"])}, ETAG, "md5"),
        ({"ChecksumCRC128": encoded(KNOWN["MD5"])}, ETAG, "md5"),
    ],
)
def test_only_what_can_be_had_from_the_bytes_is_a_proof(response, etag, names) -> None:
    checks = checks_of(response, etag)
    checks.update(CHECK)
    assert (checks.names, checks.difference()) == (names, None)


@given(st.binary(min_size=1, max_size=200), st.integers(1, 200), st.lists(st.integers(0, 200), max_size=5))
def test_equal_parts_prove_the_etag_however_the_bytes_come(body, size, cuts) -> None:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    whole = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    for data, expected in ((body, True), (bytes([body[0] ^ 1]) + body[1:], False)):
        digests = PartDigests(f"{whole}-{len(parts)}", len(body), size)
        for piece in split(data, cuts):
            digests.update(piece)
        assert digests.proved() is expected


@pytest.mark.parametrize(("length", "size"), [(10, 5), (9, 3), (0, 5), (12, 0), (20, 5)])
def test_parts_that_do_not_make_up_the_object_are_refused(length, size) -> None:
    whole = "0" * 32
    with pytest.raises(ValueError, match="are not"):
        PartDigests(f"{whole}-{3 if size == 5 and length == 10 else 2 if length == 9 else 1}", length, size)


@pytest.mark.parametrize(
    ("etag", "parts"),
    [("0" * 32, 0), ("0" * 32 + "-1", 1), ("0" * 32 + "-10000", 10_000), ("0" * 32 + "-0", 0), ("x-3", 0)],
)
def test_the_etag_tells_the_number_of_parts(etag, parts) -> None:
    assert parts_of_etag(etag) == parts
