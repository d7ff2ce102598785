"""Tells in one or two passes which of many patterns a text is worth trying."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import re2

from callgate.detectors.pattern import Pattern, pattern

_LONG = 1000
_START = 3


class Prefilter[T]:
    """Entries by the words that any match of theirs holds, whatever its case."""

    def __init__(self, entries: Iterable[tuple[Iterable[str], str, T]]) -> None:
        """Each entry has its words, its pattern, and what `candidates` gives back.

        Entries without words are tried where one of their patterns matches.
        """
        told = [(tuple(word.casefold() for word in words), p, item) for words, p, item in entries]
        self._told = tuple((words, item) for words, _, item in told if words)
        self._wordless = tuple(item for words, _, item in told if not words)
        self._any_word = _any(re2.escape(word) for words, _ in self._told for word in words)
        self._any_wordless = _any(f"(?:{p})" for words, p, _ in told if not words)

    def candidates(self, text: str) -> Iterator[T]:
        """Yield what may match, in the order given; those with words come first."""
        folded = text.casefold()
        if self._any_word and self._any_word.search(folded):
            starts = _starts(folded)
            for words, item in self._told:
                if _holds(folded, words, starts):
                    yield item
        if self._any_wordless and self._any_wordless.search(text):
            yield from self._wordless


def _holds(text: str, words: Iterable[str], starts: frozenset[str] | None) -> bool:
    return any(
        word in text
        for word in words
        if starts is None or len(word) < _START or word[:_START] in starts
    )


def _starts(text: str) -> frozenset[str] | None:
    """What words in a long text can start with, so that few are searched for; else None."""
    if len(text) < _LONG:
        return None
    return frozenset(map("".join, zip(text, text[1:], text[2:], strict=False)))


def _any(alternatives: Iterable[str]) -> Pattern | None:
    expression = "|".join(alternatives)
    return pattern(expression) if expression else None
