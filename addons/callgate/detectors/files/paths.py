"""File paths as the system would read them: spellings undone, `..` counted.

A path that is written so that a filter does not see where it leads (`%2e%2e%2f`, `..;/`,
full-width dots) says more than the place it leads to; `Path.disguise` names the trick.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

MAX_PATH = 4096
"""Characters; longer texts are no paths on any system."""

_MAX_ROUNDS = 5
"""Encodings around encodings."""

_HIDDEN = re.compile(
    r"(?i)%(?:2e|2f|5c|c0|c1|e0%80|u[0-9a-f]{4}|%|25)|\\u00(?:2e|2f|5c)|\\x(?:2e|2f|5c)"
    r"|(?:0x2e|\.)(?:0x2e|\.)0x(?:2f|5c)"
)
_ESCAPED = re.compile(r"(?i)(?:%u|\\u)([0-9a-f]{4})|\\x(2e|2f|5c)")
_HEX = re.compile(r"(?i)0x(2e|2f|5c)")
_OVERLONG = re.compile(rb"\xc0([\x20-\xbf])|\xc1([\x80-\xbf])|\xe0\x80([\x80-\xbf])")
_LOOKALIKES = str.maketrans(
    "\u2215\u2044\u29f8\u29f5\u2216\u2571\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0455"
    "\u0501\u04bb\u03bf\u03bd\u03b9",
    "///\\\\/aeopcxyisdhovi",
)
_SCHEME = re.compile(r"(?i)^(?:file:(?://(?:localhost)?)?(?=[/\\~a-z])|\\\\\?\\|\\\\\.\\|//\?/)")
_SHARE = re.compile(r"(?i)^(?:\\\\|//)([^\\/\s]+)[\\/]+([^\\/\s]+)")
_DRIVE = re.compile(
    r"^(?:/?[a-z]:|/(?:mnt|cygdrive)/[a-z](?=/|$)|/[a-z](?=/(?:users|windows)(?:/|$)))"
)
_HOME = re.compile(
    r"^(?:~[\w.-]*|\$home\b|\$\{home\}|%userprofile%|%homepath%|\$env:userprofile)(?=/|$)"
)
_ROOTS = re.compile(r"^/proc/(?:self|thread-self|\d+|\*)/(?:root|task/\d+/root)(?=/)")
_PARENT = re.compile(r"^(?:\.\.\s*|\.{4,})$|^\.\.(?:;.*|\s+)$")
_LOCAL = frozenset(("localhost", "127.0.0.1", "::1", "."))


@dataclass(frozen=True, slots=True)
class Path:
    """A path in its plain form."""

    text: str
    """Lower case, `/` between names, no `.` or `..` left, no drive; `/` before absolute ones."""
    climbs: int = 0
    """Levels above where it starts: `a/../../b` climbs one."""
    leaves_root: bool = False
    """It climbs above a root, or from one top folder into another: `/..`, `/usr/../etc`."""
    disguise: str = ""
    """How its dots, slashes or end are hidden; empty where they are not."""
    host: str = ""
    """Whose share it is: `\\\\host\\share`."""


def path_of(text: str) -> Path:
    """Undo every spelling of a path that some program undoes; never raises."""
    plain, disguise = _decoded(text[:MAX_PATH].strip().strip("\"'"))
    plain, _, rest = plain.partition("\0")
    if rest or "\0" in text:
        disguise = disguise or "NUL byte"
    plain = _SCHEME.sub("", plain)
    host = ""
    if share := _SHARE.match(plain):
        host = "" if share[1].lower() in _LOCAL else share[1].lower()
        name = share[2].replace("$", ":") if share[2].endswith("$") else share[2]
        plain = f"/{name}{plain[share.end() :]}"
    if "....//" in plain or "....\\" in plain or "..;" in plain:
        disguise = disguise or "dots that a filter turns into .."
    if "/" in plain and "..\\" in plain:
        disguise = disguise or "mixed slashes"
    return _resolved(plain.replace("\\", "/").lower(), disguise, host)


def _decoded(text: str) -> tuple[str, str]:
    disguise = ""
    for _ in range(_MAX_ROUNDS):
        if not ("%" in text or "\\" in text or "0x" in text):
            break
        if not disguise and _HIDDEN.search(text):
            disguise = "encoded dots or slashes"
        before = text
        text = _ESCAPED.sub(lambda m: chr(int(m[1] or m[2], 16)), text)
        if disguise:
            text = _HEX.sub(lambda m: chr(int(m[1], 16)), text)
        if "%" in text:
            raw = _OVERLONG.sub(_short, unquote_to_bytes(text.encode("utf-8", "replace")))
            text = raw.decode("utf-8", "replace")
        if text == before:
            break
    if text.isascii():
        # `%25` alone is an honest per cent sign.
        return text, disguise if ".." in text or "/" in text or "\\" in text else ""
    folded = _folded(text)
    is_hidden = any(folded.count(c) > text.count(c) for c in "./\\")
    return folded, disguise or ("look-alike dots or slashes" if is_hidden else "")


def _short(match: re.Match[bytes]) -> bytes:
    """An over-long UTF-8 sequence as the one byte that lax decoders make of it."""
    if match[1]:
        return bytes([match[1][0] & 0x3F if match[1][0] >= 0x80 else match[1][0]])
    return bytes([0x40 | (match[2][0] & 0x3F)]) if match[2] else bytes([match[3][0] & 0x3F])


def _folded(text: str) -> str:
    flat = unicodedata.normalize("NFKD", text).translate(_LOOKALIKES)
    return "".join(c for c in flat if unicodedata.category(c) not in ("Mn", "Me", "Cf"))


def _resolved(text: str, disguise: str, host: str) -> Path:
    if drive := _DRIVE.match(text):
        text = "/" + text[drive.end() :].lstrip("/")
    text = _HOME.sub("/home/~", _ROOTS.sub("", text))
    is_absolute = text.startswith("/")
    names: list[str] = []
    climbs, leaves = 0, False
    for name in text.split("/"):
        if name in ("", "."):
            continue
        if not _PARENT.match(name):
            names.append(name)
        elif names:
            names.pop()
            leaves = leaves or (is_absolute and not names)
        else:
            climbs += not is_absolute
            leaves = leaves or is_absolute
    return Path("/" * is_absolute + "/".join(names), climbs, leaves, disguise, host)
