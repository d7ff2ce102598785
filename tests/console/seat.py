"""Somebody at the console: what the tests of its pages share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from callgate.approvals import Approvals
from callgate.audit.record import call_record
from callgate.console.feed import Feed
from callgate.console.operators import Guesses, Operators
from callgate.console.parts import Parts
from callgate.console.sessions import Sessions
from callgate.console.tally import Tally
from callgate.metrics import Metrics
from callgate.model import Decision, Mode
from callgate.policy import PolicyFile
from callgate.store.base import Store
from tests.fakes import FakeClock

TOKEN = "token-of-kim-" + "0123456789"
OTHER = "token-of-robin-" + "0123456789"


def made(store: Store, clock: FakeClock, policy: PolicyFile | None = None, **more: Any) -> Parts:
    async def is_ready() -> bool:
        return True

    parts = Parts(
        store=store,
        approvals=Approvals(store, clock, url=lambda id: f"http://127.0.0.1:8081/approvals/{id}"),
        policy=policy,
        mode=Mode.WITHHOLD,
        metrics=Metrics(),
        operators=Operators({"kim": TOKEN, "robin": OTHER}),
        is_ready=is_ready,
        clock=clock,
        guesses=Guesses(lambda: clock().timestamp()),
        sessions=Sessions(clock),
        tally=Tally(store, clock),
        feed=Feed(store.latest),
        names=["gate.example"],
        port=8081,
    )
    return replace(parts, **more)


async def judged(store: Store, *decisions: Decision) -> None:
    """Remember and record decisions, as the gate does."""
    records = [call_record(decision, Mode.WITHHOLD, "digest") for decision in decisions]
    await store.put(decisions, records)


@dataclass
class Seat:
    client: httpx.AsyncClient
    parts: Parts

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def text(self, path: str, status: int = 200) -> str:
        answer = await self.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', await self.text("/coverage"))
        assert found
        return found[1]

    async def post(
        self, path: str, headers: Mapping[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        """Send a form of this session."""
        fields.setdefault("csrf", await self.csrf())
        return await self.client.post(path, data=fields, headers=headers)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another task or thread brings about."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  nobody tells when it is so
            await asyncio.sleep(0.01)
