"""What every format in the tables must keep."""

from __future__ import annotations

import re

from callgate.detectors.tokens.base import Token


def faults(token: Token) -> list[str]:
    """Say what is wrong with a format."""
    found = []
    if not re.fullmatch(r"[A-Z][A-Z0-9_]+", token.kind):
        found.append("kind is not UPPER_SNAKE")
    if not (token.provider and token.source):
        found.append("no provider or source")
    if re.search(r"[A-Z]", token.hint.replace(r"\S", "")):
        found.append("hint is not lower case")
    if not 0 < token.confidence <= 1:
        found.append("confidence is not within 0 and 1")
    return [f"{token.kind}: {fault}" for fault in found]
