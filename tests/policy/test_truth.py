from __future__ import annotations

import pytest

from callgate.policy.truth import HOLDS, Outcome, Truth, combined

FAILS = Outcome(Truth.FAILS, "no")
UNKNOWN = Outcome(Truth.UNKNOWN, "perhaps")


@pytest.mark.parametrize(
    ("outcomes", "strict", "truth"),
    [
        ([HOLDS, HOLDS], True, Truth.HOLDS),
        ([HOLDS, UNKNOWN], True, Truth.UNKNOWN),
        ([HOLDS, UNKNOWN, FAILS], True, Truth.FAILS),
        ([], True, Truth.HOLDS),
        ([FAILS, HOLDS], False, Truth.HOLDS),
        ([FAILS, UNKNOWN], False, Truth.UNKNOWN),
        ([FAILS, FAILS], False, Truth.FAILS),
        ([], False, Truth.FAILS),
    ],
)
def test_doubt_never_counts_as_the_harmless_answer(
    outcomes: list[Outcome], strict: bool, truth: Truth
) -> None:
    assert combined(outcomes, strict=strict).truth is truth


def test_inversion_keeps_doubt() -> None:
    assert HOLDS.inverted().truth is Truth.FAILS
    assert FAILS.inverted().truth is Truth.HOLDS
    assert UNKNOWN.inverted() == UNKNOWN
