"""A connection for one piece of work; database errors become StoreError here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callgate.errors import StoreError


@asynccontextmanager
async def connected(engine: AsyncEngine, name: str) -> AsyncIterator[AsyncConnection]:
    """Lend a connection of the pool.

    One that failed is thrown away, so that work goes on as soon as the cause is gone. Raises
    StoreError for every failure of the database, and for rows that can not be read (those show
    as ValueError inside).
    """
    try:
        async with engine.connect() as connection:
            try:
                yield connection
            except SQLAlchemyError:
                await connection.invalidate()
                raise
    except PoolTimeoutError as error:
        raise StoreError(f"store {name}: no connection became free in time") from error
    except SQLAlchemyError as error:
        raise StoreError(f"store {name}: {getattr(error, 'orig', None) or error}") from error
    except ValueError as error:
        raise StoreError(f"store {name} is damaged: {error}") from error


async def rows(
    connection: AsyncConnection, query: Select[Any], parameters: Mapping[str, object] | None = None
) -> Sequence[Mapping[str, Any]]:
    """All rows of a query."""
    found = await connection.execute(query, parameters)
    return [dict(row) for row in found.mappings()]
