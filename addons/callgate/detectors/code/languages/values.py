"""Values that a program builds, and the usual ways to build or hide a string.

Joining, formatting, `chr`, base64, hex, rot13, zlib. Bounded in size; nothing is executed.
"""

from __future__ import annotations

import ast
import base64
import codecs
import posixpath
import zlib
from collections.abc import Callable, Iterable

from callgate.detectors.code.languages.base import MAX_TEXT, UNKNOWN

type Value = str | bytes | int | list[Value]
type Function = Callable[[list[Value | None]], Value | None]
"""Works on folded arguments, the owner of a method first; None is what only a run would tell."""

HOMES = {"HOME": "~", "USERPROFILE": "~", "TMPDIR": "/tmp", "TEMP": "/tmp"}  # noqa: S108 - a name
"""Variables of the environment whose value is known well enough."""


def plain(value: Value) -> str:
    """Write a value as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return joined(map(plain, value))
    return str(value) if isinstance(value, str) or abs(value) < 10**18 else UNKNOWN


def joined(pieces: Iterable[str], between: str = "") -> str:
    """Join what is not too long together; raise OverflowError for the rest."""
    kept: list[str] = []
    left = MAX_TEXT
    for piece in pieces:
        left -= len(piece) + len(between)
        if left < 0:
            raise OverflowError
        kept.append(piece)
    return between.join(kept)


def arithmetic(one: int, op: ast.operator, other: int) -> int | None:
    """Compute what characters are hidden by: sums, differences, exclusive or."""
    if max(abs(one), abs(other)) > 1 << 64:
        return None
    match op:
        case ast.Add():
            return one + other
        case ast.Sub():
            return one - other
        case ast.BitXor():
            return one ^ other
    return None


def tried(function: Function, given: list[Value | None]) -> Value | None:
    """Apply a function; None where it does not fit."""
    try:
        return function(given)
    except (ValueError, TypeError, OverflowError, LookupError, zlib.error):
        return None


def _text(value: Value | None) -> str:
    if value is None:
        raise TypeError
    return plain(value)


def _bytes(value: Value | None) -> bytes:
    if value is None or isinstance(value, int):
        raise TypeError
    if isinstance(value, list):
        return bytes(item for item in value if isinstance(item, int))
    return value if isinstance(value, bytes) else value.encode()


def _join(given: list[Value | None]) -> Value | None:
    items = given[1] if isinstance(given[1], list | str) else [UNKNOWN]
    return joined(map(plain, items), _text(given[0]))


def _path_join(given: list[Value | None]) -> str:
    parts = [plain(UNKNOWN if part is None else part) for part in given]
    joined(parts)
    return posixpath.join(*parts)


def _decode(given: list[Value | None]) -> Value | None:
    if len(given) > 1 and given[1] in ("rot13", "rot_13", "hex", "base64"):
        if "rot" in str(given[1]):
            return codecs.encode(_text(given[0]), "rot13")
        return bytes.fromhex(_text(given[0])) if given[1] == "hex" else _b64(given)
    return _bytes(given[0]).decode("utf-8", "replace")


def _b64(given: list[Value | None]) -> bytes:
    raw = _bytes(given[0]).translate(bytes.maketrans(b"-_", b"+/"))
    return base64.b64decode(raw + b"=" * (-len(raw) % 4))


def _inflate(given: list[Value | None]) -> bytes:
    return zlib.decompressobj(wbits=47).decompress(_bytes(given[0]), MAX_TEXT)


def _format(given: list[Value | None]) -> str:
    text = _text(given[0])
    for position, value in enumerate(given[1:]):
        written = plain(UNKNOWN if value is None else value)
        joined([text, *([written] * (text.count(f"{{{position}}}") + 1))])
        text = text.replace("{}", written, 1).replace(f"{{{position}}}", written)
    return text


def _replace(given: list[Value | None]) -> str | None:
    text, old, new = (plain(value) for value in given[:3] if value is not None)
    return text.replace(old, new) if len(text) * (len(new) + 1) <= MAX_TEXT * 10 else None


def _split(given: list[Value | None]) -> Value | None:
    separator = _text(given[1]) if len(given) > 1 else ""
    return list(_text(given[0]).split(separator or None))


def _same(given: list[Value | None]) -> Value | None:
    return given[0]


def _reversed(given: list[Value | None]) -> Value | None:
    return given[0][::-1] if isinstance(given[0], str | bytes | list) else None


METHODS: dict[str, Function] = {
    "decode": _decode,
    "encode": lambda given: _bytes(given[0]),
    "format": _format,
    "hex": lambda given: _bytes(given[0]).hex(),
    "join": _join,
    "joinpath": _path_join,
    "lower": lambda given: _text(given[0]).lower(),
    "replace": _replace,
    "split": _split,
    "strip": lambda given: _text(given[0]).strip(),
    "expanduser": _same,
    "resolve": _same,
    "absolute": _same,
}
"""Name of a method → what it gives."""
FUNCTIONS: dict[str, Function] = {
    "Path": lambda given: _path_join(given) if given else ".",
    "PurePath": _path_join,
    "PosixPath": _path_join,
    "path.join": _path_join,
    "os.path.join": _path_join,
    "expanduser": _same,
    "expandvars": _same,
    "abspath": _same,
    "realpath": _same,
    "fspath": _same,
    "home": lambda given: "~",
    "getenv": lambda given: HOMES.get(_text(given[0])),
    "environ.get": lambda given: HOMES.get(_text(given[0])),
    "str": lambda given: _text(given[0]),
    "bytes": lambda given: _bytes(given[0]),
    "bytearray": lambda given: _bytes(given[0]),
    "chr": lambda given: chr(given[0]) if isinstance(given[0], int) else None,
    "ord": lambda given: ord(given[0]) if isinstance(given[0], str | bytes) else None,
    "int": lambda given: given[0] if isinstance(given[0], int) else None,
    "reversed": _reversed,
    "list": _same,
    "compile": _same,
    "shlex.split": lambda given: list(_text(given[0]).split()),
    "dedent": _same,
    "b64decode": _b64,
    "urlsafe_b64decode": _b64,
    "standard_b64decode": _b64,
    "b32decode": lambda given: base64.b32decode(_bytes(given[0])),
    "b16decode": lambda given: base64.b16decode(_bytes(given[0])),
    "b85decode": lambda given: base64.b85decode(_bytes(given[0])),
    "unhexlify": lambda given: bytes.fromhex(_bytes(given[0]).decode()),
    "fromhex": lambda given: bytes.fromhex(_text(given[0])),
    "decompress": _inflate,
    "codecs.decode": _decode,
    "codecs.encode": _decode,
}
"""Name of a function, or its last part → what it gives."""
