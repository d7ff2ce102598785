"""What a reader of program text reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

UNKNOWN = "\ufffc"
"""Stands in a text for what only a run would tell."""

MAX_TEXT = 100_000
"""Characters of one folded value; what would be longer counts as unknown."""


class Does(StrEnum):
    """What a piece of a program does."""

    RUN = "run"
    """`text` is a command line for a shell."""
    READ = "read"
    """`text` is a path; so in the next ones."""
    WRITE = "write"
    DELETE = "delete"
    DELETE_TREE = "delete_tree"
    EVALUATE = "evaluate"
    """`text` is program text of the same language."""
    OPAQUE = "opaque"
    """Runs text that is decoded or computed; `text` is empty, as in the next ones."""
    FETCHED = "fetched"
    """Runs text that is downloaded."""
    UNPACK = "unpack"
    """Loads objects that may run code, from data in the program."""
    NATIVE = "native"
    """Runs machine code from data in the program."""
    REVERSE_SHELL = "reverse_shell"
    FORK_BOMB = "fork_bomb"
    ESCAPE = "escape"
    """Climbs out of a restricted interpreter."""
    UNREAD = "unread"
    """Too long or too deep to be read."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a program would do."""

    does: Does
    text: str
    start: int
    """Span in the program, in characters."""
    end: int
