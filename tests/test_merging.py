"""Two redactions as one: nothing stays that either takes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.canonical import Json
from callgate.merging import REDACTED, merged


@pytest.mark.parametrize(
    ("original", "one", "other", "both"),
    [
        ({"a": 1, "b": 2}, {"a": "[A]", "b": 2}, {"a": 1, "b": "[B]"}, {"a": "[A]", "b": "[B]"}),
        ({"a": "x"}, {"a": "[A]"}, {"a": "***"}, {"a": REDACTED}),
        ({"a": "x"}, {"a": "[A]"}, {"a": "[A]"}, {"a": "[A]"}),
        ({"a": "x", "b": 1}, {"b": 1}, {"a": "[A]", "b": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "new": 2}, {"a": 1}, {"a": 1}),
        (["x", ["y"]], ["[A]", ["y"]], ["x", ["[B]"]], ["[A]", ["[B]"]]),
        (["x", "y"], ["x"], ["x", "y"], ["x"]),
        (["x", "y"], ["x", "y"], ["y"], ["y"]),
        (["x", "y"], ["x"], ["y"], REDACTED),
        ({"a": 1}, {"a": True}, {"a": 1}, {"a": True}),
        ({"a": {"b": "x"}}, {"a": "[A]"}, {"a": {"b": "[B]"}}, {"a": REDACTED}),
        ("x", "[A]", "x", "[A]"),
    ],
)  # fmt: skip
def test_each_value_is_taken_from_who_changed_it(
    original: Json, one: Json, other: Json, both: Json
) -> None:
    assert merged(original, one, other) == both


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values, values)
def test_whoever_changes_nothing_has_no_say(original: Json, one: Json) -> None:
    if isinstance(original, dict) and isinstance(one, dict):
        one = {key: one.get(key, value) for key, value in original.items()}

    assert repr(merged(original, original, original)) == repr(original)
    assert repr(merged(original, one, one)) == repr(one)
