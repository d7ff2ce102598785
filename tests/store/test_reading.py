"""What reading bounds; that it finds what is wanted is the contract of every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callgate.store import open_store, reading
from callgate.store.base import Search, Store
from tests.store.contract import record


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(f"sqlite:///{tmp_path}/callgate.db")
    yield store
    await store.close()


async def test_search_that_finds_nothing_looks_at_a_bounded_number_and_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_LOOKED_AT", 10)
    monkeypatch.setattr(reading, "_PER_QUERY", 5)
    await store.append([record("wanted", tool="é")])
    await store.append([record(str(n)) for n in range(15)])
    # not ASCII: the database can not narrow this down
    wanted = Search(filters={"tool": "É"})

    first = await store.search(wanted, 5)
    assert first.records == []
    second = await store.search(Search(filters=wanted.filters, before=first.older), 5)

    assert [found["trace"] for found in second.records] == ["wanted"]
    assert second.older is None


async def test_database_rules_out_most_records(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_LOOKED_AT", 10)
    await store.append([record("wanted", tool="pay")])
    await store.append([record(str(n), tool="look") for n in range(50)])

    page = await store.search(Search(filters={"tool": "Pay"}), 5)

    assert [found["trace"] for found in page.records] == ["wanted"]
