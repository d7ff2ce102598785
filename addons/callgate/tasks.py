"""Work in the background that ends with what it is for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress


def keep(parts: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
    """Do this work until the stack is left; what it raised is raised there."""
    task = asyncio.ensure_future(work)

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    parts.push_async_callback(end)
