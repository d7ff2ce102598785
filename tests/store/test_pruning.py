from datetime import UTC, datetime, timedelta

from sqlalchemy import create_engine, insert

from callgate.store import pruning, tables
from callgate.store.base import Record
from callgate.store.rows import record_row

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_each_chain_has_its_anchor() -> None:
    removed: list[Record] = [
        {"instance": "a", "seq": 1, "kind": "start"},
        {"instance": "b", "seq": 2, "kind": "start"},
        {"instance": "a", "seq": 3, "kind": "stop"},
    ]

    anchors = pruning.anchors(removed)

    assert [(a["instance"], a["seq"]) for a in anchors if isinstance(a, dict)] == [
        ("a", 3),
        ("b", 2),
    ]
    assert pruning.anchors(removed[:2]) != anchors
    assert pruning.anchors([]) == []


def test_newest_record_stays_however_old() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        values = [record_row({"kind": "call"}, "test", NOON) for _ in range(3)]
        connection.execute(insert(tables.records), values)

        removed = pruning.records(connection, NOON + timedelta(days=1))
        again = pruning.records(connection, NOON + timedelta(days=1))
    engine.dispose()

    assert [record["seq"] for record in removed] == [1, 2]
    assert again == []
