"""Patterns that take time linear in the text: RE2, quiet and with enough memory."""

from __future__ import annotations

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 64 << 20

type Pattern = re2._Regexp


def pattern(expression: str) -> Pattern:
    """Compile an RE2 expression (no look-around, no back-references, repeats up to 1000)."""
    return re2.compile(expression, _OPTIONS)


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
