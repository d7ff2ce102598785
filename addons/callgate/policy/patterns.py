"""Globs over argument values: paths, URLs, commands, addresses, other text.

Each pattern exists twice. The *strict* form guards rules that let a call through and matches
only what is plainly meant; the *loose* form guards rules that deny and also matches what a
shell, a file system or a server would read the same way. RE2 runs both: time is linear in
the value.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote, urlsplit

import re2

from callgate.policy.truth import HOLDS, Outcome, Truth

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = re.compile(r"[ .]*\.\.[ .]*")
_SPACES = re.compile(r"\s+")
_AROUND_BARS = re.compile(r" ?([|;&]) ?")
_QUOTING = str.maketrans("", "", "\\'\"")
_ESCALATING = r";&|<>$`\\(){}\n\r"
_SEPARATING = r"\s,;:<>\"\\"
_QUIET = re2.Options()
_QUIET.log_errors = False  # errors are raised; the library would also write them to stderr
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Kind(StrEnum):
    """What a pattern's value is, told by the name of the field."""

    PATH = "path"
    URL = "URL"
    COMMAND = "command"
    ADDRESS = "address"
    TEXT = "text"


_KINDS = {
    "path": Kind.PATH,
    "file": Kind.PATH,
    "filename": Kind.PATH,
    "dir": Kind.PATH,
    "directory": Kind.PATH,
    "folder": Kind.PATH,
    "url": Kind.URL,
    "uri": Kind.URL,
    "command": Kind.COMMAND,
    "cmd": Kind.COMMAND,
    "to": Kind.ADDRESS,
    "cc": Kind.ADDRESS,
    "bcc": Kind.ADDRESS,
    "recipient": Kind.ADDRESS,
    "email": Kind.ADDRESS,
    "address": Kind.ADDRESS,
    "domain": Kind.ADDRESS,
    "host": Kind.ADDRESS,
    "hostname": Kind.ADDRESS,
}


def kind_of(field: str) -> Kind:
    """Tell the kind from a field's name: `path` and `file_path` are paths, and so on."""
    return _KINDS.get(field.lower()) or _KINDS.get(field.lower().rsplit("_", 1)[-1], Kind.TEXT)


