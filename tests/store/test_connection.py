from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from callgate.errors import StoreError
from callgate.store import tables
from callgate.store.connection import connected, rows
from callgate.store.setup import prepare
from callgate.store.sqlite import Engines, create_file, engines


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Engines]:
    path = tmp_path / "callgate.db"
    create_file(path)
    pair = engines(path, 0.1)
    await prepare(pair)
    yield pair
    await pair.dispose()


async def fail(pair: Engines, statement: str) -> None:
    async with connected(pair.reader, pair.name) as connection:
        await connection.execute(text(statement))


async def test_rows_are_dicts_by_column(pair: Engines) -> None:
    query = select(tables.meta.c.key).order_by(tables.meta.c.key)

    async with connected(pair.reader, pair.name) as connection:
        assert await rows(connection, query) == [{"key": "salt"}, {"key": "schema_version"}]


async def test_database_error_names_the_store_and_the_cause(pair: Engines) -> None:
    with pytest.raises(StoreError, match=r"^store .*callgate\.db: no such table: absent$"):
        await fail(pair, "SELECT * FROM absent")


async def test_connection_that_failed_is_thrown_away(pair: Engines) -> None:
    async with connected(pair.reader, pair.name) as connection:
        failed = (await connection.get_raw_connection()).driver_connection
    with pytest.raises(StoreError):
        await fail(pair, "SELECT * FROM absent")
    async with connected(pair.reader, pair.name) as connection:
        assert (await connection.get_raw_connection()).driver_connection is not failed


async def test_busy_pool_is_said(pair: Engines) -> None:
    async with connected(pair.writer, pair.name):
        with pytest.raises(StoreError, match="no connection became free"):
            async with connected(pair.writer, pair.name):
                pass


async def test_unreadable_row_is_damage(pair: Engines) -> None:
    with pytest.raises(StoreError, match=r"callgate\.db is damaged: odd"):
        async with connected(pair.reader, pair.name):
            raise ValueError("odd")
