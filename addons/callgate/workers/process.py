"""One worker, as its parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from typing import Self

from callgate.store.base import Record
from callgate.workers.channel import Channel
from callgate.workers.order import Order
from callgate.workers.supervisor import WorkerError, said

_SILENT_SECONDS = 10.0
"""A worker says every second that it lives."""


class WorkerProcess:
    """See `Worker`."""

    def __init__(
        self, process: Process, channel: Channel, on_record: Callable[[Record], None]
    ) -> None:
        """Begin to hear what it says; `on_record` is told of every record that it stored."""
        self.pid = process.pid
        self.proxy = ""
        """URL of its proxy port, once it is ready."""
        self.reverse: tuple[str, ...] = ()
        self.states: Mapping[str, str] = {}
        """Of the scanners that are gateways, as it sees them."""
        self._process = process
        self._channel = channel
        self._on_record = on_record
        self._fault = ""
        self._heard_at = 0.0
        self._is_ready = asyncio.Event()
        self._hearing = asyncio.ensure_future(self._hear())

    @classmethod
    async def launch(
        cls, order: Order, on_record: Callable[[Record], None], module: str = "callgate.workers"
    ) -> Self:
        """Start a process of its own and give it the order; raises WorkerError."""
        ours, theirs = socket.socketpair()
        channel = await Channel.over(ours)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    # not from the working folder: who can write there could be another Callgate
                    *(sys.executable, "-P", "-m", module, str(theirs.fileno())),
                    pass_fds=(theirs.fileno(),),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                )
        except OSError as error:
            await channel.close()
            raise WorkerError(f"worker {order.number} can not be started: {error}") from error
        channel.send(order.model_dump(mode="json"))
        return cls(process, channel, on_record)

    @property
    def is_serving(self) -> bool:
        """See `Worker.is_serving`."""
        silent_seconds = asyncio.get_running_loop().time() - self._heard_at
        return self._is_ready.is_set() and silent_seconds < _SILENT_SECONDS

    async def ready(self) -> None:
        """See `Worker.ready`."""
        ready = asyncio.ensure_future(self._is_ready.wait())
        await asyncio.wait((ready, self._hearing), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self._is_ready.is_set():
            code = await self.ended()
            raise WorkerError(self._fault or f"a worker ended before it was ready: {said(code)}")

    async def ended(self) -> int:
        """See `Worker.ended`."""
        code = await self._process.wait()
        await self._hearing
        await self._channel.close()
        return code

    def signal(self, number: signal.Signals) -> None:
        """See `Worker.signal`."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _hear(self) -> None:
        while message := await self._channel.receive():
            self._heard_at = asyncio.get_running_loop().time()
            match message:
                case {"record": dict(record)}:
                    self._on_record(record)
                case {"states": dict(states)}:
                    self.states = states
                case {"proxy": str(proxy), "reverse": list(reverse)}:
                    self.proxy, self.reverse = proxy, tuple(reverse)
                    self._is_ready.set()
                case {"fault": str(fault)}:
                    self._fault = fault
