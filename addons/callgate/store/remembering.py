"""Decisions are remembered by their keys: the first writer wins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert
from sqlalchemy.dialects import postgresql, sqlite

from callgate.model import Decision
from callgate.store import tables
from callgate.store.keyed import KeyedHash
from callgate.store.rows import approval_row, decision_row

# Built once, see `queries`.
_REMEMBER = {
    name: dialect.insert(tables.decisions)
    .on_conflict_do_nothing()
    .returning(tables.decisions.c.key)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


def insert_final(
    connection: Connection, decisions: Sequence[Decision], keyed: KeyedHash, now: datetime
) -> list[Decision]:
    """Insert what is final and new, with its approvals; return the decisions that won their key."""
    first: dict[str, Decision] = {}
    for decision in decisions:
        if decision.is_final:
            first.setdefault(keyed.call(decision.call.key), decision)
    if not first:
        return []
    values = [decision_row(decision, keyed, now) for decision in first.values()]
    remember = _REMEMBER[connection.dialect.name]
    # many rows at once take a longer way through SQLAlchemy
    won = set(connection.execute(remember, values if len(values) > 1 else values[0]).scalars())
    asked = [approval_row(a, key) for key in first if key in won and (a := first[key].approval)]
    if asked:
        connection.execute(insert(tables.approvals), asked)
    return [decision for key, decision in first.items() if key in won]
