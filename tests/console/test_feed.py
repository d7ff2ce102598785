from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from callgate.console import feed as feed_module
from callgate.console.feed import Feed
from callgate.errors import StoreError
from tests.console.seat import until


class Log:
    def __init__(self) -> None:
        self.seq = 1
        self.looks = 0
        self.failure: StoreError | None = None

    async def latest(self) -> int:
        self.looks += 1
        if self.failure:
            raise self.failure
        return self.seq


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def feed(log: Log, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr(feed_module, "_LOOK_SECONDS", 0.01)
    return Feed(log.latest)


async def next_of(stream: object) -> bytes:
    async with asyncio.timeout(30):
        event: bytes = await anext(stream)  # type: ignore[call-overload]  # an iterator
        return event


async def rest(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [event async for event in stream]


async def test_change_is_told_to_all_who_watch(feed: Feed, log: Log) -> None:
    streams = [feed.events(lambda: True) for _ in range(3)]
    for stream in streams:
        assert (await next_of(stream)).startswith(b"retry:")
        # between the page and the stream something may have happened
        assert (await next_of(stream)).startswith(b"event: changed\n")

    log.seq = 7
    feed.stir()

    for stream in streams:
        while await next_of(stream) != b"event: changed\ndata: 7\n\n":
            pass
    await feed.close()


async def test_change_by_another_process_is_found(feed: Feed, log: Log) -> None:
    stream = feed.events(lambda: True)
    await next_of(stream)
    await next_of(stream)
    log.seq = 8

    while await next_of(stream) != b"event: changed\ndata: 8\n\n":
        pass
    await feed.close()


async def test_nobody_watching_costs_nothing(feed: Feed, log: Log) -> None:
    stream = feed.events(lambda: True)
    await next_of(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # a generator
    await until(lambda: feed._watching is None or feed._watching.done())
    looks = log.looks

    await asyncio.sleep(0.05)

    assert log.looks == looks


async def test_quiet_stream_is_kept_alive(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_KEEP_ALIVE_SECONDS", 0.01)
    stream = feed.events(lambda: True)

    while await next_of(stream) != b": still here\n\n":
        pass
    await feed.close()


async def test_store_that_fails_for_a_while_does_not_end_the_stream(feed: Feed, log: Log) -> None:
    stream = feed.events(lambda: True)
    await next_of(stream)
    log.failure = StoreError("down")
    looks = log.looks
    await until(lambda: log.looks >= looks + 2)
    log.failure, log.seq = None, 9

    while await next_of(stream) != b"event: changed\ndata: 9\n\n":
        pass
    await feed.close()


async def test_closing_and_signing_out_end_streams(feed: Feed) -> None:
    is_welcome = True
    closed, left = feed.events(lambda: True), feed.events(lambda: is_welcome)
    for stream in (closed, left):
        await next_of(stream)
        await next_of(stream)
    is_welcome = False
    ended = asyncio.gather(*(rest(stream) for stream in (closed, left)))
    await asyncio.sleep(0)

    await feed.close()

    async with asyncio.timeout(30):
        await ended


def test_number_of_watchers_is_bounded(feed: Feed) -> None:
    assert not feed.is_crowded
    feed._watchers |= {asyncio.Event() for _ in range(100)}
    assert feed.is_crowded
