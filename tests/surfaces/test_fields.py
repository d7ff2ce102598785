"""Fields of items: what is text, what is JSON, and what is neither."""

from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces import fields


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"b": 1,  "a": 2}', '{"b": 1,  "a": 2}'),
        ("", ""),
        (None, ""),
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        (10**30, "1" + "0" * 30),  # no canonical form: more than a double holds
    ],
)
def test_arguments_are_the_text_that_was_told_or_canonical_json(value: Json, text: str) -> None:
    assert fields.arguments_text(value) == text


@pytest.mark.parametrize("text", ["", "{", '{"a":1,"a":2}', "NaN"])
def test_arguments_that_are_not_one_json_value_are_refused(text: str) -> None:
    with pytest.raises(BodyError, match="must be JSON"):
        fields.arguments_in(text)


@pytest.mark.parametrize("text", ["[]", '"a"', "null"])
def test_arguments_of_a_call_with_a_field_for_each_are_an_object(text: str) -> None:
    assert fields.arguments_in(text) != {}
    assert fields.parts_in('{"a": 1}') == {"a": 1}
    with pytest.raises(BodyError, match="must be an object"):
        fields.parts_in(text)


@pytest.mark.parametrize("value", [1, {}, [], False])
def test_field_of_another_type_is_refused(value: Json) -> None:
    assert fields.text_of({"name": None}, "name") == fields.text_of({}, "name") == ""
    with pytest.raises(BodyError, match="the name of a tool call must be a string"):
        fields.text_of({"name": value}, "name")


def test_known_key_in_other_letters_is_refused_and_an_unknown_one_is_not() -> None:
    known = frozenset(("call_id", "name"))
    fields.refuse_odd_keys({"call_id": "c", "Other": 1}, known, "an item")
    with pytest.raises(BodyError, match="an item has a field 'Call_ID'"):
        fields.refuse_odd_keys({"Call_ID": "c"}, known, "an item")


def test_made_id_is_told_by_its_source_whatever_that_is() -> None:
    assert (
        fields.made_id("msg", "a") == fields.made_id("msg", b"a") == "msg_callgate_ca978112ca1bbdca"
    )
    assert fields.made_id("msg", "\ud800").startswith("msg_callgate_")
