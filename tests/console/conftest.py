"""Fixtures only: a console on a store in memory, and somebody signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from callgate.console.app import application
from callgate.console.parts import Parts
from tests.console.seat import TOKEN, Seat, made
from tests.fakes import FakeClock, MemoryStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def parts(store: MemoryStore, clock: FakeClock) -> Parts:
    return made(store, clock)


@pytest.fixture
async def client(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of somebody who is not signed in."""
    transport = httpx.ASGITransport(application(parts), client=("127.0.0.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
        yield client


@pytest.fixture
async def seat(client: httpx.AsyncClient, parts: Parts) -> Seat:
    """A browser of kim's, who is signed in."""
    answer = await client.post("/sign-in", data={"token": TOKEN})
    assert answer.status_code == 303
    return Seat(client, parts)


@pytest.fixture
def api(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A program with kim's token."""
    client.headers["authorization"] = f"Bearer {TOKEN}"
    return client
