"""Marks of conversations in a SQL database; names and marks are keyed hashes here.

A conversation may have several names, as each answer of the API gives it another one. All of
them lead to the first in one step.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import batched

from sqlalchemy import Connection, bindparam, select

from callgate.store import tables
from callgate.store.connection import insert_new, rows

_MARKS_PER_QUERY = 500

_FIRST = select(tables.conversations.c.conversation).where(
    tables.conversations.c.name == bindparam("name")
)
_MARKED = select(tables.marks.c.mark).where(
    # marks may have come in under the name before it was known to be another's
    (tables.marks.c.conversation == bindparam("name")) | tables.marks.c.conversation.in_(_FIRST),
    tables.marks.c.mark.in_(bindparam("marks", expanding=True)),
)


def put(connection: Connection, name: str, marks: Collection[str]) -> None:
    """Put marks on a conversation."""
    first = _first(connection, name)
    # in one order everywhere: two proxies that wait for each other's rows would not end
    values = [{"conversation": first, "mark": mark} for mark in sorted(marks)]
    connection.execute(insert_new(connection, tables.marks), values)


def found(connection: Connection, name: str, marks: Collection[str]) -> set[str]:
    """Return those of the marks that a conversation has."""
    have: set[str] = set()
    for some in batched(marks, _MARKS_PER_QUERY):
        listed = rows(connection, _MARKED, {"name": name, "marks": some})
        have |= {row["mark"] for row in listed}
    return have


def join(connection: Connection, name: str, conversation: str) -> None:
    """Let a name stand for a conversation."""
    first = _first(connection, conversation)
    if name != first:
        values = {"name": name, "conversation": first}
        connection.execute(insert_new(connection, tables.conversations), values)


def _first(connection: Connection, name: str) -> str:
    listed = rows(connection, _FIRST, {"name": name})
    return str(listed[0]["conversation"]) if listed else name
