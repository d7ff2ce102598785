"""Tells others of approvals and denials, without anybody ever waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import httpx

from callgate.bounded import trim
from callgate.console.messages import Message, Occasion, message, occasion
from callgate.store.base import Record

_log = logging.getLogger(__name__)

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_MOST_WAITING = 1000
_TIMEOUT_SECONDS = 10.0
_FAREWELL_SECONDS = 2.0
_PASSING = frozenset((408, 425, 429))
"""Statuses below 500 that are worth another try."""


class Form(Protocol):
    """How a message is written for a receiver: headers and body, signed now."""

    def __call__(self, message: Message, at: datetime, /) -> tuple[dict[str, str], bytes]:
        """See `messages.webhook`."""
        ...


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody to be told."""

    name: str
    """Stands in the log; the address, which may hold a secret, never does."""
    url: str
    form: Form


class Notifications:
    """Queues of messages, one for each receiver."""

    def __init__(
        self,
        receivers: Collection[Receiver],
        occasions: Collection[Occasion],
        console: str,
        clock: Callable[[], datetime],
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        """`console` is the address that links begin with; empty where there is none."""
        self._occasions = occasions
        self._console = console
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._client = httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_SECONDS)
        self._queues = [(receiver, asyncio.Queue[Message](_MOST_WAITING)) for receiver in receivers]
        self._tasks: list[asyncio.Task[None]] = []
        self._told: OrderedDict[str, None] = OrderedDict()

    def start(self) -> None:
        """Begin to send."""
        self._tasks = [
            asyncio.ensure_future(self._serve(receiver, queue)) for receiver, queue in self._queues
        ]

    def tell(self, record: Record) -> None:
        """Queue what a record is a reason to tell of, once; never blocks and never raises."""
        if not self._queues or occasion(record) not in self._occasions:
            return
        told = message(record, self._console, self._clock())
        if told.id in self._told:  # undecided calls are judged, and recorded, at every look
            return
        self._told[told.id] = None
        trim(self._told, _MOST_WAITING)
        for receiver, queue in self._queues:
            try:
                queue.put_nowait(told)
            except asyncio.QueueFull:
                _log.error("%s: too many messages wait, one is lost", receiver.name)

    async def close(self) -> None:
        """Send what can be sent in two seconds, and stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                for _, queue in self._queues:
                    await queue.join()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._client.aclose()

    async def _serve(self, receiver: Receiver, queue: asyncio.Queue[Message]) -> None:
        while True:
            told = await queue.get()
            try:
                await self._deliver(receiver, told)
            finally:
                queue.task_done()

    async def _deliver(self, receiver: Receiver, told: Message) -> None:
        """Try until it arrives, is turned down for good, or every try has failed."""
        why = ""
        for pause in (0.0, *self._retry_seconds):
            await asyncio.sleep(pause)
            headers, body = receiver.form(told, self._clock())
            try:
                answer = await self._client.post(receiver.url, headers=headers, content=body)
            except httpx.HTTPError as error:
                why = type(error).__name__  # its text may quote the address
                continue
            if answer.is_success:
                return
            why = f"status {answer.status_code}"
            if answer.status_code < 500 and answer.status_code not in _PASSING:
                break
        _log.error("%s: message %s was not accepted: %s", receiver.name, told.id, why)
