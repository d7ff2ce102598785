"""What simple filters print for a known input: `echo … | base64 -d | rev`.

Commands are hidden in text that such filters bring back; to judge what reaches a shell, the text
is worked out here. Pure, bounded in size, nothing is ever run.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import zlib
from collections.abc import Callable, Sequence

MAX_OUTPUT = 200_000
"""Characters; what would be longer counts as unknown."""

_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|0?([0-7]{1,3})|(.))", re.S
)
_NAMED = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "?": "?",
}
_RANGE = re.compile(r"(.)-(.)", re.S)


def unescape(text: str) -> str:
    r"""Undo the backslash escapes of `$'…'`, `echo -e` and `printf`."""

    def replace(match: re.Match[str]) -> str:
        for group, radix in ((1, 16), (2, 16), (3, 16), (4, 8)):
            if digits := match.group(group):
                number = int(digits, radix)
                return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "?"
        return _NAMED.get(match.group(5), match.group(0))

    return _ESCAPE.sub(replace, text)


def output_of(words: Sequence[str], stdin: str | None) -> str | None:
    """Return what a command prints, or None where that is not known."""
    if not words:
        return None
    program = words[0].rsplit("/", 1)[-1]
    arguments = list(words[1:])
    if program == "echo":
        return _echo(arguments)
    if program == "printf":
        return _printf(arguments)
    if stdin is None:
        return None
    work = _FILTERS.get(program)
    result = work(arguments, stdin) if work else None
    return result if result is None or len(result) <= MAX_OUTPUT else None


def _echo(arguments: list[str]) -> str:
    is_escaped = False
    while arguments and re.fullmatch(r"-[neE]+", arguments[0]):
        is_escaped = is_escaped or "e" in arguments[0]
        arguments = arguments[1:]
    text = " ".join(arguments)
    return unescape(text) if is_escaped else text


def _printf(arguments: list[str]) -> str | None:
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments or arguments[0].startswith("-v"):
        return None
    form, values = unescape(arguments[0]), arguments[1:]
    if "%" not in form:
        return form
    pieces = re.split(r"%[-0-9.]*[sbcqdx]", form)
    if len(pieces) == 2 and len(values) > 1:
        return "".join(f"{pieces[0]}{value}{pieces[1]}" for value in values)
    text = pieces[0]
    for number, piece in enumerate(pieces[1:]):
        text += (unescape(values[number]) if number < len(values) else "") + piece
    return text.replace("%%", "%")


def _to_bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _to_text(raw: bytes) -> str:
    """Filters pass bytes on as characters 0–255; text ends up readable where it is UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _has_letter(argument: str, letter: str) -> bool:
    """A flag in a bundle: `-rp`."""
    return argument.startswith("-") and argument[1:2] != "-" and letter in argument


def _base64(arguments: list[str], stdin: str) -> str | None:
    if not any(a in ("--decode", "-D") or _has_letter(a, "d") for a in arguments):
        return base64.b64encode(stdin.encode("utf-8", "replace")).decode()
    return decode_base64(stdin)


def decode_base64(text: str) -> str | None:
    """Decode standard or URL-safe base64, padding optional; None where it is not base64."""
    packed = re.sub(r"\s+", "", text).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return _to_text(base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _xxd(arguments: list[str], stdin: str) -> str | None:
    if not any(_has_letter(a, "r") for a in arguments):
        return None
    try:
        return _to_text(bytes.fromhex(re.sub(r"\s+", "", stdin)))
    except ValueError:
        return None


def _gunzip(arguments: list[str], stdin: str) -> str | None:
    try:
        return _to_text(zlib.decompressobj(wbits=47).decompress(_to_bytes(stdin), MAX_OUTPUT))
    except zlib.error:
        return None


def _gzip(arguments: list[str], stdin: str) -> str | None:
    is_decoding = any(a in ("-d", "-dc", "-cd", "--decompress") for a in arguments)
    return _gunzip(arguments, stdin) if is_decoding else None


def _tr(arguments: list[str], stdin: str) -> str | None:
    if arguments[:1] == ["-d"] and len(arguments) == 2:
        return stdin.translate(dict.fromkeys(map(ord, _expand(arguments[1]))))
    if len(arguments) != 2 or arguments[0].startswith("-"):
        return None
    source, target = _expand(arguments[0]), _expand(arguments[1])
    if not target:
        return None
    target += target[-1] * (len(source) - len(target))
    return stdin.translate({ord(a): b for a, b in zip(source, target, strict=False)})


def _expand(characters: str) -> str:
    def spread(match: re.Match[str]) -> str:
        first, last = ord(match.group(1)), ord(match.group(2))
        return "".join(map(chr, range(first, min(last, first + 256) + 1)))

    return _RANGE.sub(
        spread, unescape(characters.replace("[:upper:]", "A-Z").replace("[:lower:]", "a-z"))
    )


def _rev(arguments: list[str], stdin: str) -> str:
    return "\n".join(line[::-1] for line in stdin.split("\n"))


def _rot13(arguments: list[str], stdin: str) -> str:
    return codecs.encode(stdin, "rot13")


def _pass(arguments: list[str], stdin: str) -> str | None:
    return stdin if all(a in ("-", "-u", "-a") for a in arguments) else None


_FILTERS: dict[str, Callable[[list[str], str], str | None]] = {
    "base64": _base64,
    "cat": _pass,
    "gunzip": _gunzip,
    "gzip": _gzip,
    "rev": _rev,
    "rot13": _rot13,
    "tee": _pass,
    "tr": _tr,
    "xxd": _xxd,
    "zcat": _gunzip,
}
