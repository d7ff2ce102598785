from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.util import await_only

from callgate.errors import SettingsError, StoreError
from callgate.model import ApprovalState, Effect
from callgate.store import open_store
from callgate.store.base import Store
from callgate.store.postgres import PostgresDatabase
from tests.postgres import PASSWORD, Postgres
from tests.samples import decided, pending, tool_call
from tests.store.contract import record, resolve
from tests.store.direct import execute


@pytest.fixture
def url(server: Postgres) -> str:
    return server.emptied()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = await open_store(url, instance="test", timeout_seconds=30)
    yield store
    await store.close()


@pytest.fixture
async def hasty(url: str, store: Store) -> AsyncIterator[Store]:
    """Waits for nothing for long; `store` has made the schema."""
    hasty = await open_store(url, instance="test", timeout_seconds=2)
    yield hasty
    await hasty.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(url, 30)
    yield database
    await database.dispose()


async def healed(store: Store) -> None:
    """Wait until the store takes a record again."""
    for _ in range(240):
        try:
            await store.append([record(kind="healed")])
        except StoreError:
            await asyncio.sleep(0.25)
        else:
            return
    raise AssertionError("the store did not heal")


# -- a URL that is of no use


@pytest.mark.parametrize(
    "address", ["postgresql://", "postgresql://host", "postgres://host:port/x", "postgresql:///"]
)
async def test_bad_url_is_said_without_what_is_in_it(address: str) -> None:
    with pytest.raises(SettingsError, match="use postgresql://USER@HOST:PORT/DATABASE") as error:
        await open_store(address.replace("//", f"//kim:{PASSWORD}@", 1))

    assert PASSWORD not in str(error.value)


async def test_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(SettingsError, match=r"pip install 'callgate\[postgres\]'"):
        await open_store("postgresql://localhost/callgate")


async def test_server_that_is_not_there_is_said_without_the_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    address = f"postgresql://kim:{PASSWORD}@127.0.0.1:9/callgate?application_name={PASSWORD}"

    with pytest.raises(StoreError, match=r"^store postgresql://127\.0\.0\.1:9/callgate: ") as error:
        await open_store(address, timeout_seconds=1)

    assert PASSWORD not in str(error.value)
    assert PASSWORD not in caplog.text


async def test_missing_database_is_said(url: str) -> None:
    with pytest.raises(StoreError, match='database "absent" does not exist'):
        await open_store(make_url(url).set(database="absent").render_as_string(False))


# -- fails with a clear error, then heals


async def test_restarted_server_fails_closed_and_heals(
    store: Store, server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    denied = decided(Effect.DENY)
    put = await store.put([denied], [record(denied.trace)])
    await store.stirred()
    server.stop()
    try:
        with pytest.raises(StoreError, match="store postgresql:"):
            await store.get(list(put))
        with pytest.raises(StoreError, match="store postgresql:"):
            await store.append([record()])
        await store.stirred()
    finally:
        server.start()

    await healed(store)
    assert await store.get(list(put)) == put
    assert [r["kind"] for r in await store.records()] == ["call", "healed"]
    assert PASSWORD not in caplog.text


async def test_server_that_was_restarted_meanwhile_is_not_noticed(
    store: Store, server: Postgres
) -> None:
    put = await store.put([decided()], [record()])
    server.stop()
    server.start()

    assert await store.get(list(put)) == put
    await store.append([record()])
    assert len(await store.records()) == 2


async def test_hanging_server_fails_in_time_and_heals(
    store: Store, hasty: Store, server: Postgres
) -> None:
    put = await store.put([decided()], [])
    with server.frozen():
        answers = await asyncio.wait_for(
            asyncio.gather(hasty.get(list(put)), hasty.append([record()]), return_exceptions=True),
            60,
        )
    assert [type(answer) for answer in answers] == [StoreError, StoreError]
    assert "no answer within" in str(answers[0])

    await healed(hasty)
    assert await hasty.get(list(put)) == put


async def test_read_only_server_fails_and_heals(url: str, server: Postgres) -> None:
    await (await open_store(url)).close()
    alter = f"ALTER DATABASE {make_url(url).database} SET default_transaction_read_only ="
    server.run(f"{alter} on")
    try:
        store = await open_store(url)
        with pytest.raises(StoreError, match="in a read-only transaction"):
            await store.put([decided()], [])
        assert await store.get([tool_call().key]) == {}
    finally:
        server.run(f"{alter} off")
    _cut_off(server)

    await healed(store)
    await store.close()


def _cut_off(server: Postgres) -> None:
    server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname LIKE 'callgate%'"
    )


