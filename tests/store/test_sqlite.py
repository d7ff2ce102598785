from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection as File
from sqlite3 import connect
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from callgate.errors import StoreError
from callgate.model import Effect
from callgate.store import open_store
from callgate.store.base import Record, Store
from callgate.store.sqlite import SqliteDatabase, create_file
from tests.samples import decided, tool_call
from tests.store.contract import record


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    path = tmp_path / "a %20?#file.db"
    create_file(path)
    database = SqliteDatabase(path, 30)
    yield database
    await database.dispose()


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    store = await open_store(f"sqlite:///{file}", instance="test", timeout_seconds=30)
    yield store
    await store.close()


@pytest.fixture
async def hasty(file: Path) -> AsyncIterator[Store]:
    """Waits for no lock for long."""
    store = await open_store(f"sqlite:///{file}", instance="test", timeout_seconds=0.5)
    yield store
    await store.close()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def make_table(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE t (n INTEGER)"))


def insert_row(connection: Connection) -> None:
    connection.execute(text("INSERT INTO t VALUES (1)"))


def count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM t")).scalar_one())


# -- the file


def test_file_and_new_folders_are_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        create_file(tmp_path / "a" / "b" / "callgate.db")
    finally:
        os.umask(before)

    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "callgate.db") == 0o600
    assert mode(tmp_path) == 0o755


def test_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "callgate.db"
    path.write_bytes(b"content")

    create_file(path)

    assert path.read_bytes() == b"content"


@pytest.mark.parametrize("name", ["folder", "folder/file/callgate.db"])
def test_impossible_place_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()

    with pytest.raises(StoreError, match=rf"{name}: (Is|Not) a directory"):
        create_file(tmp_path / name)


async def test_files_beside_the_database_are_private_too(database: SqliteDatabase) -> None:
    def modes(connection: Connection) -> dict[str, int]:
        make_table(connection)
        return {path.name: mode(path) for path in Path(database.name).parent.iterdir()}

    files = await database.write(modes)

    assert len(files) == 3
    assert set(files.values()) == {0o600}


# -- connections and transactions


async def test_connections_are_set_for_crashes_and_concurrency(database: SqliteDatabase) -> None:
    async def pragma(name: str) -> object:
        return await database.write(lambda c: c.execute(text(f"PRAGMA {name}")).scalar())

    assert await pragma("journal_mode") == "wal"
    assert await pragma("synchronous") == 1
    assert await pragma("foreign_keys") == 1
    assert await pragma("busy_timeout") == 30_000


async def test_reader_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(StoreError, match="readonly"):
        await database.read(make_table)


async def test_reader_sees_what_was_committed_since_its_last_statement(
    database: SqliteDatabase,
) -> None:
    await database.write(make_table)
    counted, written = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[int, int]:
        before = count(connection)
        counted.set()
        assert written.wait(30)
        return before, count(connection)

    reading = asyncio.ensure_future(database.read(twice))
    await asyncio.to_thread(counted.wait, 30)
    await database.write(insert_row)
    written.set()

    assert await reading == (0, 1)


async def test_failed_transaction_leaves_nothing(database: SqliteDatabase) -> None:
    def fails(connection: Connection) -> None:
        make_table(connection)
        insert_row(connection)
        raise ValueError("odd")

    with pytest.raises(StoreError, match="is damaged: odd"):
        await database.write(fails)
    with pytest.raises(StoreError, match="no such table"):
        await database.read(count)


async def test_connection_that_failed_is_thrown_away(database: SqliteDatabase) -> None:
    def raw(connection: Connection) -> object:
        return connection.connection.driver_connection

    failed = await database.write(raw)
    with pytest.raises(StoreError):
        await database.write(insert_row)

    assert await database.write(raw) is not failed


async def test_transaction_takes_one_change_of_threads(database: SqliteDatabase) -> None:
    threads = set()

    def many(connection: Connection) -> None:
        make_table(connection)
        for _ in range(5):
            insert_row(connection)
            threads.add(threading.get_ident())

    await database.write(many)

    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_disk_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    create_file(tmp_path / "a.db")
    database = SqliteDatabase(tmp_path / "a.db", 0.1)
    released = threading.Event()

    def hang(connection: Connection) -> None:
        make_table(connection)
        assert released.wait(30)

    with pytest.raises(StoreError, match=r"a\.db: no answer within 0\.1 s"):
        await database.write(hang, seconds=0.1)
    released.set()
    await database.write(insert_row)
    await database.dispose()


async def test_replaced_file_is_noticed(database: SqliteDatabase) -> None:
    await database.write(make_table)
    await database.read(count)
    path = Path(database.name)
    os.rename(path, path.with_name("old.db"))
    create_file(path)

    with pytest.raises(StoreError, match="no such table"):
        await database.read(count)


# -- fails with a clear error, then heals


async def test_locked_database_fails_and_heals(hasty: Store, file: Path) -> None:
    with closing(_exclusive(file)):
        with pytest.raises(StoreError, match=r"callgate\.db: database is locked"):
            await hasty.put([decided()], [record()])
        assert await hasty.get([tool_call().key]) == {}

    await hasty.put([decided()], [record()])
    assert len(await hasty.records()) == 1


async def test_writes_that_wait_for_a_lock_fail_together(hasty: Store, file: Path) -> None:
    with closing(_exclusive(file)):
        async with asyncio.timeout(30):  # each by itself would take 50
            answers = await asyncio.gather(
                *(hasty.append([record()]) for _ in range(100)), return_exceptions=True
            )

    assert all(isinstance(answer, StoreError) for answer in answers)


async def test_short_lock_is_waited_for(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}", timeout_seconds=30)
    locked = _exclusive(file)
    write = asyncio.ensure_future(store.append([record()]))
    await asyncio.sleep(0.05)
    locked.close()
    await write

    assert len(await store.records()) == 1
    await store.close()


async def test_full_disk_fails_and_heals(file: Path) -> None:
    with _limited_to(pages=40):
        store = await open_store(f"sqlite:///{file}")
        big = record(text="x" * 50_000)
        with pytest.raises(StoreError, match="full"):
            await _append_often(store, big)
        written = len(await store.records())

    await store.append([big])
    assert len(await store.records()) == written + 1
    await store.close()


async def _append_often(store: Store, big: Record) -> None:
    for _ in range(10):
        await store.append([big])


async def test_read_only_file_fails_and_heals(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}")
    put = await store.put([decided()], [])
    await store.close()

    with _read_only():
        store = await open_store(f"sqlite:///{file}")
        assert await store.get(list(put)) == put
        with pytest.raises(StoreError, match="readonly"):
            await store.append([record()])
    await store.append([record()])

    assert len(await store.records()) == 1
    await store.close()


async def test_missing_file_fails_and_heals(store: Store, file: Path) -> None:
    put = await store.put([decided()], [])
    moved = file.with_name("moved.db")
    os.rename(file, moved)

    with pytest.raises(StoreError, match="unable to open"):
        await store.append([record()])
    with pytest.raises(StoreError, match="unable to open"):
        await store.get(list(put))
    assert "callgate.db" not in os.listdir(file.parent)

    os.rename(moved, file)
    assert await store.get(list(put)) == put


async def test_overwritten_file_fails(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}")
    await store.put([decided(call=tool_call(str(n))) for n in range(200)], [])
    await store.close()
    _overwrite(file, 4096)

    with pytest.raises(StoreError, match="malformed"):
        await open_store(f"sqlite:///{file}")


def _overwrite(file: Path, start: int) -> None:
    content = bytearray(file.read_bytes())
    content[start:] = b"\xff" * (len(content) - start)
    file.write_bytes(content)


def _exclusive(file: Path) -> File:
    other = connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


@contextmanager
def _set_on_connections(pragma: str) -> Iterator[None]:
    """Let connections made meanwhile have this pragma."""

    def on_connect(connection: Any, _entry: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(Engine, "connect", on_connect)
    try:
        yield
    finally:
        event.remove(Engine, "connect", on_connect)


def _limited_to(pages: int) -> Any:
    """A disk with room for so many pages."""
    return _set_on_connections(f"max_page_count = {pages}")


def _read_only() -> Any:
    """A file system that takes no writes; the mode of a file does not stop root."""
    return _set_on_connections("query_only = ON")


# -- secrets


async def test_nothing_raw_reaches_the_disk(store: Store, file: Path) -> None:
    secret = "AKIA" + secrets.token_hex(8).upper()
    decisions = [
        decided(effect, tool_call(effect.value), secret=secret)
        for effect in (Effect.ALLOW, Effect.DENY, Effect.SANITIZE)
    ]
    await store.put(decisions, [record(d.trace) for d in decisions])

    contents = _contents(file.parent)

    assert len(contents) == 3
    for content in contents:
        assert secret.encode() not in content
        for decision in decisions:
            assert decision.call.digest.encode() not in content
            assert bytes.fromhex(decision.call.digest) not in content


def _contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]
