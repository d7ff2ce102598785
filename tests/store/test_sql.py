from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection, connect
from typing import Any

import pytest
from sqlalchemy import Engine, event

from callgate.errors import StoreError
from callgate.model import ApprovalState, Effect
from callgate.store import open_store
from callgate.store.base import Record, Store
from tests.fakes import FakeClock
from tests.samples import decided, pending, tool_call
from tests.store.contract import StoreContract, one, record, resolve

ROOT = Path(__file__).parent.parent.parent

type Opener = Callable[[], Awaitable[Store]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "callgate.db"


@pytest.fixture
async def opened(file: Path, clock: FakeClock) -> AsyncIterator[Opener]:
    """Open a further store on the same file; all are closed at the end."""
    stores: list[Store] = []

    async def open_another() -> Store:
        store = await open_store(
            f"sqlite:///{file}", clock=clock, instance="test", busy_timeout_seconds=0.2
        )
        stores.append(store)
        return store

    yield open_another
    for store in stores:
        await store.close()


@pytest.fixture
async def store(opened: Opener) -> Store:
    return await opened()


class TestSqlStore(StoreContract):
    """The contract, on SQLite."""


# -- several stores on one file


async def test_stores_on_one_file_agree(store: Store, opened: Opener) -> None:
    stores = [store, await opened(), await opened()]
    attempts = [decided(effect) for effect in (Effect.ALLOW, Effect.DENY, Effect.SANITIZE) * 5]

    answers = await asyncio.gather(
        *(stores[n % 3].put([d], [record(d.trace)]) for n, d in enumerate(attempts))
    )

    assert len({answer[tool_call().key].trace for answer in answers}) == 1
    assert len(await store.records()) == 1


async def test_answer_given_beside_the_proxy_is_seen_at_once(store: Store, opened: Opener) -> None:
    asked = pending()
    await store.put([asked], [])
    assert (await one(store, asked.call.key)).effect is Effect.REQUIRE_APPROVAL

    await resolve(await opened(), asked, ApprovalState.APPROVED)

    assert (await one(store, asked.call.key)).effect is Effect.ALLOW


async def test_one_of_two_stores_resolves(store: Store, opened: Opener) -> None:
    other = await opened()
    for n in range(10):
        asked = pending(tool_call(str(n)))
        await store.put([asked], [])

        states = await asyncio.gather(
            resolve(store, asked, ApprovalState.APPROVED, by="a"),
            resolve(other, asked, ApprovalState.DENIED, by="b"),
        )

        assert states[0] is states[1]
    assert len(await store.records()) == 10


async def test_decision_survives_reopening(opened: Opener) -> None:
    first = await opened()
    asked, denied = pending(tool_call("1")), decided(Effect.DENY, tool_call("2"))
    put = await first.put([asked, denied], [record(denied.trace)])
    await first.close()

    again = await opened()

    assert await again.get(list(put)) == put
    assert [r["trace"] for r in await again.records()] == [denied.trace]


async def test_first_use_by_many_at_once_makes_one_schema(file: Path) -> None:
    program = """
import asyncio, sys
from callgate.store import open_store
async def main():
    store = await open_store(sys.argv[1])
    await store.append([{"kind": "start"}])
    await store.close()
asyncio.run(main())
"""
    url = f"sqlite:///{file}"
    runs = [_python(program, url) for _ in range(4)]

    assert [run.wait(60) for run in runs] == [0] * 4
    for run in runs:
        run.communicate()
    store = await open_store(url)
    assert len(await store.records()) == 4
    await store.close()


# -- nothing acknowledged is lost

_PUT_FOREVER = """
import asyncio, itertools, sys
from dataclasses import replace
from callgate.store import open_store
from tests.samples import decided, tool_call

async def main():
    store = await open_store(sys.argv[1])
    async def put(name):
        for n in itertools.count():
            decision = decided(call=tool_call(f"{name}-{n}"))
            await store.put([decision], [{"kind": "call", "call": decision.call.id}])
            print(decision.call.id, flush=True)
    await asyncio.gather(put(sys.argv[2] + "a"), put(sys.argv[2] + "b"))

asyncio.run(main())
"""


async def test_acknowledged_decisions_survive_kill_9(file: Path) -> None:
    url = f"sqlite:///{file}"
    acknowledged: list[str] = []
    for round in range(10):
        child = _python(_PUT_FOREVER, url, str(round))
        assert child.stdout
        acknowledged.append(child.stdout.readline().strip())
        time.sleep(random.uniform(0.01, 0.15))  # noqa: ASYNC251 - nothing else runs here
        child.send_signal(signal.SIGKILL)
        # the last line may be torn
        acknowledged += child.communicate()[0].split("\n")[:-1]

        store = await open_store(url)
        found = await store.get([tool_call(id).key for id in acknowledged])
        recorded = {r["call"] for r in await store.records()}
        await store.close()

        assert child.returncode == -signal.SIGKILL
        assert len(found) == len(acknowledged) > round
        assert set(acknowledged) <= recorded


def _python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'addons'}:{ROOT}"},
    )