class _Regex(Protocol):
    def fullmatch(self, text: str) -> object | None: ...
    def search(self, text: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """Alternatives `a|b|c` of globs; `*` stays within a segment, `**` does not."""

    kind: Kind
    text: str
    strict: tuple[_Regex, ...]
    loose: tuple[_Regex, ...]

    @classmethod
    def of(cls, kind: Kind, text: str) -> Pattern:
        """Compile. Raises ValueError with what is wrong and the fix."""
        alternatives = _alternatives(kind, text)
        return cls(
            kind,
            text,
            tuple(_compile(_STRICT[kind](glob)) for glob in alternatives),
            tuple(_compile("(?i)" + _LOOSE[kind](glob)) for glob in alternatives),
        )

    def test(self, value: str, *, strict: bool) -> Outcome:
        """Match one string; UNKNOWN for text that is not Unicode."""
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            return Outcome(Truth.UNKNOWN, "is not valid Unicode")
        if strict:
            plain = _PLAIN[self.kind](value)
            if plain is not None and any(regex.fullmatch(plain) for regex in self.strict):
                return HOLDS
            return Outcome(Truth.FAILS, f"does not match `{self.text}`")
        for reading in _READINGS[self.kind](value):
            if any(regex.search(reading) for regex in self.loose):
                return Outcome(Truth.HOLDS, f"matches `{self.text}`")
        return Outcome(Truth.FAILS, f"does not match `{self.text}`")


def _compile(expression: str) -> _Regex:
    regex: _Regex = re2.compile("(?s)" + expression, options=_QUIET)
    return regex


def _alternatives(kind: Kind, text: str) -> list[str]:
    # `curl * | sh` is one command: there, a bar between spaces is a pipe
    bar = r"(?<=\S)\||\|(?=\S)" if kind is Kind.COMMAND else r"(?<!\\)\|"
    globs = [glob.strip() for glob in re.split(bar, text)]
    if not all(globs):
        raise ValueError("has an empty alternative: remove the extra `|`")
    if kind is Kind.PATH and any(".." in glob.split("/") for glob in globs):
        raise ValueError("contains `..`, which never matches: write the resolved path")
    return globs


def translate(glob: str, *, never: str, wide: str = ".*") -> str:
    """Turn a glob into RE2: `*`, `?` and `[!...]` match no character of the class `never`.

    Raises ValueError for an unclosed bracket or a trailing backslash.
    """
    one = f"[^{never}]" if never else "."
    parts: list[str] = []
    rest = glob
    while rest:
        if rest.startswith("**/") and (not parts or parts[-1] == "/"):
            parts.append(f"(?:{wide}/)?")
            rest = rest[3:]
        elif rest.startswith("**"):
            parts.append(wide)
            rest = rest.lstrip("*")
        elif rest[0] == "[":
            part, rest = _bracket(rest, never)
            parts.append(part)
        elif rest[0] == "\\":
            if len(rest) == 1:
                raise ValueError("ends in a backslash: write `\\\\` for the character itself")
            parts.append(re2.escape(rest[1]))
            rest = rest[2:]
        else:
            parts.append({"*": one + "*", "?": one}.get(rest[0]) or _literal(rest[0]))
            rest = rest[1:]
    return "".join(parts)


def _literal(character: str) -> str:
    return "/" if character == "/" else re2.escape(character)


def _bracket(rest: str, never: str) -> tuple[str, str]:
    end = rest.find("]", 3 if rest[1:2] in ("!", "^") else 2)
    if end < 0:
        raise ValueError("has a `[` without `]`: close it, or write `\\[` for the character itself")
    negated = rest[1] in "!^"
    body = rest[2 if negated else 1 : end].replace("\\", "\\\\").replace("[", "\\[")
    body = body.replace("^", "\\^").replace("]", "\\]")
    found = f"[^{body}{never}]" if negated else f"[{body}]"
    try:
        re2.compile(found, options=_QUIET)
    except re2.error as error:
        raise ValueError(
            f"has a bad range {rest[: end + 1]!r}: write it from low to high"
        ) from error
    return found, rest[end + 1 :]


# --- paths


def _strict_path(glob: str) -> str:
    return translate(_tidy(glob + "**" if glob.endswith("/") else glob), never="/")


def _loose_path(glob: str) -> str:
    body = translate(_tidy(glob.rstrip("/")), never="/")
    start = "^" if glob.startswith(("/", "**")) else "^(?:.*/)?"
    return f"{start}{body}(?:/.*)?$"


def _tidy(path: str) -> str:
    """Drop empty and `.` segments, which name the same file."""
    kept = [part for part in path.split("/") if part not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(kept)


def _climbs(path: str) -> bool:
    return any(_DOTS.fullmatch(part) for part in path.split("/"))


def _decoded(text: str) -> str:
    """Undo percent-encoding until nothing changes, three times at most."""
    for _ in range(3):
        text = unquote(text)
    return text


def _plain_path(value: str) -> str | None:
    path = value.replace("\\", "/")
    if _CONTROL.search(value) or _climbs(path) or _climbs(_decoded(value).replace("\\", "/")):
        return None
    return _tidy(path)


def _path_readings(value: str) -> list[str]:
    readings = []
    for text in {value, _decoded(value)}:
        path = re.sub(r"^[A-Za-z]:", "", _CONTROL.sub("", text).strip().replace("\\", "/"))
        resolved = posixpath.normpath(path.replace("//", "/"))
        readings += [_tidy(path), resolved]
        if resolved.startswith("../"):
            # from an unknown place upwards: it may end anywhere, so also at the root
            readings.append("/" + resolved.replace("../", ""))
    return readings


# --- URLs


def _url_parts(glob: str) -> tuple[str, str, str | None]:
    scheme, mark, rest = glob.rpartition("://")
    host, slash, path = rest.partition("/")
    if host.endswith("*") and not slash and not host.endswith(":*"):
        # `https://x.com*` means what lies below that host, never `x.com.evil.net`
        host, slash, path = host.rstrip("*") or "*", "/", "**"
    return scheme if mark else "", host.lower(), path if slash else None


def _strict_url(glob: str) -> str:
    scheme, host, path = _url_parts(glob)
    start = translate(scheme.lower(), never="/:") if scheme else "https?"
    name = translate(host, never=r"/:?#@", wide=r"[^/:?#@]*")
    return f"{start}://{name}/" + translate(path or "", never="/")


def _loose_url(glob: str) -> str:
    _, host, path = _url_parts(glob)
    name = translate(host, never="/", wide="[^/]*").rstrip(".")
    body = "(?:[/?#].*)?" if path is None else "/+" + translate(path, never="/")
    if path is not None and path.strip("*") == "":
        body = "(?:[/?#].*)?"
    return rf"^(?:[a-z][a-z0-9+.-]*:)?/*(?:[^/]*@)?{name}\.?(?::\d*)?{body}$"


def _plain_url(value: str) -> str | None:
    if _CONTROL.search(value) or " " in value or "\\" in value:
        return None
    try:
        url = urlsplit(value)
        host, port = url.hostname or "", url.port
    except ValueError:
        return None
    if not host.isascii() or not host or "@" in url.netloc or _climbs(_decoded(url.path)):
        return None
    shown = "" if port in (None, _PORTS.get(url.scheme)) else f":{port}"
    query = f"?{url.query}" if url.query else ""
    return f"{url.scheme}://{host.rstrip('.')}{shown}{url.path or '/'}{query}"


def _url_readings(value: str) -> list[str]:
    plain = _CONTROL.sub("", value).strip().replace("\\", "/")
    return [plain, _decoded(plain)]


# --- commands, addresses, text


def _strict_command(glob: str) -> str:
    return translate(glob, never=_ESCALATING, wide=f"[^{_ESCALATING}]*")


def _loose_command(glob: str) -> str:
    body = glob.translate(_QUOTING).rstrip("* ") or "*"
    end = r"(?:\W|$)" if body[-1].isalnum() and not glob.endswith("*") else ""
    return r"(?:^|\W)" + translate(_squeezed(body), never="", wide=".*") + end


def _plain_command(value: str) -> str | None:
    return None if _CONTROL.search(value) else value.strip(" ")


def _command_readings(value: str) -> list[str]:
    return [_squeezed(value), _squeezed(value.translate(_QUOTING))]


def _squeezed(text: str) -> str:
    return _AROUND_BARS.sub(r"\1", _SPACES.sub(" ", text))


def _strict_address(glob: str) -> str:
    return "(?i)" + translate(glob, never=f"/@{_SEPARATING}", wide=f"[^{_SEPARATING}]*")


def _loose_address(glob: str) -> str:
    body = translate(glob, never=_SEPARATING, wide=f"[^{_SEPARATING}]*")
    return rf"(?:^|[{_SEPARATING}]){body}\.?(?:[{_SEPARATING}]|$)"


def _strict_text(glob: str) -> str:
    return translate(glob, never=r"/\x00-\x1f\x7f")


def _plain_text(value: str) -> str | None:
    return None if ".." in value.split("/") else value


_STRICT = {
    Kind.PATH: _strict_path,
    Kind.URL: _strict_url,
    Kind.COMMAND: _strict_command,
    Kind.ADDRESS: _strict_address,
    Kind.TEXT: _strict_text,
}
_LOOSE = {
    Kind.PATH: _loose_path,
    Kind.URL: _loose_url,
    Kind.COMMAND: _loose_command,
    Kind.ADDRESS: _loose_address,
    Kind.TEXT: _loose_command,
}
_PLAIN = {
    Kind.PATH: _plain_path,
    Kind.URL: _plain_url,
    Kind.COMMAND: _plain_command,
    Kind.ADDRESS: _plain_text,
    Kind.TEXT: _plain_text,
}
_READINGS = {
    Kind.PATH: _path_readings,
    Kind.URL: _url_readings,
    Kind.COMMAND: _command_readings,
    Kind.ADDRESS: _command_readings,
    Kind.TEXT: _command_readings,
}
