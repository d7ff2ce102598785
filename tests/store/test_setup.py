import asyncio
import os
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from callgate.errors import SettingsError, StoreError
from callgate.model import ApprovalState, Effect
from callgate.store import StoreMissingError, open_store, sqlite_path, tables
from callgate.store.setup import newest_revision
from callgate.store.sqlite import create_file
from tests.samples import decided
from tests.store.direct import execute


async def salt_of(url: str) -> bytes:
    store = await open_store(url)
    await store.close()
    [(salt,)] = execute(url, "SELECT value FROM meta WHERE key = 'salt'")
    return bytes.fromhex(str(salt))


def revision(url: str) -> str:
    [(found,)] = execute(url, "SELECT version_num FROM callgate_revision")
    return str(found)


async def test_salt_is_made_once_per_database(tmp_path: Path) -> None:
    one, other = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    first, again = await salt_of(one), await salt_of(one)

    assert len(first) == 32
    assert first == again != await salt_of(other)


async def test_new_database_has_the_schema_of_the_code(fresh_url: str) -> None:
    await salt_of(fresh_url)
    engine = create_engine(fresh_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        options = {"version_table": tables.revision.name, "compare_type": False}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, tables.metadata)
    engine.dispose()

    assert differences == []
    assert revision(fresh_url) == newest_revision()


# A database file as Callgate wrote it before its schema had revisions.
BEFORE_REVISIONS = Path(__file__).with_name("before_revisions.sql").read_text()


def old_file(path: Path) -> str:
    with closing(connect(path)) as file:
        file.executescript(BEFORE_REVISIONS)
    return f"sqlite:///{path}"


async def test_older_file_is_brought_up_to_date_and_keeps_what_it_has(tmp_path: Path) -> None:
    url = old_file(tmp_path / "a.db")

    store = await open_store(url)
    found = await store.find("assistants", "api.openai.com:443", "thread_1/run_1")
    records = await store.records()
    waiting = await store.approvals()
    kept = await store.put([decided(Effect.ALLOW)], [])
    await store.close()

    assert [d.effect for d in found] == [Effect.DENY, Effect.DENY]
    assert [record["kind"] for record in records] == ["call", "approval"]
    assert [item.approval.state for item in waiting] == [ApprovalState.DENIED]
    assert [d.effect for d in kept.values()] == [Effect.DENY]
    assert revision(url) == newest_revision()


async def test_file_from_before_what_can_be_brought_up_to_date_is_refused(tmp_path: Path) -> None:
    url = old_file(tmp_path / "a.db")
    execute(url, "UPDATE meta SET value = '3' WHERE key = 'schema_version'")

    with pytest.raises(StoreError, match="schema version is 3, older than what can be"):
        await open_store(url)
    assert execute(url, "SELECT count(*) FROM records") == [(2,)]


async def test_older_callgate_refuses_the_new_schema(tmp_path: Path) -> None:
    url = old_file(tmp_path / "a.db")
    await salt_of(url)

    # which is what it compares with the version that it knows
    assert execute(url, "SELECT value FROM meta WHERE key = 'schema_version'") != [
        (tables.UNREVISED_VERSION,)
    ]


async def test_newer_schema_is_refused(fresh_url: str) -> None:
    await salt_of(fresh_url)
    execute(fresh_url, "UPDATE callgate_revision SET version_num = '9999'")

    with pytest.raises(
        StoreError, match=f"schema is '9999', this Callgate knows '{newest_revision()}': use the"
    ):
        await open_store(fresh_url)


async def test_failed_migration_leaves_the_schema_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = old_file(tmp_path / "a.db")
    execute(url, "CREATE INDEX records_at ON records (at)")  # so that the last step can not

    with pytest.raises(StoreError, match="records_at already exists"):
        await open_store(url)
    assert execute(url, "SELECT name FROM sqlite_master WHERE name = 'callgate_revision'") == []

    execute(url, "DROP INDEX records_at")
    await salt_of(url)
    assert revision(url) == newest_revision()


async def test_lost_salt_is_damage(fresh_url: str) -> None:
    await salt_of(fresh_url)
    execute(fresh_url, "DELETE FROM meta WHERE key = 'salt'")

    with pytest.raises(StoreError, match="damaged"):
        await open_store(fresh_url)


async def test_database_of_something_else_is_left_alone(fresh_url: str) -> None:
    if fresh_url.startswith("sqlite"):
        create_file(sqlite_path(fresh_url))
    execute(fresh_url, "CREATE TABLE songs (title TEXT)")

    with pytest.raises(StoreError, match="belongs to something else, with the tables songs"):
        await open_store(fresh_url)


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("text " * 1000)

    with pytest.raises(StoreError, match=r"a\.db: file is not a database"):
        await open_store(f"sqlite:///{tmp_path}/a.db")


async def test_schema_is_made_though_another_process_was_faster(fresh_url: str) -> None:
    stores = await asyncio.gather(*(open_store(fresh_url) for _ in range(4)))
    for n, store in enumerate(stores):
        await store.append([{"kind": "start", "n": n}])

    assert len(await stores[0].records()) == 4
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    "url",
    [
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
    with pytest.raises(
        SettingsError, match="use sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    ):
        await open_store(url)


def test_password_in_a_refused_url_is_not_said() -> None:
    password = "hunter" + "2"

    with pytest.raises(SettingsError) as error:
        sqlite_path(f"mysql://kim:{password}@localhost/callgate")

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
