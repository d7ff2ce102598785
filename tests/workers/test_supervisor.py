"""Supervision, with workers that are no processes."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from callgate.workers import supervisor
from callgate.workers.supervisor import Supervisor, WorkerError, said


class FakeWorker:
    """Ends when it is told to; ready when `serve` was called."""

    def __init__(self) -> None:
        self.is_serving = False
        self.signals: list[signal.Signals] = []
        self.heeds = {signal.SIGTERM, signal.SIGKILL}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def serve(self) -> None:
        self.is_serving = True
        self._ready.set_result(None)

    def fail(self, why: str) -> None:
        self._ready.set_exception(WorkerError(why))

    def end(self, code: int) -> None:
        self.is_serving = False
        if not self._code.done():
            self._code.set_result(code)
        if not self._ready.done():
            self.fail("ended")

    async def ready(self) -> None:
        await self._ready

    async def ended(self) -> int:
        return await self._code

    def signal(self, number: signal.Signals) -> None:
        self.signals.append(number)
        if number in self.heeds:
            self.end(0 if number is signal.SIGTERM else -9)


class Team:
    """A supervisor under test, and every worker that it began."""

    def __init__(self, many: int = 2) -> None:
        self.begun: list[FakeWorker] = []
        self.is_ready = asyncio.Event()
        self.refusal: WorkerError | None = None
        self.now = 0.0
        self.supervisor = Supervisor(self._launch, many, 0.05, lambda: self.now)
        self.task = asyncio.ensure_future(self.supervisor.run(self.is_ready.set))

    async def _launch(self, number: int) -> FakeWorker:
        if self.refusal:
            raise self.refusal
        self.begun.append(FakeWorker())
        return self.begun[-1]

    async def until_begun(self, many: int) -> None:
        await until(lambda: len(self.begun) >= many)


async def until(is_true: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if is_true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not become true")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_PAUSES", (0.001,))


@asynccontextmanager
async def serving(many: int = 2) -> AsyncIterator[Team]:
    team = Team(many)
    await team.until_begun(many)
    for worker in team.begun:
        worker.serve()
    await team.is_ready.wait()
    yield team
    team.supervisor.stop()
    await asyncio.wait([team.task])


async def test_ready_is_told_when_all_listen() -> None:
    team = Team()
    await team.until_begun(2)
    team.begun[0].serve()
    await asyncio.sleep(0.01)
    assert not team.is_ready.is_set()
    assert not team.supervisor.is_whole

    team.begun[1].serve()
    await team.is_ready.wait()

    assert team.supervisor.is_whole
    team.supervisor.stop()
    await team.task
    assert [worker.signals for worker in team.begun] == [[signal.SIGTERM]] * 2


async def test_worker_that_can_not_begin_ends_all_and_is_said() -> None:
    team = Team()
    await team.until_begun(2)
    team.begun[0].serve()
    team.begun[1].fail("listen: no such port")

    with pytest.raises(WorkerError, match="no such port"):
        await team.task

    assert team.begun[0].signals == [signal.SIGTERM]
    assert not team.is_ready.is_set()


async def test_process_that_can_not_be_made_is_said() -> None:
    team = Team()
    team.refusal = WorkerError("worker 1 can not be started: too many")
    with pytest.raises(WorkerError, match="too many"):
        await team.task


async def test_worker_that_dies_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as team:
        with caplog.at_level(logging.ERROR):
            team.begun[0].end(-9)
            await team.until_begun(3)
        assert not team.supervisor.is_whole
        team.begun[2].serve()
        await until(lambda: team.supervisor.is_whole)
    assert "worker 1 ended: killed by SIGKILL; it begins again" in caplog.text
    assert team.task.exception() is None


async def test_worker_that_can_not_begin_again_is_tried_while_another_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as team:
        with caplog.at_level(logging.ERROR):
            team.begun[0].end(1)
            for number in (2, 3):
                await team.until_begun(number + 1)
                team.begun[number].fail("callgate.yaml:1:1: broken")
            await team.until_begun(5)
        team.begun[4].serve()
        await until(lambda: team.supervisor.is_whole)
    assert caplog.text.count("worker 1 can not begin: callgate.yaml:1:1: broken") == 2


async def test_supervisor_gives_up_when_none_is_left_that_serves() -> None:
    async with serving() as team:
        team.begun[0].end(1)
        team.begun[1].end(1)
        await team.until_begun(4)
        team.begun[2].fail("store: gone")
        with pytest.raises(WorkerError, match="store: gone"):
            await team.task
        assert team.begun[3].signals == [signal.SIGTERM]


async def test_pauses_grow_until_a_worker_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_PAUSES", (0.1, 0.2, 0.3))
    paused: list[float] = []

    async def pause(event: asyncio.Event, seconds: float) -> None:
        if not event.is_set():
            paused.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(supervisor, "_until", pause)
    async with serving(many=1) as team:
        for lasts in (1, 1, 1, 100, 1):
            team.now += lasts
            team.begun[-1].end(1)
            await team.until_begun(len(team.begun) + 1)
            team.begun[-1].serve()
            await until(lambda: team.supervisor.is_whole)
    assert paused == [0.2, 0.3, 0.3, 0.1, 0.2]


async def test_stop_ends_a_worker_that_has_just_begun() -> None:
    team = Team()
    await team.until_begun(2)
    team.supervisor.stop()
    team.supervisor.stop()
    await team.task
    assert not team.is_ready.is_set()
    assert len(team.begun) == 2


async def test_worker_that_does_not_end_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as team:
        team.begun[1].heeds = {signal.SIGKILL}
        with caplog.at_level(logging.ERROR):
            team.supervisor.stop()
            with pytest.raises(WorkerError, match="worker 2 ended badly: killed by SIGKILL"):
                await team.task
    assert "worker 2 did not end in time" in caplog.text
    assert team.begun[0].signals == [signal.SIGTERM]


async def test_only_workers_that_listen_are_told_to_reload() -> None:
    team = Team()
    await team.until_begun(2)
    team.begun[0].serve()
    await until(lambda: team.begun[0].is_serving)
    await asyncio.sleep(0.01)

    team.supervisor.reload()

    assert [worker.signals for worker in team.begun] == [[signal.SIGHUP], []]
    team.supervisor.stop()
    await team.task


def test_exit_codes_in_words() -> None:
    assert (said(2), said(-15)) == ("exit code 2", "killed by SIGTERM")
