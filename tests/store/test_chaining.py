"""Chains in a SQL database; what they promise is in tests/audit/test_ledger.py."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from callgate.audit.ledger import Ledger
from callgate.errors import StoreError
from callgate.store import open_store
from tests.audit.bundles import FIRST, home
from tests.fakes import FakeClock
from tests.store.direct import cut


def ledger(folder: Path) -> Ledger:
    return Ledger(home(folder / "keys", FIRST), FakeClock())


async def test_sealed_records_are_read_as_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    plain = await open_store(url, instance="plain")
    sealing = await open_store(url, chain=ledger(tmp_path))
    for store in (plain, sealing):
        await store.append([{"kind": "call", "tool": "é", "risk": 0.5}])

    first, second = await plain.records(filters={"tool": "é"})
    lines = await plain.lines()
    await plain.close()
    await sealing.close()

    assert (first["risk"], first["instance"], "number" in first) == (0.5, "plain", False)
    assert (second["risk"], second["number"]) == (0.5, 1)
    assert [line.instance for line in lines] == [second["instance"]]


async def test_store_without_a_chain_has_none(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/a.db")

    assert await store.chains() == []
    await store.close()


async def test_failed_job_leaves_no_gap(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/a.db", chain=ledger(tmp_path))
    await store.append([{"kind": "a"}])
    with pytest.raises(StoreError):
        await store.append([{"kind": "b", "call": "\ud800"}])
    await store.append([{"kind": "c"}])
    lines = await store.lines()
    await store.close()

    assert [line.number for line in lines] == [1, 2]


async def test_cut_refuses_a_log_that_has_a_hole(tmp_path: Path) -> None:
    chain = ledger(tmp_path)
    store = await open_store(f"sqlite:///{tmp_path}/a.db", chain=chain)
    await store.append([{"kind": str(n)} for n in range(5)])
    with closing(connect(tmp_path / "a.db")) as database, database:
        database.execute("DELETE FROM records WHERE number = 3")

    with pytest.raises(StoreError, match=r"record 3 of chain .* is gone or damaged"):
        cut(tmp_path / "a.db", chain, 2)
    assert len(await store.lines()) == 4
    await store.close()


async def test_damaged_line_is_an_error(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/a.db", chain=ledger(tmp_path))
    await store.append([{"kind": "a"}])
    with closing(connect(tmp_path / "a.db")) as database, database:
        database.execute("UPDATE records SET line = '[]'")

    with pytest.raises(StoreError, match="damaged"):
        await store.records()
    await store.close()
