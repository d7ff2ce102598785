"""Worker processes as the parent sees them, with a small program that plays the worker."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from callgate.settings import Settings
from callgate.store.base import Record
from callgate.workers import process
from callgate.workers.order import Order
from callgate.workers.process import WorkerProcess
from callgate.workers.supervisor import WorkerError

ORDER = Order.to(1, Settings(), None, None, "")


@pytest.fixture(autouse=True)
def standin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("STANDIN", "serve")


async def launch(told: list[Record] | None = None) -> WorkerProcess:
    heard: list[Record] = [] if told is None else told
    return await WorkerProcess.launch(ORDER, heard.append, "standin")


async def test_worker_tells_where_it_listens_and_what_it_stored() -> None:
    told: list[Record] = []
    worker = await launch(told)
    assert not worker.is_serving

    await worker.ready()

    assert worker.is_serving
    assert (worker.proxy, worker.reverse) == ("http://127.0.0.1:1", ("http://127.0.0.1:9",))
    assert worker.states == {"interven": "ok"}
    assert [record["trace"] for record in told] == ["t"]
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    worker.signal(signal.SIGTERM)


async def test_silent_worker_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await launch()
    await worker.ready()

    monkeypatch.setattr(process, "_SILENT_SECONDS", 0.0)

    assert not worker.is_serving
    worker.signal(signal.SIGKILL)
    assert await worker.ended() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("what", "said"),
    [("fault", "^listen: no such port$"), ("crash", "ended before it was ready: exit code 3")],
)
async def test_worker_that_can_not_begin_says_why(
    what: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN", what)
    worker = await launch()

    with pytest.raises(WorkerError, match=said):
        await worker.ready()


async def test_worker_ends_when_nobody_holds_the_other_end() -> None:
    worker = await launch()
    await worker.ready()

    await worker._channel.close()

    assert await asyncio.wait_for(worker.ended(), 30) == 0


async def test_program_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process.sys, "executable", str(tmp_path / "none"))  # type: ignore[attr-defined]

    with pytest.raises(WorkerError, match="worker 1 can not be started"):
        await launch()


async def test_worker_is_not_loaded_from_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    (tmp_path / "standin.py").write_text("import sys; sys.exit(77)")
    monkeypatch.chdir(tmp_path)

    worker = await launch()

    with pytest.raises(WorkerError, match="exit code 1"):
        await worker.ready()
