"""Group commit: writes that arrive while one is under way share the next transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from callgate.chain import Chain, Head
from callgate.errors import StoreError
from callgate.store import chaining
from callgate.store.connection import Database

_JOBS_PER_TRANSACTION = 200


@dataclass(slots=True)
class Batch:
    """One transaction in the making."""

    connection: Connection
    records: list[dict[str, object]] = field(default_factory=list)
    """Rows for `tables.records`, inserted together just before the commit."""


@dataclass(frozen=True, slots=True)
class _Job:
    write: Callable[[Batch], object]
    done: asyncio.Future[Any]


class Writer:
    """Runs jobs in the order they came, many to a transaction.

    Each job stays all or nothing: where a shared transaction fails for what one of its jobs
    wanted, they are tried one by one. A cancelled caller does not cancel its job.
    """

    def __init__(self, database: Database, chain: Chain | None = None) -> None:
        """Nothing is written before the first job; `chain` seals the records."""
        self._chain = chain
        self._database = database
        self._waiting: list[_Job] = []
        self._task: asyncio.Task[None] | None = None

    async def run[T](self, write: Callable[[Batch], T]) -> T:
        """Return what the job returned, once it is committed; raises StoreError.

        The job may be run again in a transaction of its own.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(write, done))
        self._start()
        return await asyncio.shield(done)

    async def drained(self) -> None:
        """Wait until nothing is left to write."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.ensure_future(self._drain())
            self._task.add_done_callback(self._stopped)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if self._waiting and not task.cancelled():
            self._start()

    async def _drain(self) -> None:
        while self._waiting:
            jobs = self._waiting[:_JOBS_PER_TRANSACTION]
            del self._waiting[:_JOBS_PER_TRANSACTION]
            try:
                await self._commit(jobs)
            finally:
                # whatever ends this task, nobody is left waiting
                _fail(jobs, StoreError(f"store {self._database.name}: the write was given up"))

    async def _commit(self, jobs: Sequence[_Job]) -> None:
        head: Head | None = None

        def write(connection: Connection) -> list[object]:
            nonlocal head
            batch = Batch(connection)
            results = [job.write(batch) for job in jobs]
            head = None
            if batch.records:
                head = chaining.append(connection, self._chain, batch.records)
            return results

        try:
            results = await self._database.write(write)
        except StoreError as error:
            if len(jobs) == 1 or not _is_of_one_job(error):
                _fail(jobs, error)
            else:
                for job in jobs:
                    await self._commit([job])
        else:
            if self._chain and head:
                self._chain.committed(head)
            for job, result in zip(jobs, results, strict=True):
                job.done.set_result(result)


def _is_of_one_job(error: StoreError) -> bool:
    """Whether the cause was what one job wanted, and not a database that fails them all."""
    cause = error.__cause__
    # a bare StatementError: a value that could not be bound
    is_value = isinstance(cause, ValueError | IntegrityError | DataError)
    return is_value or type(cause) is StatementError


def _fail(jobs: Sequence[_Job], error: StoreError) -> None:
    for job in jobs:
        if not job.done.done():
            job.done.set_exception(error)
            job.done.exception()  # a cancelled caller will not ask for it
