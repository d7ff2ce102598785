"""The console, where it is in another process."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from callgate.front import Front
from callgate.metrics import Metrics
from callgate.settings import Settings
from callgate.workers import remote
from callgate.workers.channel import Channel
from callgate.workers.order import Order
from callgate.workers.remote import RemoteFront
from tests.fakes import MemoryStore

LINKS = "https://gate.example"


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Channel, Channel]]:
    made = [await Channel.over(end) for end in socket.socketpair()]
    yield made[0], made[1]
    for one in made:
        await one.close()


def front(channel: Channel, links: str = LINKS, port: int | None = 8081) -> Front:
    return RemoteFront(Order.to(1, Settings(), None, port, links), channel)


async def test_links_and_port_are_those_of_the_parent(ends: tuple[Channel, Channel]) -> None:
    made = front(ends[0])
    assert made.port == 8081
    assert made.approval_url("apr_1") == f"{LINKS}/approvals/apr_1"
    assert (made.address, made.token) == ("off", "")
    assert front(ends[0], "", None).approval_url("apr_1") == "callgate:approvals/apr_1"


async def test_parent_is_told_of_records_and_that_the_worker_lives(
    ends: tuple[Channel, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_BEAT_SECONDS", 0.01)
    ours, parents = ends
    made = front(ours)
    states = {"interven": "untried"}

    async def is_ready() -> bool:
        return True

    async with AsyncExitStack() as parts:
        made.tell({"kind": "call", "trace": "t"})
        await made.open(parts, MemoryStore(), None, Metrics(), is_ready, lambda: states)
        heard = [await parents.receive()]
        heard.append(await parents.receive())
        states["interven"] = "ok"
        while heard[-1] != {"states": {"interven": "ok"}}:
            heard.append(await parents.receive())
    await made.close()

    assert heard[:2] == [
        {"record": {"kind": "call", "trace": "t"}},
        {"states": {"interven": "untried"}},
    ]
