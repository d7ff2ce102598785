from __future__ import annotations

import asyncio

import pytest

from callgate import retention
from callgate.errors import StoreError
from callgate.retention import Retention
from tests.fakes import FakeClock, MemoryStore


async def test_only_what_is_too_old_is_removed() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    await store.append([{"kind": "old"}])
    clock.advance(20 * 86400)
    await store.append([{"kind": "young"}])
    clock.advance(11 * 86400)

    await Retention(store, clock, days=30).once()

    assert [record["kind"] for record in await store.records()] == ["young"]


async def test_store_that_does_not_answer_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "_ROUND_SECONDS", 0.01)
    clock = FakeClock()
    store = MemoryStore(clock)
    await store.append([{"kind": "old"}])
    clock.advance(40 * 86400)
    store.failure = StoreError("store memory is away")
    running = asyncio.ensure_future(Retention(store, clock, days=30).run())
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if caplog.records:
            store.failure = None
            if not await store.records():
                break
    running.cancel()
    await asyncio.wait([running])

    assert await store.records() == []
    assert caplog.records[0].getMessage() == "retention: store memory is away"
