"""The `detectors:` of a policy file."""

from __future__ import annotations

import pytest

from callgate.errors import PolicyError
from callgate.policy.reader import read


def test_a_family_has_one_word_or_words_by_confidence_and_kind() -> None:
    content = read("detectors: {secrets: off, sql: {high: DENY, low: off, DROP_VIEW: off}}", "f")
    assert content.detectors == {
        "secrets": {"*": "off"},
        "sql": {"high": "deny", "low": "off", "DROP_VIEW": "off"},
    }
    assert read("version: 1", "f").detectors == {}


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("detectors: {secret: off}", "1:13", "`secrets`?"),
        ("detectors: {pii: warn}", "1:18", "must be off, sanitize"),
        ("detectors: {pii: true}", "1:18", "must be off, sanitize"),
        ("detectors: [pii]", "1:12", "must be a mapping"),
        ("detectors: {pii: {sure: off}}", "1:19", "unknown key `sure` in `pii`"),
        ("detectors: {pii: {high: yes}}", "1:25", "must be off, sanitize"),
        ("detectors: {pii: {high: off, high: off}}", "1:30", "duplicate key `high`"),
    ],
)
def test_a_fault_names_its_place_and_the_fix(text: str, place: str, word: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read(text, "f")
    [fault] = raised.value.faults
    assert str(fault).startswith(f"f:{place}: ")
    assert word in str(fault)
