"""The tokens of a JavaScript program; whatever the text, all of it is taken once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from callgate.detectors.code.languages.base import UNKNOWN
from callgate.detectors.shell.textpipe import unescape

# Every alternative takes what it starts, closed or not, so that no text is gone over twice.
_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*(?:.*?\*/|.*\Z))
    |(?P<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\]|\\.)*`?)
    |(?P<name>[\w$]+)
    |(?P<other>\?\.(?!\d)|=>|\.\.\.|.)""",
    re.S | re.X,
)
_REGEX = re.compile(r"/(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
_BEFORE_REGEX = frozenset(
    ("", "(", ",", "=", ":", "[", "!", "&", "|", "?", "{", "}", ";", "=>", "return")
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word, string or sign."""

    kind: str
    text: str
    start: int
    end: int


def tokens(source: str) -> Iterator[Token]:
    """Yield all but blanks and comments; a `/` starts an expression where a value may start."""
    position, before = 0, ""
    while match := _next(source, position, before):
        kind = match.lastgroup or "regex"
        if kind != "blank":
            before = match[0]
            yield Token(kind, match[0], position, match.end())
        position = match.end()


def _next(source: str, position: int, before: str) -> re.Match[str] | None:
    is_comment = source[position : position + 2] in ("//", "/*")
    regex = None if is_comment or before not in _BEFORE_REGEX else _REGEX.match(source, position)
    return regex or _TOKEN.match(source, position)


def unquoted(literal: str) -> str:
    """Return what a string literal says; UNKNOWN for what is none."""
    if literal[:1] not in ("'", '"', "`"):
        return UNKNOWN
    body = literal[1:-1] if len(literal) > 1 and literal[-1] == literal[0] else literal[1:]
    if literal[0] == "`":
        body = re.sub(r"\$\{[^}]*\}", UNKNOWN, body)
    return unescape(body) if "\\" in body else body
