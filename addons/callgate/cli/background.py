"""A gate beside something else in the same process: started, ready, and ended with the block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from callgate import proxy
from callgate.errors import CallgateError
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store.base import Record
from callgate.witness import Witness


@dataclass(frozen=True, slots=True)
class Background:
    """A gate that listens."""

    ready: proxy.Ready
    task: asyncio.Task[None]
    """Ends when the gate does, which may be before the block."""


@asynccontextmanager
async def gate(
    settings: Settings,
    policy: PolicyFile | None,
    on_record: Callable[[Record], None] | None = None,
    witness: Witness | None = None,
) -> AsyncIterator[Background]:
    """Run a gate for the time of the block; raises what keeps it from starting.

    Leaving the block waits for flows in flight and raises what ended the gate.
    """
    ready: asyncio.Future[proxy.Ready] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.ensure_future(
        proxy.serve(settings, policy, ready.set_result, stop, on_record, witness)
    )
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await task
        raise CallgateError("the proxy ended before it was ready")
    try:
        yield Background(ready.result(), task)
    finally:
        stop.set()
        await task
