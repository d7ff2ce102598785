from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.policy.fields import Fields, both_numbers, normal


@pytest.mark.parametrize("name", ["order_id", "orderId", "ORDER-ID", "OrderID", "order__Id"])
def test_spellings_of_one_field_are_one(name: str) -> None:
    assert normal(name) == "orderid"


def test_every_spelling_given_counts() -> None:
    fields = Fields({"amount": 1, "Amount": 2, "AMOUNT": 3, "other": 4})
    assert fields.values(["amount"]) == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "has_two"),
    [
        ({"a": 1, "A": 2}, True),
        ({"list": [{"x": {"name": 1, "NAME": 1}}]}, True),
        ({"size": 1, "\u017fize": 2}, True),
        ({"a": {"b": 1}, "c": {"B": 2}}, False),
        (["a", "A"], False),
        (None, False),
    ],
)
def test_fields_that_differ_in_case_only_have_two_readings(arguments: Json, has_two: bool) -> None:
    assert Fields(arguments).has_two_readings() is has_two


def test_fields_are_found_by_ending() -> None:
    fields = Fields({"file_path": "a", "sourcePath": "b", "pathology": "c"})
    assert fields.ending_in(("path",)) == ["a", "b"]


@pytest.mark.parametrize("arguments", [None, 5, "amount", ["amount"], True])
def test_what_is_no_object_has_no_fields(arguments: Json) -> None:
    assert Fields(arguments).values(["amount"]) == []


def test_strings_are_found_at_any_depth_with_keys() -> None:
    assert set(Fields({"a": ["b", {"c": "d"}], "e": 1}).strings()) == {"a", "b", "c", "d", "e"}


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("statuses", "status"),
        ("currencies", "currency"),
        ("recipients", "recipient"),
        ("boxes", "box"),
        ("status", "status"),
        ("status", "statuses"),
        ("category", "categories"),
    ],
)
def test_plural_and_singular_name_one_field(plural: str, singular: str) -> None:
    assert singular in both_numbers(plural)
