from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from callgate.audit.raw import Raw, read_opener, read_recipient, seal, unseal
from callgate.detectors.redaction import found_texts
from callgate.errors import SettingsError
from callgate.model import Decision, Finding, ToolResult
from callgate.store.keyed import KeyedHash
from tests.samples import decided, tool_call

SECRET = "AKIA" + "IOSFODNN7EXAMPLE"
KEYED = KeyedHash(b"salt")
RAW = Raw(KEYED.digest, found_texts)


def with_secret(call_id: str, text: str) -> Decision:
    """A call whose argument has the secret somewhere, and a finding that says where."""
    start = text.index(SECRET)
    finding = Finding("KEY", "SECRET_DETECTED", "$.text", start, start + len(SECRET))
    made = decided(call=tool_call(call_id, arguments=json.dumps({"text": text})))
    return replace(made, verdicts=(replace(made.verdicts[0], findings=(finding,)),))


def test_equal_calls_and_equal_secrets_can_be_matched() -> None:
    one, same = with_secret("a", SECRET), with_secret("b", SECRET)
    other = with_secret("c", f"here is {SECRET}!")

    first, second, third = map(RAW.of_call, (one, same, other))

    assert first["digest"] == second["digest"] != third["digest"]
    assert first["values"] == third["values"] != []
    assert SECRET not in json.dumps([first, second, third])
    assert "sealed" not in first


def test_hashes_depend_on_the_salt() -> None:
    made = with_secret("a", SECRET)
    other = Raw(KeyedHash(b"pepper").digest, found_texts).of_call(made)

    assert set(map(str, RAW.of_call(made).values())).isdisjoint(map(str, other.values()))


def test_value_that_looks_like_a_hash_is_hashed_all_the_same() -> None:
    result = ToolResult("call_1", "hmac:" + SECRET, "")

    assert SECRET not in json.dumps(RAW.of_result(result, []))


def test_results_are_hashed_as_they_came() -> None:
    finding = Finding("KEY", "SECRET_DETECTED", "$", 0, len(SECRET))
    one = RAW.of_result(ToolResult("a", SECRET, ""), [finding])
    other = RAW.of_result(ToolResult("b", {"n": [1]}, ""), [])

    assert one["values"] == RAW.of_call(with_secret("c", SECRET))["values"]
    assert other["values"] == []
    assert one["digest"] != other["digest"]


def test_arguments_that_are_no_json_have_hashes_too() -> None:
    made = with_secret("a", SECRET)
    finding = Finding("KEY", "SECRET_DETECTED", "$", 2, 2 + len(SECRET))
    call = replace(made.call, arguments="{ " + SECRET + " \ud800")
    verdict = replace(made.verdicts[0], findings=(finding,))

    broken = RAW.of_call(replace(made, call=call, verdicts=(verdict,)))

    assert broken["values"] == RAW.of_call(made)["values"]


def test_sealed_values_open_with_the_operators_key_only() -> None:
    key, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    raw = Raw(KEYED.digest, found_texts, key.public_key())
    made = with_secret("a", SECRET)

    sealed = str(raw.of_call(made)["sealed"])
    result = str(raw.of_result(ToolResult("a", {"n": 1}, ""), [])["sealed"])

    assert unseal(sealed, key).decode() == made.call.arguments
    assert unseal(result, key) == b'{"n": 1}'
    assert sealed != raw.of_call(made)["sealed"]
    with pytest.raises(ValueError, match="another key"):
        unseal(sealed, other)


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_changed_sealed_value_does_not_open(place: int) -> None:
    key = X25519PrivateKey.generate()
    data = bytearray(base64.b64decode(seal(b"text", key.public_key())))
    data[place] ^= 1

    with pytest.raises(ValueError, match="changed"):
        unseal(base64.b64encode(data).decode(), key)


def test_keys_are_read_from_pem_files(tmp_path: Path) -> None:
    key = X25519PrivateKey.generate()
    private, public = files(tmp_path, key)

    sealed = seal(b"text", read_recipient(public))

    assert unseal(sealed, read_opener(private)) == b"text"


def files(folder: Path, key: X25519PrivateKey | ed25519.Ed25519PrivateKey) -> tuple[Path, Path]:
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private, public = folder / "operator.key", folder / "operator.pub"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    format = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(pem, format))
    return private, public


def test_keys_of_another_kind_and_other_files_are_an_error(tmp_path: Path) -> None:
    private, public = files(tmp_path, ed25519.Ed25519PrivateKey.generate())

    with pytest.raises(SettingsError, match="no X25519 public key; make one"):
        read_recipient(public)
    with pytest.raises(SettingsError, match="no X25519 private key; make one"):
        read_opener(private)
    private.write_text("text")
    with pytest.raises(SettingsError, match=r"operator\.key"):
        read_recipient(private)
    with pytest.raises(SettingsError, match=r"operator\.key"):
        read_opener(private)
