from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callgate.errors import StoreError
from callgate.store import tables
from callgate.store.connection import announce, insert_new, newest, reported, rows


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_database_error_names_the_store_and_the_cause(connection: Connection) -> None:
    with pytest.raises(StoreError, match=r"^store x: no such table: absent$"), reported("x"):
        connection.execute(text("SELECT * FROM absent"))


def test_only_the_first_line_of_an_error_is_said() -> None:
    cause = Exception("duplicate key\nDETAIL: Key (id)=(a) already exists")

    with pytest.raises(StoreError) as error, reported("x"):
        raise OperationalError("INSERT", {}, cause)

    assert str(error.value) == "store x: duplicate key"


def test_error_without_words_is_named() -> None:
    with pytest.raises(StoreError, match=r"^store x: OperationalError$"), reported("x"):
        raise OperationalError("INSERT", {}, Exception(""))


def test_busy_pool_is_said() -> None:
    with pytest.raises(StoreError, match="no connection became free"), reported("x"):
        raise PoolTimeoutError("queue")


def test_unreadable_row_is_damage() -> None:
    with pytest.raises(StoreError, match=r"^store x is damaged: odd$"), reported("x"):
        raise ValueError("odd")


def test_rows_that_are_there_are_left_out_of_an_insert(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    for value in ("first", "second"):
        connection.execute(insert_new(connection, tables.meta), {"key": "a", "value": value})
    announce(connection)  # nobody listens to a file

    assert rows(connection, select(tables.meta)) == [{"key": "a", "value": "first"}]
    assert newest(connection) == 0