async def test_locked_table_fails_in_time_and_heals(hasty: Store, url: str) -> None:
    other = PostgresDatabase(url, 60)
    locked, released = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with other._writer.connect() as connection:
            await connection.execute(text("LOCK TABLE records"))
            locked.set()
            await released.wait()

    holding = asyncio.ensure_future(hold())
    await locked.wait()
    with pytest.raises(StoreError, match="statement timeout"):
        await hasty.append([record()])
    released.set()
    await holding
    await other.dispose()

    await healed(hasty)
    assert len(await hasty.records()) == 1


async def test_proxy_that_stands_still_does_not_hold_the_others_up(store: Store, url: str) -> None:
    frozen = PostgresDatabase(url, 1)
    async with frozen._writer.connect() as connection:
        await connection.execute(text("LOCK TABLE records"))

        await healed(store)  # the server ends a transaction that nobody goes on with

        await connection.invalidate()
    await frozen.dispose()


# -- transactions


async def test_transactions_that_wait_for_each_other_are_run_again(
    database: PostgresDatabase, url: str, store: Store
) -> None:
    other = PostgresDatabase(url, 30)
    met = asyncio.Barrier(2)
    runs = []

    def locks(first: str, second: str) -> object:
        def work(connection: Connection) -> None:
            runs.append(first)
            connection.execute(text(f"INSERT INTO marks VALUES ('talk', '{first}')"))
            if len(runs) <= 2:
                await_only(met.wait())
            connection.execute(
                text(f"INSERT INTO marks VALUES ('talk', '{second}') ON CONFLICT DO NOTHING")
            )
            connection.execute(text(f"DELETE FROM marks WHERE mark IN ('{first}', '{second}')"))

        return work

    await asyncio.gather(database.write(locks("a", "b")), other.write(locks("b", "a")))  # type: ignore[arg-type]
    await other.dispose()

    assert len(runs) == 3


def _await(connection: Connection, barrier: asyncio.Barrier) -> None:
    await_only(barrier.wait())


async def test_failed_transaction_leaves_nothing(database: PostgresDatabase, store: Store) -> None:
    def fails(connection: Connection) -> None:
        connection.execute(text("INSERT INTO marks VALUES ('talk', 'a')"))
        raise ValueError("odd")

    with pytest.raises(StoreError, match="is damaged: odd"):
        await database.write(fails)

    marks = await database.read(lambda c: c.execute(text("SELECT * FROM marks")).all())
    assert marks == []


async def test_error_does_not_quote_a_row(store: Store) -> None:
    asked = pending(tool_call("first"))
    assert asked.approval
    twice = pending(tool_call("second"))
    clash = type(twice)(call=twice.call, effect=twice.effect, approval=asked.approval)
    await store.put([asked], [])

    with pytest.raises(StoreError, match="duplicate key value") as error:
        await store.put([clash], [])

    assert asked.approval.id not in str(error.value)


# -- waiting for a person


async def test_answer_wakes_other_proxies_at_once(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.store.listening._LISTENING_SECONDS", 60)
    other = await open_store(url)
    asked = pending()
    await store.put([asked], [])
    assert asked.approval
    await other.stirred()
    await _listened_to(url)

    waiting = asyncio.ensure_future(other.stirred())
    await resolve(store, asked, ApprovalState.APPROVED)
    await asyncio.wait_for(waiting, 30)

    assert await other.pending([asked.approval.id]) == frozenset()
    await other.close()


async def _listened_to(url: str) -> None:
    listeners = (
        "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN callgate_answers'"
        " AND state = 'idle' AND datname = current_database()"
    )
    for _ in range(100):
        if execute(url, listeners):
            await asyncio.sleep(0.1)  # the server is ahead of who listens
            return
        await asyncio.sleep(0.1)
    raise AssertionError("nobody listens")
