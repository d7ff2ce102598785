"""What every scanner promises."""

from __future__ import annotations

from typing import Protocol

from callgate.model import ToolCall, Verdict


class Scanner(Protocol):
    """Gives verdicts on tool calls."""

    name: str
    """`local`, `interven`, `aegis`: stands in every verdict and record."""

    async def scan(self, call: ToolCall) -> Verdict:
        """Judge one call.

        Never blocks the event loop. Must not raise for bad arguments: those are a DENY. An
        exception means that the scanner could not decide, and the gate fails closed on it.
        """
        ...

    async def close(self) -> None:
        """Release connections and threads; idempotent."""
        ...
