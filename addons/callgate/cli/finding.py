"""One line of `callgate doctor`: what was looked at, how it is, and what puts it right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How what was looked at is."""

    OK = "ok"
    WARN = "warn"
    """It works, with less protection than there could be, or not for everybody."""
    FAIL = "fail"
    """The gate does not work here, or does not hold."""


@dataclass(frozen=True, slots=True)
class Line:
    """What `doctor` prints of one check."""

    check: str
    """A word or two: `ca`, `store`, `client curl`."""
    state: State
    text: str
    fix: str = ""
    """What to do; empty only where nothing is to be done."""


def ok(check: str, text: str) -> Line:
    """All is well."""
    return Line(check, State.OK, text)


def warn(check: str, text: str, fix: str) -> Line:
    """Less than there could be."""
    return Line(check, State.WARN, text, fix)


def fail(check: str, text: str, fix: str) -> Line:
    """Not working, or not holding."""
    return Line(check, State.FAIL, text, fix)
