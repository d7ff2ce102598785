from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.policy.checks import (
    Check,
    at_least,
    at_most,
    excluded,
    matching,
    none_of,
    one_of,
    size_at_most,
    without_imports,
)
from callgate.policy.fields import Fields
from callgate.policy.truth import Truth


def truth(check: Check, arguments: Json, *, strict: bool = True) -> Truth:
    return check(Fields(arguments), strict).truth


AT_MOST = at_most(["amount"], 500)


@pytest.mark.parametrize("amount", [500, 0, -1, 499.99, 500.0])
def test_numbers_up_to_the_bound_hold(amount: float) -> None:
    assert truth(AT_MOST, {"amount": amount}) is Truth.HOLDS


@pytest.mark.parametrize("amount", [501, 500.01, 2**53])
def test_numbers_above_the_bound_fail(amount: float) -> None:
    assert truth(AT_MOST, {"amount": amount}) is Truth.FAILS


@pytest.mark.parametrize(
    "amount",
    [
        *("5", "", True, False, None, [5], [], {"value": 5}, 10**400, -(10**400), 2**53 + 1),
        *map(float, ("nan", "inf", "-inf")),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_no_plain_number_cannot_be_told(amount: Json, strict: bool) -> None:
    assert truth(AT_MOST, {"amount": amount}, strict=strict) is Truth.UNKNOWN
    assert truth(at_least(["amount"], 0), {"amount": amount}, strict=strict) is Truth.UNKNOWN


@pytest.mark.parametrize("arguments", [{}, {"order": {"amount": 5}}, {"amounts": 5}])
def test_a_missing_field_cannot_be_told(arguments: Json) -> None:
    assert truth(AT_MOST, arguments) is Truth.UNKNOWN


def test_a_second_spelling_does_not_hide_a_large_number() -> None:
    assert truth(AT_MOST, {"amount": 5, "Amount": 5000}) is Truth.FAILS


def test_numbers_below_the_least_fail() -> None:
    assert truth(at_least(["n"], 1), {"n": 0.5}) is Truth.FAILS


def test_size_counts_what_is_there_not_what_is_said() -> None:
    check = size_at_most(20)
    assert truth(check, {"size_bytes": 5, "c": "é" * 3}) is Truth.HOLDS
    assert truth(check, {"size_bytes": 5, "c": ["é" * 10]}) is Truth.FAILS
    assert truth(check, {"c": "\ud800" * 10}) is Truth.FAILS


STATUS = one_of(["status"], ["processing", "shipped"])


@pytest.mark.parametrize("status", ["shipped", ["shipped", "processing"], []])
def test_listed_values_hold(status: Json) -> None:
    assert truth(STATUS, {"status": status}) is Truth.HOLDS


@pytest.mark.parametrize(
    "status", ["Shipped", "shipped ", "refunded", ["shipped", "x"], "", 1, True]
)
def test_other_values_fail(status: Json) -> None:
    assert truth(STATUS, {"status": status}) is Truth.FAILS


@pytest.mark.parametrize("status", [None, {"shipped": 1}, [["shipped"]], [None]])
def test_values_that_are_no_scalars_cannot_be_told(status: Json) -> None:
    assert truth(STATUS, {"status": status}) is Truth.UNKNOWN


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        (1, 1, Truth.HOLDS),
        (1, 1.0, Truth.HOLDS),
        (1, True, Truth.FAILS),
        (1, "1", Truth.FAILS),
        (True, True, Truth.HOLDS),
        (True, 1, Truth.FAILS),
        (True, "true", Truth.FAILS),
        ("1", 1, Truth.HOLDS),
        ("1", 1.0, Truth.FAILS),
        (1, 10**400, Truth.UNKNOWN),
    ],
)
def test_equality_keeps_types_apart(wanted: str | int | bool, value: Json, expected: Truth) -> None:
    assert truth(one_of(["x"], [wanted]), {"x": value}) is expected


