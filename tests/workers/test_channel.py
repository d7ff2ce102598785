"""Messages between two processes."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from callgate.workers import channel
from callgate.workers.channel import Channel


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Channel, Channel]]:
    made = [await Channel.over(end) for end in socket.socketpair()]
    yield made[0], made[1]
    for one in made:
        await one.close()


async def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    sent = [{"text": "ä" * 300_000}, {"states": {}}, {"n": 1, "list": [None, True]}]
    for message in sent:
        one.send(message)  # type: ignore[arg-type]  # lists of JSON are JSON

    assert [await other.receive() for _ in sent] == sent


async def test_end_of_the_other_side_is_told_and_sending_is_harmless(
    ends: tuple[Channel, Channel],
) -> None:
    one, other = ends
    one.send({"last": "words"})
    await one.close()

    assert await other.receive() == {"last": "words"}
    assert await other.receive() is None
    for _ in range(10):
        other.send({"states": {}})
        await asyncio.sleep(0)
    await other.close()
    other.send({"states": {}})


async def test_half_a_message_is_none() -> None:
    ours, theirs = socket.socketpair()
    one = await Channel.over(ours)
    theirs.sendall(b"\x00\x00\x00\x09{")
    theirs.close()

    assert await one.receive() is None
    await one.close()


async def test_side_that_does_not_read_is_given_no_more(
    ends: tuple[Channel, Channel],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(channel, "_MOST_WAITING", 1000)
    one, other = ends
    with caplog.at_level(logging.ERROR):
        for number in range(2000):
            one.send({"number": number, "text": "x" * 1000})
    await one.close()

    heard = []
    while message := await other.receive():
        heard.append(message["number"])
    assert heard == list(range(len(heard)))
    assert 0 < len(heard) < 2000
    assert caplog.text.count("does not read") == 1
