"""Three-valued answers: a constraint holds, fails, or cannot be told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Truth(StrEnum):
    """Answer to one question about arguments."""

    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "unknown"
    """Missing field, wrong type, value with two readings."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer and, where it is not plain, why; never quotes an argument's value."""

    truth: Truth
    why: str = ""

    def inverted(self) -> Outcome:
        """Swap HOLDS and FAILS."""
        return Outcome(_OPPOSITE[self.truth], self.why)


_OPPOSITE = {
    Truth.HOLDS: Truth.FAILS,
    Truth.FAILS: Truth.HOLDS,
    Truth.UNKNOWN: Truth.UNKNOWN,
}
HOLDS = Outcome(Truth.HOLDS)


def combined(outcomes: Iterable[Outcome], *, strict: bool) -> Outcome:
    """Put several values' answers into one.

    Strict (a rule that lets through): all must hold. Otherwise (a rule that denies): one is
    enough. UNKNOWN never counts as the harmless answer. Of nothing: strict holds.
    """
    found = {outcome.truth: outcome for outcome in outcomes}
    order = [Truth.FAILS, Truth.UNKNOWN, Truth.HOLDS]
    for truth in order if strict else reversed(order):
        if truth in found:
            return found[truth]
    return HOLDS if strict else Outcome(Truth.FAILS, "is empty")
