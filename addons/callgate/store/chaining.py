"""The chain of one proxy in a SQL database: where it stands, its lines, its beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from callgate.canonical import Json
from callgate.chain import Chain, Head, Sealed, digest, link_of
from callgate.store import tables
from callgate.store.base import ChainState, Line
from callgate.store.connection import insert_new, rows
from callgate.store.tables import timestamp

_HEAD = select(tables.chains).where(tables.chains.c.instance == bindparam("name"))
_LOCKED = _HEAD.with_for_update()
_RECORDS = insert(tables.records)
_CHAIN = update(tables.chains).where(tables.chains.c.instance == bindparam("name"))
_MOVE = _CHAIN.values(
    number=bindparam("to_number"), digest=bindparam("to_digest"), key=bindparam("to_key")
)
_LINE = select(tables.records.c.line).where(
    tables.records.c.instance == bindparam("name"), tables.records.c.number == bindparam("wanted")
)
_LINES = (
    select(
        tables.records.c.seq,
        tables.records.c.instance,
        tables.records.c.number,
        tables.records.c.line,
    )
    .where(
        tables.records.c.line.is_not(None),
        tables.records.c.seq > bindparam("after"),
        tables.records.c.seq <= bindparam("newest"),
    )
    .order_by(tables.records.c.seq)
    .limit(bindparam("many"))
)

_FOLLOWING = (
    select(tables.records.c.number, tables.records.c.line)
    .where(
        tables.records.c.instance == bindparam("name"),
        tables.records.c.number > bindparam("number"),
    )
    .order_by(tables.records.c.number)
    .limit(200)
)


def append(
    connection: Connection, chain: Chain | None, made: Sequence[dict[str, object]]
) -> Head | None:
    """Insert rows of records, sealed where there is a chain; returns where it stands then.

    In a transaction: from reading the head on, no other process continues this chain.
    """
    if chain is None:
        connection.execute(_RECORDS, made)
        return None
    found = rows(connection, _LOCKED, {"name": chain.instance})
    if not found:
        # two processes may begin the same chain: then one waits for the other here
        connection.execute(
            insert_new(connection, tables.chains),
            {"instance": chain.instance, "number": 0, "digest": "", "key": ""},
        )
        found = rows(connection, _LOCKED, {"name": chain.instance})
    head = _head(found[0])
    lines, new = chain.seal([_record(row) for row in made], head if head.number else None)
    sealed = [
        {**row, "instance": chain.instance, "number": line.number, "line": line.line, "body": None}
        for row, line in zip(made, lines, strict=True)
    ]
    connection.execute(_RECORDS, sealed)
    moved = {"to_number": new.number, "to_digest": new.digest, "to_key": new.key}
    connection.execute(_MOVE, {"name": chain.instance, **moved})
    return new


def _record(row: Mapping[str, Any]) -> dict[str, Json]:
    return {**row["body"], "kind": row["kind"], "at": timestamp(row["at"])}


def _head(row: Mapping[str, Any]) -> Head:
    return Head(row["number"], row["digest"], row["key"])


def check(connection: Connection, chain: Chain) -> None:
    """Compare what the store holds with what its home has signed outside of it."""
    signed = chain.remembered()
    if signed is None:
        return
    found = rows(connection, _HEAD, {"name": chain.instance})
    number = int(found[0]["number"]) if found else 0
    if number < signed.number:
        chain.contradicted(
            f"records are gone: chain {chain.instance} ends with record {number}, "
            f"but record {signed.number} was signed"
        )
        return
    held = rows(connection, _LINE, {"name": chain.instance, "wanted": signed.number})
    if held and digest(str(held[0]["line"]).encode()) != signed.digest:
        chain.contradicted(f"record {signed.number} of chain {chain.instance} was changed")


def lines(connection: Connection, after: int, newest: int, many: int) -> list[Line]:
    """See `Store.lines`; of those up to `newest`."""
    wanted = {"after": after, "newest": newest, "many": many}
    return [Line(**row) for row in rows(connection, _LINES, wanted)]


def following(connection: Connection, instance: str, number: int) -> list[Sealed]:
    """See `Store.following`."""
    found = rows(connection, _FOLLOWING, {"name": instance, "number": number})
    return [Sealed(row["number"], row["line"]) for row in found]


def chains(connection: Connection) -> list[ChainState]:
    """See `Store.chains`."""
    query = select(tables.chains).order_by(tables.chains.c.instance)
    return [
        ChainState(row["instance"], _head(row), row["anchor"]) for row in rows(connection, query)
    ]


def cut(connection: Connection, chain: Chain, seq: int) -> int:
    """Remove this chain's records up to a `seq`, leaving a signed anchor; returns how many.

    In a transaction. The last record always stays.
    """
    found = rows(connection, _LOCKED, {"name": chain.instance})
    mine = (tables.records.c.instance == chain.instance) & tables.records.c.line.is_not(None)
    newest = select(func.max(tables.records.c.seq)).where(mine).scalar_subquery()
    old = mine & (tables.records.c.seq <= seq) & (tables.records.c.seq < newest)
    last = select(tables.records.c.number, tables.records.c.line).where(old)
    removed = rows(connection, last.order_by(tables.records.c.seq.desc()).limit(1))
    if not found or not removed:
        return 0
    line, number = str(removed[0]["line"]).encode(), int(removed[0]["number"])
    kept = rows(connection, _LINE, {"name": chain.instance, "wanted": number + 1})
    link = link_of(str(kept[0]["line"]).encode()) if kept else None
    if link is None:
        raise ValueError(f"record {number + 1} of chain {chain.instance} is gone or damaged")
    anchor = chain.anchor(Head(number, digest(line), link.key), _head(found[0]))
    connection.execute(_CHAIN.values(anchor=anchor), {"name": chain.instance})
    return (connection.execute(delete(tables.records).where(old))).rowcount
