"""Patterns that take time linear in the text: RE2, quiet and with enough memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import re2

_SURROGATE = re.compile("[\ud800-\udfff]")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 64 << 20


class Pattern:
    """A compiled expression; its methods are those of the library's.

    Nearly all texts hold nothing: whether one does is asked of its bytes, which takes half the
    time, and letters are counted only where something was found. Texts may hold lone surrogates:
    what undoes escapes makes them.
    """

    __slots__ = ("_compiled", "_occurs", "groups", "pattern")

    def __init__(self, expression: str) -> None:
        """Raises re2.error."""
        self._compiled = re2.compile(expression, _OPTIONS)
        self._occurs: Callable[[bytes], object] = self._compiled.search
        self.pattern = expression
        self.groups: int = self._compiled.groups

    def search(self, text: str) -> re2._Match[str] | None:
        """The first match."""
        text = encodable(text)
        return self._compiled.search(text) if self._occurs(text.encode()) else None

    def match(self, text: str) -> re2._Match[str] | None:
        """The match at the start of the text."""
        text = encodable(text)
        return self._compiled.match(text) if self._compiled.match(text.encode()) else None

    def fullmatch(self, text: str) -> re2._Match[str] | None:
        """The match that is the whole text."""
        text = encodable(text)
        return self._compiled.fullmatch(text) if self._compiled.fullmatch(text.encode()) else None

    def finditer(self, text: str) -> Iterator[re2._Match[str]]:
        """The matches, none within another."""
        text = encodable(text)
        return self._compiled.finditer(text) if self._occurs(text.encode()) else iter(())

    def findall(self, text: str) -> list[Any]:
        """What the matches say; of more than one group, tuples of what they say."""
        text = encodable(text)
        return self._compiled.findall(text) if self._occurs(text.encode()) else []

    def sub(self, put: str | Callable[[re2._Match[str]], str], text: str, count: int = 0) -> str:
        """The text with something else in place of the matches, of at most `count` if that."""
        text = encodable(text)
        if not self._occurs(text.encode()):
            return text
        changed: str = self._compiled.sub(put, text, count)
        return changed


def encodable(text: str) -> str:
    """The text with lone surrogates, which have no UTF-8, replaced one to one."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def pattern(expression: str) -> Pattern:
    """Compile an RE2 expression (no look-around, no back-references, repeats up to 1000)."""
    return Pattern(expression)


def secret_span(match: re2._Match[str]) -> tuple[int, int]:
    """Where a pattern's first group that took part stands; the whole match without groups."""
    for number in range(1, match.re.groups + 1):
        if match.start(number) >= 0:
            start, end = match.span(number)
            return start, end
    start, end = match.span()
    return start, end


def goes_on(text: str, end: int) -> bool:
    """Tell whether what ends here is only the first part of something written with dashes."""
    return text[end : end + 1] == "-"
