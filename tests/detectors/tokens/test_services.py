from __future__ import annotations

from callgate.detectors.tokens.services import TOKENS
from tests.detectors.tokens.sound import faults


def test_every_format_is_documented_and_its_hint_holds_for_lower_case() -> None:
    assert [fault for token in TOKENS for fault in faults(token)] == []
