from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from callgate.store import listening
from callgate.store.listening import Listener


class BrokenError(Exception):
    pass


class Line:
    """A connection that says what it is told to, and breaks when it is told to."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.commands: list[str] = []
        self.is_closed = False

    async def execute(self, command: str) -> None:
        self.commands.append(command)

    async def notifies(self) -> AsyncIterator[str]:
        while True:
            if failure := await self.said.get():
                raise failure
            yield "notification"

    async def close(self) -> None:
        self.is_closed = True


class Exchange:
    """Gives out lines; `failures` come first."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.lines: list[Line] = []

    async def __call__(self) -> Line:
        if self.failures:
            raise self.failures.pop(0)
        self.lines.append(Line())
        return self.lines[-1]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_RETRY_SECONDS", 0.01)


async def listening_now(listener: Listener) -> None:
    while not listener.is_listening:
        await listener.stirred()


async def test_notification_wakes_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_LISTENING_SECONDS", 60)
    exchange = Exchange()
    listener = Listener(exchange, BrokenError, "x")
    await listening_now(listener)
    [line] = exchange.lines

    line.said.put_nowait(None)
    await asyncio.wait_for(listener.stirred(), 30)

    assert line.commands == ["LISTEN callgate_answers"]
    await listener.close()
    assert line.is_closed


async def test_notification_between_two_waits_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_LISTENING_SECONDS", 60)
    exchange = Exchange()
    listener = Listener(exchange, BrokenError, "x")
    await listening_now(listener)
    exchange.lines[0].said.put_nowait(None)
    await asyncio.sleep(0.05)

    await asyncio.wait_for(listener.stirred(), 30)
    await listener.close()


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_LISTENING_SECONDS", 0.05)
    listener = Listener(Exchange(), BrokenError, "x")
    await listening_now(listener)
    started = time.monotonic()

    await listener.stirred()
    await listener.stirred()

    assert time.monotonic() - started < 30
    await listener.close()


async def test_broken_connection_is_said_and_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    exchange = Exchange(BrokenError("refused\nwith details"))
    listener = Listener(exchange, BrokenError, "x")
    await listening_now(listener)

    exchange.lines[0].said.put_nowait(BrokenError("gone"))
    while len(exchange.lines) < 2:
        await listener.stirred()
    await listening_now(listener)

    assert exchange.lines[0].is_closed
    assert [entry.getMessage() for entry in caplog.records] == [
        "store x: refused; answers are polled for meanwhile",
        "store x: gone; answers are polled for meanwhile",
    ]
    await listener.close()


async def test_listener_that_nobody_asked_has_no_connection() -> None:
    exchange = Exchange()
    listener = Listener(exchange, BrokenError, "x")
    await listener.close()

    assert exchange.lines == []
