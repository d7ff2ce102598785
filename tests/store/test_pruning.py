from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, insert

from callgate.audit.keys import Key
from callgate.audit.ledger import Ledger
from callgate.store import open_store, pruning, tables
from callgate.store.base import Store
from callgate.store.rows import record_row
from tests.audit.bundles import FIRST, SECOND, home
from tests.fakes import FakeClock

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_newest_record_stays_however_old() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        values = [record_row({"kind": "call"}, "test", NOON) for _ in range(3)]
        connection.execute(insert(tables.records), values)

        removed = pruning.records(connection, NOON + timedelta(days=1), None)
        again = pruning.records(connection, NOON + timedelta(days=1), None)
    engine.dispose()

    assert (removed, again) == (2, 0)


async def test_proxy_removes_its_own_records_only(tmp_path: Path) -> None:
    clock, url = FakeClock(), f"sqlite:///{tmp_path}/callgate.db"

    async def opened(name: str, key: Key) -> Store:
        ledger = Ledger(home(tmp_path / name, key, name=name), clock)
        return await open_store(url, clock=clock, chain=ledger)

    mine, other = await opened("mine", FIRST), await opened("other", SECOND)
    for store in (mine, other, mine):
        await store.append([{"kind": "call"}])
    clock.advance(100)
    await mine.append([{"kind": "call"}])

    assert await mine.prune(clock())
    anchors = {chain.instance.split("-")[0]: chain.anchor for chain in await mine.chains()}
    numbers = [line.number for line in await mine.lines()]
    await mine.close()
    await other.close()

    assert numbers == [1, 3, 4]
    assert anchors["other"] is None
    assert anchors["mine"]
