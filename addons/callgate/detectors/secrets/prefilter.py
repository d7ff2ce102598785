"""Tells in one or two passes which of many patterns a text is worth trying."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import re2

from callgate.detectors.pattern import Pattern, pattern


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
            for words, item in self._told:
                if any(word in folded for word in words):
                    yield item
        if self._any_wordless and self._any_wordless.search(text):
            yield from self._wordless


def _any(alternatives: Iterable[str]) -> Pattern | None:
    expression = "|".join(alternatives)
    return pattern(expression) if expression else None
