"""Data that hides in a URL itself: encoded parameters, path parts and labels of the host."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from callgate.detectors.network.urls import Url, decoded, parameters
from callgate.detectors.pattern import pattern
from callgate.detectors.shell.textpipe import decode_base64

_SHORTEST = 20
"""Characters of an encoded value that are worth decoding."""

_PACKED = re.compile(r"[A-Za-z0-9+/_\-]{20,}={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){10,}")
_BASE32 = re.compile(r"[A-Za-z2-7]{16,}")
_TELLING = pattern(
    r"(?i)[\w.+\-]+@[\w\-]+\.[a-z]{2,}|\b\d{3}-\d{2}-\d{4}\b|\b(?:\d[ -]?){13,19}\b"
    r"|root:\w*:\d|-----BEGIN|\b(?:ssn|passw(?:or)?d|pwd|secret|token|api_?key|access_?key|private"
    r"|credential|user(?:name)?|phone|address|card|iban|dob|name)\w*[\"']?\s*[=:]|\buid=\d"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bgh[pousr]_\w{20,}|\bsk-[\w\-]{16,}|\bxox[abpr]-|\bAIza\w{20,}"
    r"|\b\w+_(?:KEY|TOKEN|SECRET|PASSWORD)\b"
)
_CREDENTIAL = pattern(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{20,}"
    r"|\bsk-[A-Za-z0-9_\-]{20,}|\bxox[abpr]-[\w\-]{10,}|-----BEGIN|\bnpm_[A-Za-z0-9]{30,}"
    r"|\bglpat-[\w\-]{20,}|\b\d{3}-\d{2}-\d{4}\b|root:\w*:\d"
)
_CREDENTIAL_NAMES = re.compile(
    r"key|token|auth|secret|sign|sig$|credential|code|state|session|jwt|access|password"
)


def hidden_data(url: Url) -> str:
    """Tell in plain words what data a URL carries away; empty where it seems to carry none.

    Encoded text counts that reads like data: addresses, numbers of people, `key=value` with a
    telling key. Cursors, signatures, tokens and identifiers do not.
    """
    if any(_tells(text) for host in url.hosts for text in _host_texts(host)):
        return "a host name holds encoded data"
    rest = decoded(url.rest)
    for name, value in parameters(rest):
        if not _CREDENTIAL_NAMES.search(name) and _CREDENTIAL.search(value):
            return "a parameter holds a credential or a personal number"
    for match in _PACKED.finditer(rest):
        if any(_tells(text) for text in _unpacked(match[0])):
            return "it holds encoded data"
    return ""


def _tells(text: str) -> bool:
    return _TELLING.search(text) is not None


def _unpacked(packed: str) -> Iterator[str]:
    """Readable texts that a run of letters and digits may be the encoding of."""
    for part in dict.fromkeys((packed, *packed.split("/"))):
        if len(part) < _SHORTEST or (part.isalpha() and part.islower()):
            continue
        for text in (decode_base64(part), _base16(part), _base32(part)):
            if text and len(text) >= 8 and _is_readable(text):
                yield text


def _base16(packed: str) -> str | None:
    return bytes.fromhex(packed).decode("utf-8", "replace") if _HEX.fullmatch(packed) else None


def _host_texts(host: str) -> Iterator[str]:
    """Text in labels, alone and put together, as names are split at 63 characters."""
    labels = host.split(".")[:-2]
    if len("".join(labels)) >= _SHORTEST:
        for packed in dict.fromkeys(("".join(labels), *labels)):
            yield from _unpacked(packed)


def _base32(packed: str) -> str | None:
    plain = packed.rstrip("=").upper()
    if not _BASE32.fullmatch(plain):
        return None
    try:
        return base64.b32decode(plain + "=" * (-len(plain) % 8)).decode("utf-8", "replace")
    except binascii.Error:
        return None


def _is_readable(text: str) -> bool:
    return text.isascii() and all(c.isprintable() or c in "\t\r\n" for c in text)
