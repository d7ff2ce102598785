from datetime import UTC, datetime

from sqlalchemy import create_engine, insert

from callgate.store import tables
from callgate.store.pages import Pages
from callgate.store.rows import record_row


def numbers(pages: Pages) -> list[list[object]]:
    """Of three records with `seq` 1 to 3, what each page holds."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    engine = create_engine("sqlite://")
    read: list[list[object]] = []
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        values = [record_row({"kind": "call"}, "test", now) for _ in range(3)]
        connection.execute(insert(tables.records), values)
        while pages.has_more:
            read.append([record["seq"] for record in pages.next(connection)])
    engine.dispose()
    return read


def test_pages_are_in_order_and_end() -> None:
    assert numbers(Pages(0, 3, many=2)) == [[1, 2], [3]]
    assert numbers(Pages(1, 3, many=2)) == [[2, 3]]
    assert numbers(Pages(3, 3)) == []


def test_newest_come_first_when_wanted() -> None:
    assert numbers(Pages(0, 3, is_backwards=True, many=2)) == [[3, 2], [1]]


def test_records_that_are_not_settled_are_left_for_later() -> None:
    assert numbers(Pages(0, 2)) == [[1, 2]]
