"""A gate beside something else in the same process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from callgate.cli.background import gate
from callgate.errors import SettingsError
from callgate.settings import Settings

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A gate tightens the process's umask: put it back for the other tests."""
    old = os.umask(0o022)
    yield
    os.umask(old)


async def test_gate_listens_within_the_block_and_not_after(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, listen="127.0.0.1:0", console="127.0.0.1:0")
    async with (
        gate(settings, None) as running,
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
    ):
        answer = await client.get(f"{running.ready.console}/healthz")
        assert answer.status_code == 200
    assert running.task.done()
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{running.ready.console}/healthz")


async def test_what_keeps_it_from_starting_is_raised(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings(home=tmp_path, listen=listen, console="off")
        with pytest.raises(SettingsError, match="listen"):
            async with gate(settings, None):
                pytest.fail("the port is taken")