@pytest.mark.parametrize("value", ["drop", " DROP ", "ＤＲＯＰ", "DRОP", ["SELECT", "DROP"]])
def test_denied_values_are_caught_however_spelled(value: Json) -> None:
    check = one_of(["operation"], ["DROP", "DELETE"])
    assert truth(check, {"operation": value}, strict=False) is Truth.HOLDS
    blocked = none_of(["operation"], ["DROP", "DELETE"])
    assert truth(blocked, {"operation": value}) is Truth.FAILS


@pytest.mark.parametrize(("wanted", "value"), [(5, 5.0), (5, "5"), (True, "TRUE"), ("true", True)])
def test_denied_values_are_caught_whatever_their_type(wanted: int | str, value: Json) -> None:
    assert truth(one_of(["x"], [wanted]), {"x": value}, strict=False) is Truth.HOLDS


def test_values_not_blocked_hold() -> None:
    assert truth(none_of(["x"], ["a"]), {"x": ["b", "c"]}) is Truth.HOLDS
    assert truth(none_of(["x"], ["a"]), {}) is Truth.UNKNOWN


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "from os import path",
        "import ｏｓ",
        "x=1;import\tos",
        "__import__('o'+'s')",
        "importlib.import_module(n)",
        "exec(c)",
        "().__class__.__base__.__subclasses__()",
    ],
)
def test_blocked_imports_are_seen(code: str) -> None:
    assert truth(without_imports(["os"]), {"files": [{"code": code}]}) is Truth.FAILS


def test_words_that_contain_a_blocked_import_hold() -> None:
    assert truth(without_imports(["os"]), {"code": "import osmosis; cosine = 1"}) is Truth.HOLDS


def test_every_path_must_match() -> None:
    check = matching("path", "out/**", "path_pattern")
    assert truth(check, {"source_path": "out/a", "destPath": "out/b"}) is Truth.HOLDS
    assert truth(check, {"path": "out/a", "file_path": "/etc/passwd"}) is Truth.FAILS
    assert truth(check, {"paths": ["out/a", "x"]}) is Truth.FAILS
    assert truth(check, {"path": 5}) is Truth.UNKNOWN
    assert truth(check, {}) is Truth.UNKNOWN


def test_one_matching_path_is_enough_to_deny() -> None:
    check = matching("path", "/etc/**", "path_pattern")
    assert truth(check, {"path": "a", "file_path": "/etc/x"}, strict=False) is Truth.HOLDS


def test_short_names_are_not_taken_for_endings_of_longer_ones() -> None:
    check = matching("to", "*@example.com", "to_pattern")
    assert truth(check, {"to": "a@example.com", "photo": "x"}) is Truth.HOLDS


def test_a_bad_glob_is_named_with_its_constraint() -> None:
    with pytest.raises(ValueError, match="the glob of `path_pattern` has a"):
        matching("path", "[", "path_pattern")


def test_exclusion_looks_where_the_pattern_beside_it_looks() -> None:
    check = excluded("**/.env|*.pem", ["path_pattern"])
    assert truth(check, {"path": "src/a", "text": ".env"}) is Truth.HOLDS
    assert truth(check, {"path": "src/.ENV"}) is Truth.FAILS
    assert truth(check, {"text": "x"}) is Truth.UNKNOWN


def test_exclusion_alone_looks_everywhere() -> None:
    check = excluded("**/.env", [])
    assert truth(check, {"a": ["x/.env"]}) is Truth.FAILS
    assert truth(check, {"a": "x"}) is Truth.HOLDS
    assert truth(check, {}) is Truth.HOLDS


def test_exclusion_in_a_denying_rule_exempts_only_what_plainly_matches() -> None:
    check = excluded("docs/**", ["path_pattern"])
    assert truth(check, {"path": "docs/a"}, strict=False) is Truth.FAILS
    assert truth(check, {"path": "docs/../a"}, strict=False) is Truth.HOLDS
