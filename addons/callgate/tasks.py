"""Work in the background that ends with what it is for, or with the process."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
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


def leave(code: int) -> None:
    """End at once where Python would wait for a thread: a scanner's gateway that does not answer.

    To be called when everything is closed: nobody is left to hear the answer. Returns where no
    thread is left either.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if any(not thread.daemon for thread in others):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
