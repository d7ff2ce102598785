"""Memories that do not grow for ever."""

from __future__ import annotations

from collections import OrderedDict


def trim[K, V](memory: OrderedDict[K, V], most: int) -> None:
    """Forget what was put in first, until no more than `most` are left."""
    while len(memory) > most:
        memory.popitem(last=False)
