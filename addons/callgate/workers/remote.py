"""The console, where it is in the parent's process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

from callgate.front import approval_url
from callgate.metrics import Metrics
from callgate.policy import PolicyFile
from callgate.store.base import Record, Store
from callgate.tasks import keep
from callgate.workers.channel import Channel
from callgate.workers.order import Order

_BEAT_SECONDS = 1.0


class RemoteFront:
    """See `Front`: tells the parent of records, and every second that this worker lives."""

    def __init__(self, order: Order, channel: Channel) -> None:
        """Nothing is told before the first record, or `open`."""
        self.port = order.console_port
        self.address = "off"
        self.token = ""
        self._links = order.console_links
        self._channel = channel

    def approval_url(self, id: str) -> str:
        """See `Front.approval_url`."""
        return approval_url(self._links, id)

    def tell(self, record: Record) -> None:
        """See `Front.tell`."""
        self._channel.send({"record": dict(record)})

    async def open(
        self,
        parts: AsyncExitStack,
        store: Store,
        policy: PolicyFile | None,
        metrics: Metrics,
        is_ready: Callable[[], Awaitable[bool]],
        scanner_states: Callable[[], Mapping[str, str]],
    ) -> None:
        """See `Front.open`."""
        keep(parts, self._beat(scanner_states))

    async def close(self) -> None:
        """See `Front.close`; the channel belongs to who made it."""

    async def _beat(self, scanner_states: Callable[[], Mapping[str, str]]) -> None:
        while True:
            self._channel.send({"states": dict(scanner_states())})
            await asyncio.sleep(_BEAT_SECONDS)