async def test_cancelled_caller_does_not_tear_its_write(store: Store) -> None:
    for n in range(50):
        decision = decided(call=tool_call(str(n)))
        task = asyncio.ensure_future(store.put([decision], [record(decision.trace)]))
        await asyncio.sleep(random.uniform(0, 0.003))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.append([record(kind="stop")])

    records = await store.records()
    remembered = await store.get([tool_call(str(n)).key for n in range(50)])

    assert len(records) - 1 == len(remembered)


async def test_cancelled_reader_does_not_spoil_a_connection(store: Store) -> None:
    await store.put([decided()], [record()])
    for _ in range(50):
        task = asyncio.ensure_future(store.records())
        await asyncio.sleep(random.uniform(0, 0.002))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert len(await store.records()) == 1


async def test_closing_waits_for_writes_under_way(opened: Opener) -> None:
    store = await opened()
    writes = [asyncio.ensure_future(store.append([record(n=n)])) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)

    assert len(await (await opened()).records()) == 20


async def test_closing_waits_for_reads_under_way(store: Store) -> None:
    await store.append([record(n=1)])
    read = asyncio.ensure_future(store.records())
    await asyncio.sleep(0)
    await store.close()

    assert len(await read) == 1


# -- fails with a clear error, then heals


async def test_locked_database_fails_and_heals(store: Store, file: Path) -> None:
    with closing(_exclusive(file)):
        with pytest.raises(StoreError, match=r"callgate\.db: database is locked"):
            await store.put([decided()], [record()])
        assert await store.get([tool_call().key]) == {}

    await store.put([decided()], [record()])
    assert len(await store.records()) == 1


async def test_writes_that_wait_for_a_lock_fail_together(store: Store, file: Path) -> None:
    with closing(_exclusive(file)):
        started = time.monotonic()
        answers = await asyncio.gather(
            *(store.append([record()]) for _ in range(100)), return_exceptions=True
        )
        took = time.monotonic() - started

    assert all(isinstance(answer, StoreError) for answer in answers)
    assert took < 2


async def test_short_lock_is_waited_for(store: Store, file: Path) -> None:
    locked = _exclusive(file)
    write = asyncio.ensure_future(store.append([record()]))
    await asyncio.sleep(0.05)
    locked.close()
    await write

    assert len(await store.records()) == 1


async def test_full_disk_fails_and_heals(opened: Opener) -> None:
    with _limited_to(pages=24):
        store = await opened()
        big = record(text="x" * 50_000)
        with pytest.raises(StoreError, match="full"):
            await _append_often(store, big)
        written = len(await store.records())

    await store.append([big])
    assert len(await store.records()) == written + 1


async def _append_often(store: Store, big: Record) -> None:
    for _ in range(10):
        await store.append([big])


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


async def test_overwritten_file_fails(opened: Opener, file: Path) -> None:
    store = await opened()
    await store.put([decided(call=tool_call(str(n))) for n in range(200)], [])
    await store.close()
    _overwrite(file, 4096)

    with pytest.raises(StoreError, match="malformed"):
        await opened()


def _overwrite(file: Path, start: int) -> None:
    content = bytearray(file.read_bytes())
    content[start:] = b"\xff" * (len(content) - start)
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE decisions SET body = 'no json'",
        "UPDATE decisions SET body = '{}'",
        "UPDATE decisions SET body = '7'",
        "UPDATE decisions SET effect = 'PERHAPS'",
        "UPDATE decisions SET scope = 'a\"b'",
    ],
)
async def test_damaged_row_fails(store: Store, file: Path, damage: str) -> None:
    await store.put([decided()], [])
    with closing(connect(file)) as other, other:
        other.execute(damage)

    with pytest.raises(StoreError, match="damaged"):
        await store.get([tool_call().key])


async def test_failing_write_of_one_leaves_the_others(store: Store) -> None:
    asked = pending(tool_call("first"))
    twice = pending(tool_call("second"))
    assert asked.approval
    clash = type(twice)(call=twice.call, effect=twice.effect, approval=asked.approval)

    answers = await asyncio.gather(
        store.put([asked], [record(n=1)]),
        store.put([clash], [record(n=2)]),
        store.append([record(n=3)]),
        return_exceptions=True,
    )

    assert [isinstance(answer, StoreError) for answer in answers] == [False, True, False]
    assert [r["n"] for r in await store.records()] == [1, 3]
    assert await store.get([twice.call.key]) == {}


def _exclusive(file: Path) -> Connection:
    other = connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


@contextmanager
def _limited_to(pages: int) -> Iterator[None]:
    """Let connections made meanwhile see a disk with room for so many pages."""

    def limit(connection: Any, _entry: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        cursor.close()

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)


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
