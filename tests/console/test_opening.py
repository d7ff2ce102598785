from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from callgate.console.listener import bind
from callgate.console.opening import Console, answers
from callgate.errors import SettingsError, StoreError
from callgate.metrics import Metrics
from callgate.settings import Settings
from tests.console.seat import TOKEN
from tests.fakes import FakeClock, MemoryStore

OWN = {"console": "127.0.0.1:0"}


@pytest.fixture
async def front() -> AsyncIterator[Callable[..., Console]]:
    fronts: list[Console] = []

    def made(**settings: Any) -> Console:
        fronts.append(Console(Settings(**{**OWN, **settings}), FakeClock()))
        return fronts[-1]

    yield made
    for one in fronts:
        await one.close()


async def test_console_serves_until_the_stack_is_left(
    store: MemoryStore, front: Callable[..., Console]
) -> None:
    made = front()

    async def is_ready() -> bool:
        return True

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        async with AsyncExitStack() as parts:
            await made.open(parts, store, None, Metrics(), is_ready)
            answer = await client.get(f"{made.address}/readyz")
            token = {"authorization": f"Bearer {made.token}"}
            calls = await client.get(f"{made.address}/api/calls", headers=token)
        assert answer.json() == {"ready": True}
        assert calls.json() == {"calls": [], "older": None}
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{made.address}/readyz")


async def test_operators_tokens_stand_instead_of_a_made_one(
    store: MemoryStore, front: Callable[..., Console]
) -> None:
    made = front(console_token=(f"kim:{TOKEN}",))
    assert made.token == ""

    async with AsyncExitStack() as parts, httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await made.open(parts, store, None, Metrics(), lambda: answers(store))
        token = {"authorization": f"Bearer {TOKEN}"}
        found = await client.get(f"{made.address}/api/calls", headers=token)
    assert found.status_code == 200


async def test_without_a_console_there_is_no_port_and_no_token(
    store: MemoryStore, front: Callable[..., Console]
) -> None:
    made = front(console="off")

    assert (made.port, made.address, made.token) == (None, "off", "")
    assert made.approval_url("apr_1") == "callgate:approvals/apr_1"
    async with AsyncExitStack() as parts:
        await made.open(parts, store, None, Metrics(), lambda: answers(store))


async def test_links_lead_to_where_people_reach_the_console(front: Callable[..., Console]) -> None:
    made = front()
    named = front(console_url="https://gate.example/")

    assert made.approval_url("apr_1") == f"{made.address}/approvals/apr_1"
    assert made.address.startswith("http://127.0.0.1:")
    assert named.approval_url("apr_1") == "https://gate.example/approvals/apr_1"


async def test_address_in_use_is_said(front: Callable[..., Console]) -> None:
    with bind("127.0.0.1", 0) as bound:
        taken = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(
            SettingsError, match=r"listen on \S+: Address already in use; choose another --console"
        ):
            front(console=taken)


async def test_store_that_does_not_answer_is_not_ready(store: MemoryStore) -> None:
    assert await answers(store)
    store.failure = StoreError("down")
    assert not await answers(store)


async def test_receivers_are_those_of_the_settings(front: Callable[..., Console]) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    made = front(
        webhook_url="https://a.example/x",
        webhook_secret=secret,
        slack_url="https://b.example/y",
        notify=("denials",),
    )

    names = [receiver.name for receiver, _ in made._notifications._queues]
    assert names == ["webhook", "slack"]
