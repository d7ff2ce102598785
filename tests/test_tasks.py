"""Work in the background that ends with what it is for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest

from callgate.tasks import keep


async def test_work_goes_on_until_the_stack_is_left() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with AsyncExitStack() as parts:
        keep(parts, work())
        await begun.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_what_work_raised_is_raised_at_the_end() -> None:
    async def work() -> None:
        raise ValueError("broken")

    parts = AsyncExitStack()
    keep(parts, work())
    await asyncio.sleep(0)

    with pytest.raises(ValueError, match="broken"):
        await parts.aclose()


@pytest.mark.parametrize("is_daemon", [False, True])
def test_process_does_not_wait_for_a_thread(is_daemon: bool) -> None:
    script = (
        "import sys, threading\n"
        "from callgate.tasks import leave\n"
        f"threading.Thread(target=threading.Event().wait, daemon={is_daemon}).start()\n"
        "print('said', end='')\n"
        "leave(3)\n"
        "sys.exit(4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (4 if is_daemon else 3, "said", "")
