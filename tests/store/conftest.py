"""Fixtures only: both kinds of store, real ones."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from callgate.store import open_store
from callgate.store.base import Store
from tests.fakes import FakeClock
from tests.postgres import Postgres, postgres

pytest.register_assert_rewrite("tests.store.contract")

type Opener = Callable[[], Awaitable[Store]]


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    # a short path: the name of a socket has no room for a long one
    with tempfile.TemporaryDirectory(prefix="pg") as folder, postgres(Path(folder)) as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "callgate.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('file')}"
    running: Postgres = request.getfixturevalue("server")
    return running.emptied()


@pytest.fixture
async def opened(url: str, clock: FakeClock) -> AsyncIterator[Opener]:
    """Open a further store on the same database; all are closed at the end."""
    stores: list[Store] = []

    async def open_another() -> Store:
        store = await open_store(url, clock=clock, instance="test", timeout_seconds=30)
        stores.append(store)
        return store

    yield open_another
    for store in stores:
        await store.close()


@pytest.fixture
async def store(opened: Opener) -> Store:
    return await opened()


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request: pytest.FixtureRequest) -> str:
    """A store of each kind that nobody has opened yet."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('file')}"
    running: Postgres = request.getfixturevalue("server")
    return running.fresh()
