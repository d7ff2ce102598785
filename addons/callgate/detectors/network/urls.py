r"""URLs and `host:port` texts, read as the many clients read them that disagree.

`http://a\@b/` goes to `a` in a browser and to `b` in curl: both are hosts of it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote

from callgate.detectors.network.addresses import fold, is_address
from callgate.detectors.pattern import pattern

MAX_WHOLE = 20_000
"""Characters; a longer text is no URL from start to end."""

_URL = pattern(r"(?i)\b[a-z][a-z0-9+.\-]{1,20}:(?:/|\\/|\\)(?:/|\\/|\\)+[^\s<>\"'`{}|]+")
_WHOLE = re.compile(r"(?:url:|view-source:|feed:|jar:)*([a-z][a-z0-9+.\-]{1,20}):([/\\]*)", re.I)
_LOOSE_SCHEMES = frozenset(str.split("http https ftp ftps ws wss gopher dict ldap ldaps sftp tftp"))
"""Clients put in the slashes that are missing after these."""

_FILE_SCHEMES = frozenset(str.split("file netdoc phar php glob expect local_file compress.zlib"))
_STRIPPED = re.compile(r"[\t\r\n]|^[\x00- ]+|[\x00- ]+$")
_DELIMITER = re.compile(r"([\\/?#@])")
_HOST = re.compile(r"\[[^\]]*\]|[\w.\-]*")
_PORT = re.compile(r":([0-9]{1,5})(?![0-9])")
_BARE = re.compile(
    r"([^\s/@]{1,200}@)?(\[[0-9a-f:.%\w]+\]|[\w.\-]*\w\.?)(:[0-9]{1,5})?(?:[/?#\\].*)?",
    re.I | re.S,
)
_LONG_NUMBER = re.compile(r"[0-9]{8,}|0x[0-9a-f]{6,}|[0-9][0-9a-fx]*\.[0-9a-fx.]+", re.I)
_QUAD = re.compile(r"[0-9]+(?:\.[0-9]+){3}|\[.*")
_PARAMETER = re.compile(r"[?&;#]([^=&;#?]{1,40})=([^&;#]*)")
_NAME_BEFORE = re.compile(r"([^=&;#?/]{1,40})=$")
_TARGET_PARAMETERS = frozenset(
    str.split(
        "url uri u link href src source target dest destination redirect redirect_to redirect_url "
        "next continue return_to goto go to out proxy fetch feed host site page image img callback "
        "webhook endpoint domain forward load path open ref"
    )
)


@dataclass(frozen=True, slots=True)
class Url:
    """One URL, or a host that stands for one."""

    scheme: str
    """Lower case; empty where none is written."""
    hosts: tuple[str, ...]
    """Every host that some client reads; seldom more than one."""
    port: int | None
    rest: str
    """Path, query and fragment."""
    start: int
    """Span in the text."""
    end: int
    is_disguised: bool = False
    """Its spelling hides the host: escapes, characters of other widths, more hosts than one."""

    @property
    def is_local_file(self) -> bool:
        """It reads a file, or something like it, of the machine that opens it."""
        return self.scheme in _FILE_SCHEMES


def whole(text: str) -> Url | None:
    """Read a text that is a URL, `host`, `host:port` or `host/path` from start to end."""
    if len(text) > MAX_WHOLE:
        return None
    plain = _STRIPPED.sub("", text)
    is_disguised = plain != text.strip()
    if not plain.isascii():
        plain = fold(plain)
        is_disguised = True
    found = _whole(plain, len(text))
    return replace(found, is_disguised=True) if found and is_disguised else found


def _whole(plain: str, size: int) -> Url | None:
    match = _WHOLE.match(plain)
    if match and (match[2][1:] or match[1].lower() in _LOOSE_SCHEMES):
        return _read(match[1].lower(), plain[match.end() :], 0, size)
    if len(plain) > 2 and plain[0] in "/\\" and plain[1] in "/\\":
        return _read("", plain[2:], 0, size)
    bare = _BARE.fullmatch(plain)
    if bare is None or not _stands_alone(bare[2], bare[3]):
        return None
    if bare[1] and not is_address(bare[2]):
        return None  # a mail address
    return _read("", plain, 0, size)


def _stands_alone(host: str, port: str | None) -> bool:
    """Tell whether a word without a scheme is a host, rather than a number or any word."""
    if port is not None or host[0] == "[":
        return True
    if is_address(host):
        return _LONG_NUMBER.fullmatch(host.rstrip(".")) is not None
    return "." in host.strip(".") or host.lower() in ("localhost", "metadata")


def within(text: str) -> Iterator[Url]:
    """Yield the URLs with a scheme in any text."""
    if "://" not in text and ":\\" not in text:
        return
    for match in _URL.finditer(text):
        scheme, _, rest = match.group().partition(":")
        yield _read(scheme.lower(), rest.lstrip("/\\"), *match.span())


def inner(url: Url) -> Iterator[tuple[str, Url]]:
    """Yield URLs that a URL carries, as redirectors and readers open them.

    Each with the name of its parameter, lower case; empty where it stands in the path.
    """
    rest = decoded(url.rest)
    for found in within(rest):
        before = _NAME_BEFORE.search(rest, max(0, found.start - 41), found.start)
        yield (before[1].lower() if before else ""), found
    if "=" not in rest:
        return
    for name, value in parameters(rest):
        if name in _TARGET_PARAMETERS and "://" not in value:
            read = whole(value)
            if read and (read.scheme or read.port or any(map(is_address, read.hosts))):
                yield name, read


def parameters(rest: str) -> Iterator[tuple[str, str]]:
    """Yield names, lower case, and values of what follows a URL's path."""
    for name, value in _PARAMETER.findall(rest):
        yield name.lower(), value


def decoded(text: str) -> str:
    """Undo percent signs, also where they were put in twice."""
    for _ in range(3):
        if "%" not in text:
            break
        text = unquote(text)
    return text


def _read(scheme: str, after: str, start: int, end: int) -> Url:
    if scheme in _FILE_SCHEMES:
        return Url(scheme, (), None, "/" + after, start, end)
    authority, slash, path = after.partition("/")
    region = fold(authority) if "%" in authority or not authority.isascii() else authority
    hosts: dict[str, None] = {}
    port = None
    for piece in _authorities(region):
        host, number = _split(piece)
        if host:
            hosts[host] = None
            port = number if port is None else port
    is_disguised = len(hosts) > 1 or (region is not authority and region != authority.lower())
    rest = _tail(authority) + slash + path
    return Url(scheme, tuple(hosts), port, rest, start, end, is_disguised)


def _authorities(region: str) -> Iterator[str]:
    """Every `host:port` that some client reads before the path."""
    pieces = _DELIMITER.split(region)
    before = ""
    for position in range(0, len(pieces), 2):
        piece = pieces[position]
        after = pieces[position + 1] if position + 1 < len(pieces) else ""
        if before in ("?", "#") and "=" in piece:
            break
        if before == "@" or (not before and (after != "@" or _QUAD.match(piece))):
            yield piece
        before = after


def _split(piece: str) -> tuple[str, int | None]:
    if piece.count(":") > 1 and piece[0] != "[" and is_address(piece):
        return piece, None
    host = _HOST.match(piece)
    name = host[0] if host else ""
    port = _PORT.match(piece, len(name))
    return name, int(port[1]) if port else None


def _tail(authority: str) -> str:
    """The query or fragment of a URL without a path."""
    cut = min((at for mark in "?#" if (at := authority.find(mark)) >= 0), default=len(authority))
    return authority[cut:]
