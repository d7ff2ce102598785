"""How values are put into words on pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from callgate.visible import visible

EFFECTS = {
    "ALLOW": "allowed",
    "SANITIZE": "redacted",
    "REQUIRE_APPROVAL": "asked",
    "DENY": "denied",
}
"""What a decision is called where people read it, and its class in the style sheet."""


RULES = {"ALLOW": "allow", "REQUIRE_APPROVAL": "ask", "DENY": "deny"}
"""What an effect is called where a rule wants it."""

DELIVERIES = {
    "delivered": "delivered to the app",
    "sanitized": "delivered with redacted arguments",
    "withheld": "withheld from the app",
    "held": "held until somebody decides",
}

OUTCOMES = {
    "passed": "its result passed to the API",
    "refused": "its result was refused",
    "replaced": "its result was replaced by the notice",
    "added": "the notice was given as its result",
}


def moment(value: datetime | str) -> datetime:
    """A time from a record or an approval, in UTC."""
    parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
    return parsed.astimezone(UTC)


def span(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def duration(ms: float | None) -> str:
    """`0.4 ms`, `12 ms`, `1.3 s`; a dash where nobody measured."""
    if not ms:
        return "–"
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def number(value: float) -> str:
    """With thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u2009")


def shown(value: Any, most: int = 0) -> str:
    """Any value of a record as text that deceives nobody, cut to so many characters."""
    text = value if isinstance(value, str) else ", ".join(map(str, value or ()))
    safe = visible(text)
    return safe[: most - 1] + "…" if most and len(safe) > most else safe
