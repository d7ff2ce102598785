"""Which parts of a text are already spoken for."""

from __future__ import annotations


class Spans:
    """Takes spans that add to what is taken; linear in the text however many there are."""

    def __init__(self, size: int) -> None:
        """`size` is the length of the text."""
        self._size = size
        self._taken: bytearray | None = None

    def take(self, start: int, end: int) -> bool:
        """Take a span and return True; return False where all of it is taken already.

        One that reaches further than what is taken counts: leaving it out would uncover it to
        the next look.
        """
        if self._taken is None:
            self._taken = bytearray(self._size)
        if self._taken.find(0, start, end) < 0:
            return False
        self._taken[start:end] = b"\x01" * (end - start)
        return True
