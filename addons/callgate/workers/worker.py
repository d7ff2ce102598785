"""What a worker does: one proxy, whose console is its parent's."""

from __future__ import annotations

import asyncio
import socket

from callgate import logs, proxy, sharing
from callgate.errors import CallgateError
from callgate.policy import PolicyFile
from callgate.workers.channel import Channel
from callgate.workers.order import Order
from callgate.workers.remote import RemoteFront

_NOT_STARTED = 2


async def work(end: socket.socket) -> int:
    """Serve as the parent at the other end orders, until it says so or is gone; an exit code."""
    channel = await Channel.over(end)
    try:
        message = await channel.receive()
        if message is None:
            return _NOT_STARTED
        order = Order.read(message)
        logs.configure(order.settings, f"worker {order.number}")
        await _serve(order, channel)
    except CallgateError as error:
        channel.send({"fault": str(error)})
        return _NOT_STARTED
    finally:
        await channel.close()
    return 0


async def _serve(order: Order, channel: Channel) -> None:
    policy = PolicyFile(order.policy) if order.policy else None
    is_orphan = asyncio.Event()
    watching = asyncio.ensure_future(_until_gone(channel, is_orphan))
    sharing.share_ports()

    def on_ready(ready: proxy.Ready) -> None:
        channel.send({"proxy": ready.proxy, "reverse": list(ready.reverse)})

    try:
        await proxy.serve(
            order.settings, policy, on_ready, is_orphan, front=RemoteFront(order, channel)
        )
    finally:
        watching.cancel()


async def _until_gone(channel: Channel, is_orphan: asyncio.Event) -> None:
    while await channel.receive():
        pass
    is_orphan.set()
