"""Which parts of a text are already spoken for."""

from __future__ import annotations


class Spans:
    """Takes spans as long as they do not overlap; linear in the text however many there are."""

    def __init__(self, size: int) -> None:
        """`size` is the length of the text."""
        self._size = size
        self._taken: bytearray | None = None

    def take(self, start: int, end: int) -> bool:
        """Take a span and return True; return False where part of it is taken already."""
        if self._taken is None:
            self._taken = bytearray(self._size)
        if self._taken.find(1, start, end) >= 0:
            return False
        self._taken[start:end] = b"\x01" * (end - start)
        return True
