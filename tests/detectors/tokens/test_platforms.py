from __future__ import annotations

from callgate.detectors.tokens.base import Token
from callgate.detectors.tokens.platforms import TOKENS
from tests.detectors.tokens.sound import faults


def test_every_format_is_documented_and_its_hint_holds_for_lower_case() -> None:
    assert [fault for token in TOKENS for fault in faults(token)] == []


def test_faulty_format_is_told() -> None:
    assert faults(Token("lower", "", "ABC", "a", "")) == [
        "lower: kind is not UPPER_SNAKE",
        "lower: no provider or source",
        "lower: hint is not lower case",
    ]
