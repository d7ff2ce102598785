"""What every detector promises, and the text it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from callgate.model import Finding


@dataclass(frozen=True, slots=True)
class Text:
    """One string found in a call's arguments."""

    value: str
    path: str
    """JSON path of the string: `$.message`."""
    tool: str = ""
    """Name of the called function."""
    field: str = ""
    """Nearest object key above the string, lower case; empty at the top."""
    is_inner: bool = False
    """Stands in a JSON document that is itself a text which the call writes down."""


class Detector(Protocol):
    """Looks at one string; pure, deterministic, linear in its length."""

    name: str

    def inspect(self, text: Text) -> Iterable[Finding]:
        """Yield what is found; spans refer to `text.value`."""
        ...


class Current:
    """The detector that is right now: what a policy file says of it may change between calls."""

    def __init__(self, name: str, detector: Callable[[], Detector]) -> None:
        """`detector` is asked for every string."""
        self.name = name
        self._detector = detector

    def inspect(self, text: Text) -> Iterable[Finding]:
        """See `Detector.inspect`."""
        return self._detector().inspect(text)
