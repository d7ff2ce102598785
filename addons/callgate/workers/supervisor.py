"""Keeps workers running: begins them, begins again those that end, ends all."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from callgate.errors import CallgateError

_log = logging.getLogger(__name__)

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before a worker begins again, longer each time that it does not last."""
_STEADY_SECONDS = 60.0


class WorkerError(CallgateError):
    """A worker does not do its work."""


class Worker(Protocol):
    """A process of ours."""

    @property
    def is_serving(self) -> bool:
        """It listens, and it has lately said so."""
        ...

    async def ready(self) -> None:
        """Return when it listens; raises WorkerError when it ends before that."""
        ...

    async def ended(self) -> int:
        """Return its exit code; a signal's is negative."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        ...


class Supervisor[W: Worker]:
    """Keeps a number of workers until `stop`, or until there is no use in it any more."""

    def __init__(
        self,
        launch: Callable[[int], Awaitable[W]],
        many: int,
        farewell_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`launch` begins the worker of a number, from 1 on; raises WorkerError.

        Who has not ended so many seconds after `stop` is killed.
        """
        self.workers: dict[int, W] = {}
        """By number; those that begin or end included."""
        self._launch = launch
        self._many = many
        self._farewell_seconds = farewell_seconds
        self._clock = clock
        self._listening: set[int] = set()
        self._all_listen = asyncio.Event()
        self._is_stopping = asyncio.Event()

    @property
    def is_whole(self) -> bool:
        """Every worker serves."""
        serving = [worker for worker in self.workers.values() if worker.is_serving]
        return len(serving) == self._many

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Return after `stop`, when all have ended; `on_ready` is told once, when all listen.

        Raises WorkerError when one can not begin at all: at the start, or while no other
        listens. All are ended then.
        """
        tasks = [asyncio.ensure_future(self._keep(n)) for n in range(1, self._many + 1)]
        whole = asyncio.ensure_future(self._all_listen.wait())
        try:
            await asyncio.wait((*tasks, whole), return_when=asyncio.FIRST_COMPLETED)
            if whole.done() and not self._is_stopping.is_set():
                on_ready()
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            whole.cancel()
            self.stop()
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    def stop(self) -> None:
        """End all workers; what they have in flight is finished."""
        if self._is_stopping.is_set():
            return
        self._is_stopping.set()
        self._signal(self.workers, signal.SIGTERM)
        asyncio.get_running_loop().call_later(self._farewell_seconds, self._kill)

    def reload(self) -> None:
        """Have every worker that listens read its policy again."""
        self._signal(self._listening, signal.SIGHUP)  # one that begins reads the file anyway

    def _signal(self, numbers: set[int] | dict[int, W], number: signal.Signals) -> None:
        for one in numbers:
            self.workers[one].signal(number)

    def _kill(self) -> None:
        for number, worker in self.workers.items():
            _log.error("worker %s did not end in time and is killed", number)
            worker.signal(signal.SIGKILL)

    async def _keep(self, number: int) -> None:
        short_lives = 0
        while not self._is_stopping.is_set():
            begun_at = self._clock()
            await self._once(number)
            lasted = self._clock() - begun_at >= _STEADY_SECONDS
            short_lives = 0 if lasted else short_lives + 1
            pause = _PAUSES[min(short_lives, len(_PAUSES) - 1)]
            await _until(self._is_stopping, pause)

    async def _once(self, number: int) -> None:
        """One life of a worker; raises WorkerError for an end that nobody can mend."""
        try:
            worker = self.workers[number] = await self._launch(number)
            if self._is_stopping.is_set():
                worker.signal(signal.SIGTERM)
            await worker.ready()
            self._listening.add(number)
            if len(self._listening) == self._many:
                self._all_listen.set()
            code = await worker.ended()
        except WorkerError as error:
            if self._is_stopping.is_set():
                return
            if not self._all_listen.is_set() or not self._listening:
                raise
            _log.error("worker %s can not begin: %s", number, error)
            return
        finally:
            self._listening.discard(number)
            self.workers.pop(number, None)
        if not self._is_stopping.is_set():
            _log.error("worker %s ended: %s; it begins again", number, said(code))
        elif code:
            raise WorkerError(f"worker {number} ended badly: {said(code)}")


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def said(code: int) -> str:
    """An exit code in words."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
