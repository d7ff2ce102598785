"""A worker in this process: a real proxy port, and the channel to its parent."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mitmproxy.proxy.mode_servers import AsyncioServerInstance

from callgate import logs
from callgate.settings import Settings
from callgate.workers.channel import Channel
from callgate.workers.order import Order
from callgate.workers.ports import Port
from callgate.workers.worker import work

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a worker changes in its process is put back."""
    monkeypatch.setattr(AsyncioServerInstance, "listen", AsyncioServerInstance.listen)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    old = os.umask(0o022)
    yield
    os.umask(old)


async def begun(order: Order) -> tuple[Channel, asyncio.Task[int]]:
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    channel.send(order.model_dump(mode="json"))
    return channel, asyncio.ensure_future(work(theirs))


async def test_worker_serves_beside_another_until_its_parent_is_gone(tmp_path: Path) -> None:
    with closing(Port("127.0.0.1:0")) as port, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", int(port.address.rpartition(":")[2])))
        other.listen()
        settings = Settings(home=tmp_path / "home", listen=port.address)
        channel, working = await begun(Order.to(1, settings, None, 8081, ""))
        heard = [await channel.receive(), await channel.receive()]

        assert {"states": {}} in heard
        [ready] = [message for message in heard if message and "proxy" in message]
        assert urlsplit(ready["proxy"]).netloc == port.address
        await channel.close()
        assert await asyncio.wait_for(working, 60) == 0


async def test_what_keeps_a_worker_from_starting_is_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", listen="127.0.0.1:0", scanner=("oracle",))
    channel, working = await begun(Order.to(1, settings, None, None, ""))

    message = await channel.receive()

    assert message is not None
    assert "oracle" in message["fault"]
    assert await working == 2
    await channel.close()


async def test_worker_without_an_order_ends() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    assert await work(theirs) == 2
