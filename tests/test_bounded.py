"""Memories that do not grow for ever."""

from __future__ import annotations

from collections import OrderedDict

from callgate.bounded import trim


def test_what_came_first_is_forgotten_first() -> None:
    memory = OrderedDict.fromkeys("abcd")
    trim(memory, 2)
    assert list(memory) == ["c", "d"]


def test_memory_with_room_keeps_everything() -> None:
    memory = OrderedDict.fromkeys("ab")
    trim(memory, 2)
    assert list(memory) == ["a", "b"]
