"""The parent in this process, with small programs that play its workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from callgate import assembly
from callgate.errors import SettingsError
from callgate.proxy import Ready
from callgate.settings import Settings
from callgate.store.base import Record
from callgate.workers import parent
from callgate.workers.order import Order
from callgate.workers.process import WorkerProcess
from callgate.workers.supervisor import WorkerError

pytestmark = pytest.mark.e2e


@pytest.fixture
def started() -> list[WorkerProcess]:
    """The workers that were started."""
    return []


@pytest.fixture(autouse=True)
def standin(monkeypatch: pytest.MonkeyPatch, started: list[WorkerProcess]) -> Iterator[list[Order]]:
    """Workers are a small program; the orders that they were given."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("STANDIN", "serve")
    launch, orders = WorkerProcess.launch, list[Order]()

    async def launched(order: Order, tell: Callable[[Record], None]) -> WorkerProcess:
        orders.append(order)
        started.append(await launch(order, tell, "standin"))
        return started[-1]

    monkeypatch.setattr(WorkerProcess, "launch", launched)
    old = os.umask(0o022)
    yield orders
    os.umask(old)


def settings_for(home: Path, **more: Any) -> Settings:
    return Settings(home=home, listen="127.0.0.1:0", console="127.0.0.1:0", workers=2, **more)


@asynccontextmanager
async def running(
    settings: Settings,
) -> AsyncIterator[tuple[Ready, httpx.AsyncClient]]:
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(parent.serve(settings, None, ready.set_result))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            yield ready.result(), client
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await task


async def until_metrics(client: httpx.AsyncClient, url: str, wanted: str) -> str:
    for _ in range(1000):
        text = (await client.get(f"{url}/metrics")).text
        if wanted in text:
            return text
        await asyncio.sleep(0.01)
    raise AssertionError(text)


async def test_one_console_stands_for_all_workers(tmp_path: Path, standin: list[Order]) -> None:
    async with running(settings_for(tmp_path)) as (ready, client):
        assert f"ready proxy=http://127.0.0.1:1 console={ready.console} ca=/" in ready.line
        said = (await client.get(f"{ready.console}/readyz")).json()
        metrics = await until_metrics(client, ready.console, 'decision="deny",surface="chat"} 2.0')

    assert said == {"ready": True, "scanners": {"interven": "rate limited"}}
    assert "callgate_decisions_total" in metrics
    assert {order.settings.listen for order in standin} == {standin[0].settings.listen}
    assert not standin[0].settings.listen.endswith(":0")
    assert {order.console_links for order in standin} == {ready.console}
    assert {order.console_port for order in standin} == {int(ready.console.rpartition(":")[2])}
    assert ready.reverse == ("http://127.0.0.1:9",)


async def test_every_listener_has_one_port_for_all(tmp_path: Path, standin: list[Order]) -> None:
    reverse = ("127.0.0.1:0=https://a.example", "127.0.0.1:0=https://b.example")
    settings = settings_for(tmp_path, reverse=reverse, transparent="127.0.0.1:0")
    async with running(settings):
        pass

    one, other = (order.settings for order in standin)
    assert (one.reverse, one.transparent) == (other.reverse, other.transparent)
    addresses = [one.listen, one.transparent, *(made.listen for made in one.reverses)]
    assert len(set(addresses)) == 4
    assert [made.upstream for made in one.reverses] == [
        "https://a.example:443",
        "https://b.example:443",
    ]
    assert not [address for address in addresses if address.endswith(":0")]


async def test_gate_is_not_ready_while_a_worker_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[WorkerProcess]
) -> None:
    async with running(settings_for(tmp_path)) as (ready, client):

        async def until_it_says(status: int) -> object:
            for _ in range(2000):
                answer = await client.get(f"{ready.console}/readyz")
                if answer.status_code == status:
                    return answer.json()["ready"]
                await asyncio.sleep(0.01)
            raise AssertionError(answer.text)

        monkeypatch.setenv("STANDIN", "crash")
        os.kill(started[0].pid, signal.SIGKILL)
        assert await until_it_says(503) is False
        monkeypatch.setenv("STANDIN", "serve")
        assert await until_it_says(200) is True


async def test_what_keeps_workers_from_starting_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN", "fault")
    with pytest.raises(WorkerError, match=r"^listen: no such port$"):
        async with running(settings_for(tmp_path)):
            pass


async def test_port_in_use_is_said_before_any_worker_starts(
    tmp_path: Path, standin: list[Order]
) -> None:
    async with running(settings_for(tmp_path)):
        taken = standin[0].settings.listen
        again = settings_for(tmp_path / "b").model_copy(update={"listen": taken})
        with pytest.raises(SettingsError, match=f"can not listen on {taken}"):
            await parent.serve(again, None, lambda _: None)
    assert len(standin) == 2


async def test_what_other_processes_write_is_mirrored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "_WAKE_SECONDS", 0.01)
    file, settings = tmp_path / "audit.jsonl", settings_for(tmp_path / "home")
    async with running(settings.model_copy(update={"audit_file": file})):
        async with assembly.open_books(settings, None) as books:
            await books.store.append([{"kind": "start"}])
        for _ in range(1000):
            if file.exists() and '"kind":"start"' in file.read_text():
                return
            await asyncio.sleep(0.01)
    raise AssertionError(file.read_text())


async def test_other_systems_than_linux_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SettingsError, match="workers: only Linux"):
        await parent.serve(settings_for(tmp_path), None, lambda _: None)


def test_worst_state_of_a_gateway_is_told() -> None:
    each = [
        {"interven": "ok", "aegis": "untried"},
        {"interven": "no answer", "aegis": "ok"},
        {"interven": "untried"},
    ]
    assert parent.worst(each) == {"interven": "no answer", "aegis": "ok"}
