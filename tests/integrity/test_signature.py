"""Keys in both forms, and signatures: ours, CloudTrail's own, and wrong ones."""

import base64
import hashlib
import json

import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.integrity import (
    PublicKey,
    load_keys_file,
    make_key,
    parse_digest,
    signature_holds,
    text_to_sign,
)
from tests.integrity.chains import LONG, chain, key_entry, printed


@pytest.mark.parametrize("spki", [False, True])
def test_both_forms_of_a_key_work(spki):
    made = chain(2, spki=spki).digests[-1]
    key = make_key(key_entry(spki=spki))
    text = text_to_sign(parse_digest(made.content), hashlib.sha256(made.content).hexdigest())
    assert signature_holds(key, made.signature, text)
    assert signature_holds(key, made.signature.upper(), text)
    assert not signature_holds(key, made.signature, text + b"x")


@pytest.mark.parametrize("wrong", ["", "0x12", "zz", "abc", "00" * 256, "ff" * 256, "é" * 512])
def test_what_is_no_signature_does_not_hold(wrong):
    assert not signature_holds(make_key(key_entry()), wrong, b"text")


def test_a_truncated_or_padded_signature_does_not_hold():
    made = chain(1).digests[0]
    text = text_to_sign(parse_digest(made.content), hashlib.sha256(made.content).hexdigest())
    key = make_key(key_entry())
    for wrong in (made.signature[:-2], made.signature + "00", "00" + made.signature, made.signature + "\n"):
        assert not signature_holds(key, wrong, text)


def test_the_first_digest_is_signed_with_the_text_null_at_the_end():
    made = chain(1).digests[0]
    assert text_to_sign(parse_digest(made.content), "0" * 64).endswith(b"\n" + b"0" * 64 + b"\nnull")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Fingerprint": "0" * 32}, "has the fingerprint"),
        ({"Value": b"not a key"}, "fingerprint"),
        ({"Value": "%%%"}, "not base64"),
        ({"Value": None}, "lacks Value"),
        ({"Fingerprint": 7}, "lacks Value"),
        ({"ValidityStartTime": None}, "ValidityStartTime"),
        ({"ValidityEndTime": "some day"}, "ValidityEndTime"),
        ({"ValidityEndTime": 1e30}, "ValidityEndTime"),
    ],
)
def test_an_unusable_key_is_refused(changed, words):
    with pytest.raises(ValueError, match=words):
        make_key({**key_entry(), **changed})


def test_der_that_is_no_key_is_refused_even_with_its_right_fingerprint():
    value = b"0\x03\x02\x01\x05"
    entry = {**key_entry(), "Value": value, "Fingerprint": hashlib.md5(value, usedforsecurity=False).hexdigest()}
    with pytest.raises(ValueError, match="no public key"):
        make_key(entry)


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="1024 bits"):
        make_key(key_entry("short"))


def test_times_are_read_as_every_version_of_the_command_line_prints_them():
    expected = make_key(key_entry()).valid_from
    for shown in (LONG[0].timestamp(), str(LONG[0].timestamp()), LONG[0].isoformat(), "2024-11-01T00:00:00"):
        assert make_key({**key_entry(), "ValidityStartTime": shown}).valid_from == expected


def test_a_file_of_keys_is_read(tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(printed(key_entry(), key_entry("second", spki=True)))
    assert set(load_keys_file(file)) == {key_entry()["Fingerprint"], key_entry("second", spki=True)["Fingerprint"]}
    file.write_text(json.dumps(json.loads(printed(key_entry()))["PublicKeyList"]))
    assert len(load_keys_file(file)) == 1


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"PublicKeyList": [{}]}', "[" * 100_000])
def test_a_wrong_file_of_keys_is_named_with_the_way_out(tmp_path, text):
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"keys\.json.*aws cloudtrail list-public-keys"):
        load_keys_file(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_keys_file(tmp_path / "none.json")


def test_cloudtrails_own_keys_are_read_in_both_forms(shared_dir):
    file = shared_dir / "data/formats/cloudtrail_digest/genuine_aws_keys_and_signatures.json"
    if not file.is_file():
        pytest.skip("no genuine keys among the shared data")
    genuine = json.loads(file.read_text())
    for entry in genuine["public_keys"]:
        assert make_key(entry).fingerprint == entry["Fingerprint"]
    for sample in genuine["sample_digests"]:
        assert parse_digest(json.dumps(sample).encode()).previous is not None


def test_the_signature_of_a_query_result_by_cloudtrail_holds(shared_dir):
    folder = shared_dir / "data/formats/cloudtrail_digest/aws_cli_query_result"
    if not folder.is_dir():
        pytest.skip("no query result among the shared data")
    entry = json.loads((folder / "public_key.json").read_text())
    signed = json.loads((folder / "result_sign.json").read_text())
    key = PublicKey(entry["Fingerprint"], base64.b64decode(entry["Value"]), *LONG)  # the fingerprint is made up
    text = " ".join(file["fileHashValue"] for file in signed["files"]).encode()
    assert signature_holds(key, signed["hashSignature"], text)
    assert not signature_holds(key, signed["hashSignature"], text.upper())
