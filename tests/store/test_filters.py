import pytest

from callgate.canonical import Json
from callgate.store.filters import belonging, matches
from tests.samples import decided


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("DENY", "deny"),
        ("straße", "STRASSE"),
        ("", ""),
        (403, "403"),
        (0.9, "0.9"),
        (True, "TRUE"),
        (None, "null"),
        (["a", "B"], "b"),
        ([["a"]], "a"),
    ],
)
def test_value_matches_as_text_without_case(value: Json, wanted: str) -> None:
    assert matches({"key": value}, {"key": wanted})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("DENY", "den"), ("DENY", ""), ([], ""), (["a", "b"], "a, b"), (403, "40"), (None, "")],
)
def test_other_value_does_not_match(value: Json, wanted: str) -> None:
    assert not matches({"key": value}, {"key": wanted})


def test_all_filters_must_hold() -> None:
    record: dict[str, Json] = {"a": "1", "b": "2"}

    assert matches(record, {})
    assert matches(record, {"a": "1", "b": "2"})
    assert not matches(record, {"a": "1", "b": "3"})
    assert not matches(record, {"a": "1", "c": ""})


def test_records_of_losers_are_left_out() -> None:
    won, lost = decided(), decided()
    records: list[dict[str, Json]] = [
        {"kind": "call", "trace": won.trace},
        {"kind": "call", "trace": lost.trace},
        {"kind": "coverage"},
    ]

    assert belonging(records, [won, lost], [won]) == [records[0], records[2]]
    assert belonging(records, [won, won], [won]) == records
