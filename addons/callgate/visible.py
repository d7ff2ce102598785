"""Text of a model's, made safe to look at."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""Escape what could steer a terminal or deceive an eye: controls, bidi marks, newlines.

    What can not be printed becomes `\x1b`, `\u202e` and so on.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )
