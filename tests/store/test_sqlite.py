import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callgate.errors import StoreError
from callgate.store.sqlite import Engines, create_file, engines


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Engines]:
    path = tmp_path / "a %20?#file.db"
    create_file(path)
    pair = engines(path, 0.1)
    yield pair
    await pair.dispose()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


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


async def test_files_beside_the_database_are_private_too(pair: Engines) -> None:
    async with pair.writer.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER)"))
        files = _modes(Path(pair.name).parent)

    assert len(files) == 3
    assert set(files.values()) == {0o600}


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in folder.iterdir()}


async def test_connections_are_set_for_crashes_and_concurrency(pair: Engines) -> None:
    async def pragma(name: str) -> object:
        async with pair.writer.connect() as connection:
            return (await connection.execute(text(f"PRAGMA {name}"))).scalar()

    assert await pragma("journal_mode") == "wal"
    assert await pragma("synchronous") == 1
    assert await pragma("foreign_keys") == 1
    assert await pragma("busy_timeout") == 100


async def test_reader_cannot_write(pair: Engines) -> None:
    async with pair.reader.connect() as connection:
        with pytest.raises(DBAPIError, match="readonly"):
            await connection.execute(text("CREATE TABLE t (n INTEGER)"))


async def test_reader_sees_what_was_committed_since_its_last_statement(pair: Engines) -> None:
    count = text("SELECT count(*) FROM t")
    async with pair.writer.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER)"))

    async with pair.reader.connect() as reader:
        before = (await reader.execute(count)).scalar()
        async with pair.writer.begin() as writer:
            await writer.execute(text("INSERT INTO t VALUES (1)"))
            during = (await reader.execute(count)).scalar()
        after = (await reader.execute(count)).scalar()

    assert (before, during, after) == (0, 0, 1)


async def test_replaced_file_is_noticed(pair: Engines) -> None:
    async with pair.writer.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER)"))
    path = Path(pair.name)
    os.rename(path, path.with_name("old.db"))
    create_file(path)

    async with pair.reader.connect() as connection:
        with pytest.raises(DBAPIError, match="no such table"):
            await connection.execute(text("SELECT * FROM t"))
