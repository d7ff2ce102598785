"""What simple filters print for a known input: `echo … | base64 -d | rev`.

Commands are hidden in text that such filters bring back; to judge what reaches a shell, the text
is worked out here. Pure, bounded in size, nothing is ever run.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import hashlib
import lzma
import re
import zlib
from collections.abc import Callable, Sequence

from callgate.detectors.shell.editing import EDITORS

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
    "\n": "",
}
_URL_SAFE = str.maketrans("-_", "+/")
_PLACE = re.compile(r"(?<!%)%[-0-9.]*([sbcqdioxX])")
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
    if program == "seq":
        return _seq(arguments)
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
    pieces = _PLACE.split(form)
    plain, kinds = pieces[::2], pieces[1::2]
    if not kinds:
        return form.replace("%%", "%")
    rounds = range(0, max(len(values), 1), len(kinds))
    text = "".join(
        plain[0]
        + "".join(
            _put(kind, values[start + i : start + i + 1]) + plain[i + 1]
            for i, kind in enumerate(kinds)
        )
        for start in rounds
    )
    return text.replace("%%", "%") if len(text) <= MAX_OUTPUT else None


def _put(kind: str, value: list[str]) -> str:
    """A value as `%s`, `%b`, `%c`, `%x` and `%o` print it."""
    text = value[0] if value else ""
    if kind in "oxX" and re.fullmatch(r"\d{1,9}|0x[0-9A-Fa-f]{1,8}", text):
        return format(int(text, 16 if text[:2] == "0x" else 10), kind)
    if kind == "c":
        return text[:1]
    return unescape(text) if kind == "b" else text


def _seq(arguments: list[str]) -> str | None:
    if not 1 <= len(arguments) <= 2 or not all(re.fullmatch(r"-?\d{1,6}", a) for a in arguments):
        return None
    first, last = int(arguments[0]) if len(arguments) == 2 else 1, int(arguments[-1])
    return "\n".join(map(str, range(first, min(last, first + 1000) + 1)))


def _to_bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def to_text(raw: bytes) -> str:
    """Return text of bytes: UTF-8, else one character a byte, so that filters lose nothing."""
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
    raw = base64_bytes(text)
    return None if raw is None else to_text(raw)


def base64_bytes(text: str) -> bytes | None:
    """Decode like `decode_base64`, to bytes."""
    packed = re.sub(r"\s+", "", text).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _xxd(arguments: list[str], stdin: str) -> str | None:
    if not any(_has_letter(a, "r") for a in arguments):
        return None
    try:
        return to_text(bytes.fromhex(re.sub(r"\s+", "", stdin)))
    except ValueError:
        return None


def _base32(arguments: list[str], stdin: str) -> str | None:
    packed = re.sub(r"\s+", "", stdin).rstrip("=")
    if not any(a == "--decode" or _has_letter(a, "d") for a in arguments):
        return None
    try:
        return to_text(base64.b32decode(packed + "=" * (-len(packed) % 8), casefold=True))
    except (binascii.Error, ValueError):
        return None


def _openssl(arguments: list[str], stdin: str) -> str | None:
    """`openssl base64 -d`, `openssl enc -base64 -d -A`; ciphers stay unknown."""
    is_base64 = bool({"base64", "-base64", "-a"} & set(arguments))
    is_coded = any(re.match(r"-(?:aes|des|bf|camellia|chacha|k$|pass)", a) for a in arguments)
    return decode_base64(stdin) if is_base64 and "-d" in arguments and not is_coded else None


def unzip(raw: bytes) -> bytes | None:
    """Undo gzip, bzip2 or xz up to MAX_OUTPUT bytes; None where it is none of them."""
    try:
        if raw[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(raw, MAX_OUTPUT)
        if raw[:6] == b"\xfd7zXZ\x00":
            return lzma.LZMADecompressor(memlimit=32 << 20).decompress(raw, MAX_OUTPUT)
        return zlib.decompressobj(wbits=47).decompress(raw, MAX_OUTPUT)
    except (zlib.error, lzma.LZMAError, OSError, ValueError):
        return None


def _unzip(arguments: list[str], stdin: str) -> str | None:
    plain = unzip(_to_bytes(stdin))
    return None if plain is None else to_text(plain)


def _zip(arguments: list[str], stdin: str) -> str | None:
    is_decoding = any(_has_letter(a, "d") or a.startswith("--d") for a in arguments)
    return _unzip(arguments, stdin) if is_decoding else None


def _md5sum(arguments: list[str], stdin: str) -> str:
    raw = stdin.encode("utf-8", "replace")
    return hashlib.md5(raw, usedforsecurity=False).hexdigest() + "  -"


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


_FILTERS: dict[str, Callable[[list[str], str], str | None]] = EDITORS | {
    "base32": _base32,
    "base64": _base64,
    "bunzip2": _unzip,
    "bzcat": _unzip,
    "bzip2": _zip,
    "cat": _pass,
    "gunzip": _unzip,
    "gzip": _zip,
    "md5sum": _md5sum,
    "openssl": _openssl,
    "rev": _rev,
    "rot13": _rot13,
    "tee": _pass,
    "tr": _tr,
    "unlzma": _unzip,
    "unxz": _unzip,
    "xxd": _xxd,
    "xz": _zip,
    "xzcat": _unzip,
    "zcat": _unzip,
}
