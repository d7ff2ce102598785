"""Text inside text: JSON in a string, encoded pieces, letters that only look like others.

Every view tells which part of the outer string stands for it, so that what is found inside can
be taken out. Linear in the text: the number of pieces is bounded, and every piece is decoded once.
"""

from __future__ import annotations

import html
import json
import quopri
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from callgate.canonical import Json, parse
from callgate.detectors.folding import Folded, fold
from callgate.detectors.pattern import Pattern, pattern
from callgate.detectors.shell.textpipe import base64_bytes, to_text, unescape, unzip
from callgate.errors import JsonError

MAX_PIECES = 200
"""Encoded pieces of one kind that are looked into in one string; see `pieces`."""

_BASE64 = pattern(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_WRAPPED = pattern(r"(?:[A-Za-z0-9+/_-]{20,}\s{1,4}){1,}[A-Za-z0-9+/_-]*={0,2}")
_HEX = pattern(r"(?:0x|\b)(?:[0-9A-Fa-f]{2}[\s:]?){8,}\b")
_PERCENT = pattern(r"[^\s\"'<>`]*%[0-9A-Fa-f]{2}[^\s\"'<>`]*")
_ENTITIES = pattern(r"(?:[^\s<>&]*&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});[^\s<>&]*)+")
_ESCAPES = pattern(
    r"(?:[^\s\\]*(?:\\u\{?[0-9A-Fa-f]{2,6}\}?|\\x[0-9A-Fa-f]{2}|\\[0-3][0-7]{2}))+[^\s\\\"']*"
)
_QUOTED = pattern(r"(?:[^\s=]*=[0-9A-F]{2})+[^\s=]*")
_BRACED = re.compile(r"\\u\{([0-9A-Fa-f]{1,6})\}")
_SHORT = pattern(r"[A-Za-z0-9+/_-]{10,15}={0,2}")
_LITERAL = pattern(r'"(?:[^"\\]|\\.)*"')
_LEAST_DECODED = 8
_LEAST_ESCAPES = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a string and what it says decoded."""

    text: str
    start: int
    end: int
    folded: Folded | None = None
    """Where letters were only replaced: which letter of the string stands for which."""

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of `text` lies in the string: the whole piece where it was encoded."""
        return self.folded.locate(start, end) if self.folded else (self.start, self.end)


def document(text: str) -> Json:
    """Return the object or array that a string consists of, else None.

    A string literal counts that holds an object, an array or escapes: JSON encoded twice.
    """
    first = text.lstrip()[:1]
    if first not in ("{", "[", '"') or (first == '"' and "\\" not in text):
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
    """Yield what a string says besides its letters: encoded pieces, then the string folded.

    The first 200 pieces of each encoding: base64 (both alphabets, without padding, over several
    lines, compressed), hex, URL, HTML, escapes, quoted-printable.
    """
    if len(text) >= 16:
        yield from _found(_BASE64, text, _base64)
        if "\n" in text:
            yield from _found(_WRAPPED, text, _base64)
        yield from _found(_HEX, text, _hex)
    if "%" in text:
        yield from _found(_PERCENT, text, unquote)
    if "&" in text and ";" in text:
        yield from _found(_ENTITIES, text, html.unescape)
    if text.count("\\") >= _LEAST_ESCAPES:
        yield from _found(_ESCAPES, text, _unescaped)
    if text.count("=") >= _LEAST_ESCAPES:
        yield from _found(_QUOTED, text, _quoted_printable)
    if not text.isascii() and (folded := fold(text)) is not None:
        yield Piece(folded.text, 0, len(text), folded)


def decoded_whole(text: str) -> Iterator[Piece]:
    """Yield the string with what is encoded anywhere in it undone at once, if that changes it.

    For commands and statements, whose words may be encoded one by one.
    """
    plain = text
    if _SHORT.fullmatch(text.strip()) and (packed := _base64(text.strip())):
        plain = packed
    if "%" in plain and _PERCENT.search(plain):
        plain = unquote(plain)
    if "&" in plain and ";" in plain:
        plain = html.unescape(plain)
    if plain.count("\\") >= _LEAST_ESCAPES and _ESCAPES.search(plain):
        plain = unescape(_BRACED.sub(_wide, plain))
    if plain != text:
        yield Piece(plain, 0, len(text))


def _wide(match: re.Match[str]) -> str:
    return f"\\U{int(match[1], 16):08x}"


def _found(encoded: Pattern, text: str, decode: Callable[[str], str | None]) -> Iterator[Piece]:
    for number, match in enumerate(encoded.finditer(text)):
        if number >= MAX_PIECES:
            break
        plain = decode(match.group())
        if plain and plain != match.group():
            yield Piece(plain, *match.span())


def _base64(packed: str) -> str | None:
    if packed.isalpha() and packed.islower():
        return None
    raw = base64_bytes(packed)
    if raw is None:
        return None
    return _readable((unzip(raw) if raw[:2] == b"\x1f\x8b" else raw) or b"")


def _hex(packed: str) -> str | None:
    digits = re.sub(r"[\s:]|^0x", "", packed)
    return None if digits.isdigit() and len(digits) < 24 else _readable(bytes.fromhex(digits))


def _unescaped(text: str) -> str | None:
    if text.count("\\") < _LEAST_ESCAPES:
        return None
    return unescape(_BRACED.sub(_wide, text))


def _quoted_printable(text: str) -> str | None:
    return _readable(quopri.decodestring(text.encode("ascii", "replace")), least=1)


def _readable(raw: bytes, least: int = _LEAST_DECODED) -> str | None:
    """Text of bytes: UTF-8, or UTF-16 as PowerShell takes it; None where it is no text."""
    if len(raw) % 2 == 0 and raw[1::2].count(0) * 4 >= len(raw) > 0:
        text = raw.decode("utf-16-le", "replace")
    else:
        text = to_text(raw)
    is_text = all(c.isprintable() or c in "\t\r\n" for c in text)
    is_plain = sum(map(str.isascii, text)) * 10 >= len(text) * 7
    return text if len(text) >= least and is_text and is_plain else None
