"""Killed in the middle, again and again; `scripts/bench/crashes` does it 200 times."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from callgate.store import open_store
from tests.e2e.crashes import POLICY, Crashes
from tests.e2e.gate import StartGate
from tests.e2e.origin import Origin
from tests.postgres import postgres

_ROUNDS = 2


async def traces(url: str) -> set[str]:
    store = await open_store(url)
    records = await store.records()
    await store.close()
    return {str(record["trace"]) for record in records if record["kind"] == "call"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_acknowledged_verdict_is_lost_by_kill_9(
    start_gate: StartGate, origin: Origin, tmp_path: Path, kind: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path}/crashes.db"
            _crash(start_gate, origin, url)
        else:
            with postgres(Path(folder)) as server:
                _crash(start_gate, origin, server.fresh())


def _crash(start_gate: StartGate, origin: Origin, url: str) -> None:
    gate = start_gate(origin.host, policy=POLICY, CALLGATE_STORE=url)
    crashes = Crashes(gate, origin)

    assert sum(crashes.round() for _ in range(_ROUNDS)) >= _ROUNDS

    assert set(crashes.acknowledged.values()) <= asyncio.run(traces(url))
    assert gate.stop() == 0
