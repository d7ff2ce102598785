from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callgate.canonical import Json, canonical
from callgate.chain import START, Link, digest, is_signed, key_name, link_of, public_key, sign
from callgate.errors import JsonError

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
PUBLIC = KEY.public_key()
PLACE: dict[str, Json] = {
    "instance": "gate-1",
    "key": key_name(PUBLIC),
    "number": 7,
    "previous": START,
}


def test_line_is_canonical_and_signed_without_its_last_member() -> None:
    line = sign({"record": {"tool": "é☃", "risk": 1e-7}, "chain": dict(PLACE)}, KEY).encode()
    value = json.loads(line)

    assert canonical(value) == line
    assert list(value) == ["chain", "record", "signature"]
    assert is_signed(line, PUBLIC)
    assert digest(line) != digest(line[:-1])


@pytest.mark.parametrize("place", range(0, 260, 11))
def test_no_byte_of_a_line_can_change(place: int) -> None:
    line = sign({"chain": dict(PLACE), "record": {"kind": "call"}}, KEY).encode()
    at = place % len(line)

    assert not is_signed(line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :], PUBLIC)


def test_signature_has_one_spelling() -> None:
    line = sign({"chain": dict(PLACE)}, KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(line[-5]) ^ 1]

    assert not is_signed(f"{line[:-5]}{other}{line[-4:]}".encode(), PUBLIC)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"a":1}', b'","signature":"x"}'])
def test_what_has_no_signature_is_not_signed(line: bytes) -> None:
    assert not is_signed(line, PUBLIC)


def test_signature_that_is_not_base64_is_none() -> None:
    line = sign({"chain": dict(PLACE)}, KEY)

    assert not is_signed(f"{line[:-8]}!{line[-7:]}".encode(), PUBLIC)


def test_line_says_its_place() -> None:
    line = sign({"chain": dict(PLACE), "record": {"kind": "call"}}, KEY).encode()

    assert link_of(line) == Link("gate-1", key_name(PUBLIC), 7, START)
    assert link_of(b" " + line) is None
    assert link_of(sign({"checkpoint": dict(PLACE)}, KEY).encode()) is None


def test_text_in_a_record_can_not_pass_for_its_place() -> None:
    forged = '{"chain":{"instance":"x","key":"","number":1,"previous":""},"record":{'
    line = sign({"chain": dict(PLACE), "record": {"tool": forged}}, KEY).encode()

    link = link_of(line)
    assert link
    assert link.number == 7


def test_what_has_no_canonical_form_is_not_signed() -> None:
    with pytest.raises(JsonError):
        sign({"record": {"call": "\ud800"}}, KEY)


def test_key_has_a_name() -> None:
    assert public_key(key_name(PUBLIC)).public_bytes_raw() == PUBLIC.public_bytes_raw()
    with pytest.raises(ValueError, match=r"."):
        public_key("none")
