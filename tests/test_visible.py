from __future__ import annotations

import pytest

from callgate.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode 🔧", "plain text, ünïcode 🔧"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("line\nline", "line\\nline"),
        ("\u202egpj", "\\u202egpj"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_deceive_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
