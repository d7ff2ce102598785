from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from callgate.canonical import Json
from callgate.store.tables import AnyText, JsonText, Moment, metadata, timestamp

DIALECT = sqlite.dialect()
POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # has no types


@pytest.mark.parametrize("text", ["plain", "Ω", "nul\x00", "lone\ud800", "\\ud800", '"', ""])
def test_any_text_survives_as_ascii(text: str) -> None:
    stored = AnyText().process_bind_param(text, DIALECT)

    assert stored is not None
    assert stored.isascii()
    assert stored.isprintable()
    assert AnyText().process_result_value(stored, DIALECT) == text


def test_different_texts_are_stored_differently() -> None:
    texts = ["\ud800", "\\ud800", "ud800", "\\\\ud800"]

    assert len({AnyText().process_bind_param(text, DIALECT) for text in texts}) == len(texts)


def test_absent_values_stay_absent() -> None:
    assert AnyText().process_bind_param(None, DIALECT) is None
    assert AnyText().process_result_value(None, DIALECT) is None
    assert Moment().process_bind_param(None, DIALECT) is None
    assert Moment().process_result_value(None, DIALECT) is None
    assert JsonText().process_result_value(None, DIALECT) is None


@pytest.mark.parametrize("value", [{"a": [1, 0.1, None, True]}, ["\ud800", "\x00"], 2**70])
def test_json_survives(value: Json) -> None:
    stored = JsonText().process_bind_param(value, DIALECT)

    assert stored.isascii()
    assert JsonText().process_result_value(stored, DIALECT) == value


def test_json_without_a_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="JSON"):
        JsonText().process_bind_param(float("nan"), DIALECT)


def test_timestamps_are_utc_and_sort_as_text() -> None:
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    elsewhere = noon.astimezone(timezone(timedelta(hours=-9, minutes=-30)))

    assert timestamp(noon) == timestamp(elsewhere) == "2030-01-01T12:00:00.000000Z"
    assert timestamp(noon) < timestamp(noon + timedelta(microseconds=1))
    assert Moment().process_result_value(timestamp(elsewhere), DIALECT) == noon


def test_schema_can_be_made_in_postgresql() -> None:
    for table in metadata.sorted_tables:
        CreateTable(table).compile(dialect=POSTGRESQL)
        for index in table.indexes:
            assert CreateIndex(index).compile(dialect=POSTGRESQL)


def test_nothing_of_unlimited_length_is_indexed() -> None:
    # a B-tree entry of PostgreSQL has 2704 bytes at most
    names = {c.name for t in metadata.sorted_tables for i in t.indexes for c in i.columns}

    # (an instance that has chains is a short name of Callgate's own)
    assert names == {
        "scope_key",
        "id_key",
        "seq",
        "state",
        "at",
        "instance",
        "number",
        "good_until",
    }
