"""What every scanner promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from callgate.model import ApprovalState, ToolCall, Verdict


class Scanner(Protocol):
    """Gives verdicts on tool calls."""

    name: str
    """`local`, `interven`, `aegis`: stands in every verdict and record."""

    async def scan(self, call: ToolCall) -> Verdict:
        """Judge one call.

        Never blocks the event loop. Must not raise for bad arguments: those are a DENY. An
        exception means that the scanner could not decide, and the gate fails closed on it; a
        ScannerError says why.
        """
        ...

    async def close(self) -> None:
        """Release connections and threads; idempotent."""
        ...


class Gateway(Scanner, Protocol):
    """A scanner somewhere in the network, where people may be asked too."""

    poll_seconds: float
    """How long to leave between two questions about the same approval."""

    @property
    def state(self) -> str:
        """`untried`, `ok`, or the kind of the last failure: a reason code."""
        ...

    async def approval(self, id: str) -> ApprovalState:
        """How an approval that this gateway asked for stands there; raises ScannerError."""
        ...


@dataclass(frozen=True, slots=True)
class Classification:
    """What a gateway saw in a tool's result."""

    classes: Sequence[str]
    redacted: int | None = None
    """How many fields it would have redacted."""
    fingerprint: str = ""


class Classifier(Protocol):
    """A gateway that wants to know the results of calls that it let pass."""

    name: str

    async def classify(self, trace: str, body: object, status: int) -> Classification:
        """Report the result of the call whose verdict had this trace; raises ScannerError."""
        ...
