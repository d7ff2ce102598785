"""Checksums and inner structure of credentials."""

from __future__ import annotations

import base64
import json
import string
import zlib

from callgate.detectors import values

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE62_LOWER_FIRST = string.digits + string.ascii_lowercase + string.ascii_uppercase
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_STEPS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def ends_in_crc32_base62(token: str) -> bool:
    """GitHub's and npm's: after `prefix_`, the last six characters are the CRC-32 of the rest."""
    body = token.rpartition("_")[2]
    stated = body[-6:]
    crc = zlib.crc32(body[:-6].encode())
    return stated in (_base62(crc, _BASE62), _base62(crc, _BASE62_LOWER_FIRST))


def _base62(number: int, digits: str) -> str:
    found = ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        found = digits[rest] + found
    return found


def ends_in_crc32_hex(token: str) -> bool:
    """Grafana's: `glsa_SECRET_` and the CRC-32 of all before it, eight hex digits."""
    body, _, stated = token.rpartition("_")
    return f"{zlib.crc32(body.encode()):08x}" == stated.lower()


def is_bech32(token: str) -> bool:
    """Age's: Bech32 (BIP 173), whatever the length."""
    prefix, _, data = token.lower().rpartition("1")
    if not data or any(c not in _BECH32 for c in data):
        return False
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    checksum = 1
    for value in (*values, *(_BECH32.index(c) for c in data)):
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, step in enumerate(_BECH32_STEPS):
            checksum ^= step if top >> bit & 1 else 0
    return checksum == 1


def unpacked(text: str) -> str:
    """Base64 or base64url, padded or not; empty for what is none, or no text."""
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_" if set("-_") & set(text) else None).decode()
    except ValueError:
        return ""


def is_jose(token: str) -> bool:
    """A JWT's or JWE's header is a JSON object that names an algorithm or a type."""
    try:
        header = json.loads(unpacked(token.partition(".")[0]))
    except ValueError:
        return False
    return isinstance(header, dict) and bool({"alg", "typ", "enc", "kid"} & header.keys())


def is_basic(packed: str) -> bool:
    """HTTP Basic: base64 of `user:password`, the password not empty."""
    return len(unpacked(packed).partition(":")[2]) > 0


def is_discord(token: str) -> bool:
    """Discord's first part is the bot's number, in digits."""
    return unpacked(token.partition(".")[0]).isdigit()


def is_mixed(value: str) -> bool:
    """Not only words or a number: digits among letters, or letters at random."""
    has_digits = any(c.isdigit() for c in value)
    return any(c.isalpha() for c in value) if has_digits else values.is_random(value)


def is_telling(value: str) -> bool:
    """A password where a word or a path may stand: of more than one kind of characters."""
    is_path = value[0] in "./~" or value.startswith(("http:", "https:"))
    return not is_path and not value.isalpha() and not value.isdigit()


def is_literal(value: str) -> bool:
    """Written out, not the name of a value: code has `password=None, user=self.user`."""
    bare = value.rstrip(",);")
    return not (values.is_placeholder(bare) or values.is_reference(bare))
