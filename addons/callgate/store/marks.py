"""Marks of conversations in a SQL database; names and marks are keyed hashes here.

A conversation may have several names, as each answer of the API gives it another one. All of
them lead to the first in one step.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import batched

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore
from sqlalchemy.ext.asyncio import AsyncConnection

from callgate.store import tables
from callgate.store.connection import rows

_MARKS_PER_QUERY = 500

_FIRST = select(tables.conversations.c.conversation).where(
    tables.conversations.c.name == bindparam("name")
)
_MARKED = select(tables.marks.c.mark).where(
    # marks may have come in under the name before it was known to be another's
    (tables.marks.c.conversation == bindparam("name")) | tables.marks.c.conversation.in_(_FIRST),
    tables.marks.c.mark.in_(bindparam("marks", expanding=True)),
)
_MARK = insert_or_ignore(tables.marks).on_conflict_do_nothing()
_JOIN = insert_or_ignore(tables.conversations).on_conflict_do_nothing()


async def put(connection: AsyncConnection, name: str, marks: Collection[str]) -> None:
    """Put marks on a conversation."""
    first = await _first(connection, name)
    await connection.execute(_MARK, [{"conversation": first, "mark": mark} for mark in marks])


async def found(connection: AsyncConnection, name: str, marks: Collection[str]) -> set[str]:
    """Return those of the marks that a conversation has."""
    have: set[str] = set()
    for some in batched(marks, _MARKS_PER_QUERY):
        listed = await rows(connection, _MARKED, {"name": name, "marks": some})
        have |= {row["mark"] for row in listed}
    return have


async def join(connection: AsyncConnection, name: str, conversation: str) -> None:
    """Let a name stand for a conversation."""
    first = await _first(connection, conversation)
    if name != first:
        await connection.execute(_JOIN, [{"name": name, "conversation": first}])


async def _first(connection: AsyncConnection, name: str) -> str:
    listed = await rows(connection, _FIRST, {"name": name})
    return str(listed[0]["conversation"]) if listed else name
