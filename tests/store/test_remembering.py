"""Decisions that are remembered; that the first writer wins is in tests/store/contract.py too."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import create_engine, func, select

from callgate.model import Decision
from callgate.store import tables
from callgate.store.keyed import KeyedHash
from callgate.store.remembering import insert_final
from tests.samples import NOON, decided, pending, tool_call


def test_what_is_final_and_new_is_inserted_once_with_its_approval() -> None:
    engine, keyed = create_engine("sqlite://"), KeyedHash(b"salt")
    first, asked = decided(call=tool_call("a")), pending(tool_call("b"))
    other = replace(first, trace="other")
    open_end = replace(decided(call=tool_call("c")), is_final=False)

    with engine.begin() as connection:
        tables.metadata.create_all(connection)

        def insert(*decisions: Decision) -> list[Decision]:
            return insert_final(connection, decisions, keyed, NOON)

        won = insert(first, other, asked, open_end)
        again = insert(other, asked)
        none = insert(open_end)
        approvals = connection.execute(select(func.count()).select_from(tables.approvals))
        count = approvals.scalar_one()
    engine.dispose()

    assert won == [first, asked]
    assert (again, none, count) == ([], [], 1)
