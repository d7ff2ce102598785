"""Two redactions of the same arguments as one that takes out what either takes out."""

from __future__ import annotations

from callgate.canonical import Json

REDACTED = "[REDACTED]"
"""Stands for a value that both have changed, and differently."""


def merged(original: Json, one: Json, other: Json) -> Json:
    """Take each value from who has changed it; a key that either takes out is gone.

    What neither has left as it was, and both have changed to something else, is taken out whole.
    """
    if isinstance(original, dict) and isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(original.get(key), one[key], other[key]) for key in one if key in other}
    if (
        isinstance(original, list)
        and isinstance(one, list)
        and isinstance(other, list)
        and len(original) == len(one) == len(other)
    ):
        return [merged(*values) for values in zip(original, one, other, strict=True)]
    if _is_same(one, other) or _is_same(other, original):
        return one
    return other if _is_same(one, original) else REDACTED


def _is_same(one: Json, other: Json) -> bool:
    # to Python, 1 and True are equal
    return repr(one) == repr(other)
