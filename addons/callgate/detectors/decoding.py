"""Text inside text: JSON in a string, base64 and URL-encoded pieces.

Every view tells which part of the outer string stands for it, so that what is found inside can
be taken out as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from callgate.canonical import Json, parse
from callgate.detectors.pattern import pattern
from callgate.detectors.textpipe import decode_base64
from callgate.errors import JsonError

MAX_PIECES = 200
"""Encoded pieces looked into in one string; see `pieces`."""

_BASE64 = pattern(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_PERCENT = pattern(r"[^\s\"'<>`]*%[0-9A-Fa-f]{2}[^\s\"'<>`]*")
_LITERAL = pattern(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a string and what it says decoded."""

    text: str
    start: int
    end: int


def document(text: str) -> Json:
    """Return the object or array that a string consists of, else None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return parse(text)
    except JsonError:
        return None


def literals(text: str) -> list[Piece]:
    """Return the string literals of a JSON document in order, keys included, decoded."""
    found = []
    for match in _LITERAL.finditer(text):
        start, end = match.span()
        found.append(Piece(json.loads(match.group(), strict=False), start + 1, end - 1))
    return found


def pieces(text: str) -> Iterator[Piece]:
    """Yield readable base64 and URL-encoded pieces, the first 200 of each kind."""
    if len(text) >= 16:
        yield from _base64_pieces(text)
    if "%" in text:
        for number, match in enumerate(_PERCENT.finditer(text)):
            if number >= MAX_PIECES:
                break
            decoded = unquote(match.group())
            if decoded != match.group():
                yield Piece(decoded, *match.span())


def _base64_pieces(text: str) -> Iterator[Piece]:
    for number, match in enumerate(_BASE64.finditer(text)):
        if number >= MAX_PIECES:
            break
        packed = match.group()
        if packed.isalpha() and packed.islower():
            continue
        decoded = decode_base64(packed)
        if decoded and len(decoded) >= 8 and _is_readable(decoded):
            yield Piece(decoded, *match.span())


def _is_readable(text: str) -> bool:
    return text.isascii() and all(c.isprintable() or c in "\t\r\n" for c in text)
