"""Pieces of work on a database; its errors become StoreError here.

Work is a plain function of a connection: SQLite runs it in a thread of its own, from begin to
commit in one go, and PostgreSQL in the event loop, where each statement waits for the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Insert, Select, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callgate.errors import StoreError
from callgate.store import tables

ANSWERS = "callgate_answers"
"""The channel on which PostgreSQL tells waiting proxies that somebody has answered."""

_NEWEST = select(func.coalesce(func.max(tables.records.c.seq), 0))


class Database(Protocol):
    """A SQL database that several processes share.

    Every method raises StoreError when the database fails, after a bounded time. Work may be
    run again from its start, on another connection, when nothing of it was kept.
    """

    name: str
    """Stands in error messages; without any password."""

    async def read[T](self, work: Callable[[Connection], T]) -> T:
        """Run work that only reads; each of its statements sees what is committed."""
        ...

    async def write[T](self, work: Callable[[Connection], T], *, seconds: float | None = None) -> T:
        """Run work in one transaction; it is durable when this returns.

        `seconds` gives it more time than usual.
        """
        ...

    async def settled(self) -> int:
        """The `seq` up to which every record is committed; 0 where there is none."""
        ...

    async def stirred(self) -> None:
        """Return when an approval may have been answered; after a short while in any case."""
        ...

    async def dispose(self) -> None:
        """Close every connection; idempotent."""
        ...


@contextmanager
def reported(name: str) -> Iterator[None]:
    """Raise StoreError, with the store's name, for every failure of a database.

    Rows that can not be read show as ValueError inside.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreError(f"store {name}: no connection became free in time") from error
    except SQLAlchemyError as error:
        raise StoreError(f"store {name}: {_said(error)}") from error
    except ValueError as error:
        raise StoreError(f"store {name} is damaged: {error}") from error


def _said(error: SQLAlchemyError) -> str:
    """The database's own words, without details: these may quote a row."""
    words = str(getattr(error, "orig", None) or error).strip()
    return words.splitlines()[0] if words else type(error).__name__


def rows(
    connection: Connection, query: Select[Any], parameters: Mapping[str, object] | None = None
) -> Sequence[Mapping[str, Any]]:
    """All rows of a query."""
    return [dict(row) for row in connection.execute(query, parameters).mappings()]


def insert_new(connection: Connection, table: Table) -> Insert:
    """An insert that leaves out rows whose key is there."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def newest(connection: Connection) -> int:
    """The highest `seq` that this connection sees; 0 where there is none."""
    return int(connection.execute(_NEWEST).scalar_one())


def announce(connection: Connection) -> None:
    """Wake the proxies that wait for a person's answer, when this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(ANSWERS, "")))
