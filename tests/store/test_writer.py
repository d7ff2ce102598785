import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import connect

import pytest
from sqlalchemy import event

from callgate.errors import StoreError
from callgate.store.rows import record_row
from callgate.store.setup import prepare
from callgate.store.sqlite import SqliteDatabase, create_file
from callgate.store.writer import Batch, Writer


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    path = tmp_path / "callgate.db"
    create_file(path)
    database = SqliteDatabase(path, 30)
    await prepare(database)
    yield database
    await database.dispose()


@pytest.fixture
async def writer(database: SqliteDatabase) -> AsyncIterator[Writer]:
    writer = Writer(database)
    yield writer
    await writer.drained()


class Job:
    """Appends one record, then fails if it is to."""

    def __init__(self, name: str, failure: Exception | None = None) -> None:
        self.name = name
        self.failure = failure

    def __call__(self, batch: Batch) -> str:
        row = record_row({"kind": self.name}, "test", datetime(2030, 1, 1, tzinfo=UTC))
        batch.records.append(row)
        if self.failure:
            raise self.failure
        return self.name


def written(database: SqliteDatabase) -> list[str]:
    with closing(connect(database.name)) as other:
        return [kind for (kind,) in other.execute("SELECT kind FROM records ORDER BY seq")]


async def test_job_is_committed_when_it_returns(database: SqliteDatabase, writer: Writer) -> None:
    assert await writer.run(Job("a")) == "a"
    assert written(database) == ["a"]


async def test_jobs_that_come_together_share_transactions(
    database: SqliteDatabase, writer: Writer
) -> None:
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(database._writer, "commit", count)
    names = [str(n) for n in range(450)]

    assert await asyncio.gather(*(writer.run(Job(name)) for name in names)) == names
    assert written(database) == names
    assert commits == 3


async def test_failing_job_fails_alone(database: SqliteDatabase, writer: Writer) -> None:
    answers = await asyncio.gather(
        writer.run(Job("a")),
        writer.run(Job("b", ValueError("bad row"))),
        writer.run(Job("c")),
        return_exceptions=True,
    )

    assert [answers[0], answers[2]] == ["a", "c"]
    assert isinstance(answers[1], StoreError)
    assert written(database) == ["a", "c"]


async def test_locked_database_fails_all_without_trying_each(database: SqliteDatabase) -> None:
    hasty = SqliteDatabase(Path(database.name), 1)
    writer = Writer(hasty)
    with closing(connect(database.name, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.wait_for(  # each by itself would take 50 s
            asyncio.gather(*(writer.run(Job("a")) for _ in range(50)), return_exceptions=True), 30
        )

    assert {str(answer) for answer in answers} == {f"store {database.name}: database is locked"}
    assert await writer.run(Job("b")) == "b"
    assert written(database) == ["b"]
    await writer.drained()
    await hasty.dispose()


async def test_bug_in_a_job_leaves_nobody_waiting(database: SqliteDatabase, writer: Writer) -> None:
    loop = asyncio.get_running_loop()
    seen: list[object] = []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    bug = KeyError("bug")

    first = asyncio.ensure_future(writer.run(Job("a", bug)))
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(writer.run(Job("b"))) for _ in range(3)]
    answers = await asyncio.wait_for(asyncio.gather(first, *others, return_exceptions=True), 30)
    await writer.drained()

    assert isinstance(answers[0], StoreError)
    assert answers[1:] == ["b"] * 3
    assert written(database) == ["b"] * 3
    assert seen == [bug]


async def test_cancelled_caller_does_not_cancel_its_job(
    database: SqliteDatabase, writer: Writer
) -> None:
    caller = asyncio.ensure_future(writer.run(Job("a")))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await writer.drained()

    assert written(database) == ["a"]
