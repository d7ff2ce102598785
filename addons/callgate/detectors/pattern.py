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
