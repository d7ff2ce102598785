import os
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from callgate.errors import SettingsError, StoreError
from callgate.store import StoreMissingError, open_store, sqlite_path
from callgate.store.setup import prepare
from callgate.store.sqlite import create_file, engines
from callgate.store.tables import SCHEMA_VERSION


async def salt_of(path: Path) -> bytes:
    create_file(path)
    pair = engines(path, 0.1)
    try:
        return await prepare(pair)
    finally:
        await pair.dispose()


def run(path: Path, statement: str) -> None:
    with closing(connect(path)) as other, other:
        other.execute(statement)


async def test_salt_is_made_once_per_database(tmp_path: Path) -> None:
    first, again = await salt_of(tmp_path / "a.db"), await salt_of(tmp_path / "a.db")

    assert len(first) == 32
    assert first == again != await salt_of(tmp_path / "b.db")


async def test_newer_schema_is_refused(tmp_path: Path) -> None:
    await salt_of(tmp_path / "a.db")
    newer = SCHEMA_VERSION + 1
    run(tmp_path / "a.db", f"UPDATE meta SET value = '{newer}' WHERE key = 'schema_version'")

    with pytest.raises(
        StoreError, match=f"has schema version {newer}, this Callgate knows {SCHEMA_VERSION}"
    ):
        await salt_of(tmp_path / "a.db")


async def test_lost_salt_is_damage(tmp_path: Path) -> None:
    await salt_of(tmp_path / "a.db")
    run(tmp_path / "a.db", "DELETE FROM meta WHERE key = 'salt'")

    with pytest.raises(StoreError, match="damaged"):
        await salt_of(tmp_path / "a.db")


async def test_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path / "a.db", "CREATE TABLE songs (title)")

    with pytest.raises(StoreError, match="has the tables songs"):
        await salt_of(tmp_path / "a.db")


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("text " * 1000)

    with pytest.raises(StoreError, match=r"a\.db: file is not a database"):
        await salt_of(tmp_path / "a.db")


async def test_schema_is_made_though_another_process_was_faster(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    create_file(path)
    slow, fast = engines(path, 0.1), engines(path, 0.1)
    try:
        async with slow.reader.connect():
            salt = await prepare(fast)
        assert await prepare(slow) == salt
    finally:
        await slow.dispose()
        await fast.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://localhost/callgate",
        "postgres://localhost/callgate",
        "mysql://localhost/callgate",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "sqlite+aiosqlite:///x.db",
        "callgate.db",
        "",
    ],
)
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"use sqlite:///PATH \(PostgreSQL is not in this"):
        await open_store(url)


def test_password_in_a_refused_url_is_not_said() -> None:
    password = "hunter" + "2"

    with pytest.raises(SettingsError) as error:
        sqlite_path(f"postgresql://kim:{password}@localhost/callgate")

    assert password not in str(error.value)


def test_path_may_be_absolute_relative_or_of_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")

    assert sqlite_path("sqlite:////var/a.db") == Path("/var/a.db")
    assert sqlite_path("sqlite:///a.db") == tmp_path / "a.db"
    assert sqlite_path("sqlite:///~/a.db") == Path("/somewhere/a.db")


async def test_missing_file_is_not_made_unless_wanted(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.db"

    with pytest.raises(StoreMissingError, match=r"a\.db does not exist"):
        await open_store(f"sqlite:///{path}", should_create=False)
    assert os.listdir(tmp_path) == []

    await (await open_store(f"sqlite:///{path}")).close()
    await (await open_store(f"sqlite:///{path}", should_create=False)).close()


async def test_each_store_names_itself_in_its_records(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    for instance in (None, None, "gate-1"):
        store = await open_store(url, instance=instance)
        await store.append([{"kind": "start"}])
        records = await store.records()
        await store.close()

    assert len({record["instance"] for record in records}) == 3
    assert records[2]["instance"] == "gate-1"
