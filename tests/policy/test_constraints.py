from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.policy.constraints import KNOWN_FORMS, compile_constraint
from callgate.policy.fields import Fields
from callgate.policy.truth import Truth


def truth(name: str, wanted: Json, arguments: Json, *, strict: bool = True) -> Truth:
    return compile_constraint(name, wanted).test(Fields(arguments), strict=strict).truth


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("max-amount", 5),
        ("max_amount", "5"),
        ("max_amount", True),
        ("max_amount", None),
        ("max_amount", float("nan")),
        ("max_amount", float("inf")),
        ("max_amount", [5]),
        ("max", 5),
        ("min", 5),
        ("date_range_max_days", "90"),
        ("date_range_days", 90),
        ("daterange_max_days", 90),
        ("allow_statuses", "a"),
        ("deny_statuses", "a"),
        ("allowed_statuses", None),
        ("allowed_statuses", []),
        ("allowed_statuses", "a||b"),
        ("allowed_statuses", ["a", None]),
        ("allowed_statuses", {"a": 1}),
        ("path_patterns", "a"),
        ("path_regex", "a"),
        ("path_pattern", 5),
        ("path_pattern", ["a"]),
        ("path_pattern", "["),
        ("path_pattern", ""),
        ("exclude_pattern", "["),
        ("amount_max", 5),
        ("rate_limit", 5),
        ("max_per_minute", 5),
        ("operation", None),
        ("", "a"),
        ("ä", "a"),
    ],
)
def test_bad_constraints_are_refused(name: str, wanted: Json) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compile_constraint(name, wanted)


def test_an_unknown_form_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="known forms") as caught:
        compile_constraint("allow_statuses", "a")
    assert KNOWN_FORMS in str(caught.value)
    assert "allowed_…" in str(caught.value)


@pytest.mark.parametrize("arguments", [None, 5, "x", [], True])
def test_arguments_that_are_no_object_cannot_be_told(arguments: Json) -> None:
    for strict in (True, False):
        assert truth("max_amount", 5, arguments, strict=strict) is Truth.UNKNOWN
        assert truth("max_size_bytes", 5, arguments, strict=strict) is Truth.UNKNOWN


def test_the_reason_names_the_constraint() -> None:
    outcome = compile_constraint("max_amount", 5).test(Fields({"amount": 6}), strict=True)
    assert outcome.why == "`max_amount`: the field is more than 5"


@pytest.mark.parametrize(
    ("name", "wanted", "arguments"),
    [
        ("max_amount", 5, {"amount": 5}),
        ("min_amount", 5, {"amount": 5}),
        ("max_results", 5, {"max_results": 5}),
        ("timeout_ms", 30000, {"timeout_ms": 100}),
        ("max_size_bytes", 100, {"content": "x" * 50}),
        ("date_range_max_days", 1, {"start": "2026-01-01", "end": "2026-01-02"}),
        ("blocked_imports", ["os"], {"code": "import math"}),
        ("exclude_pattern", "**/.env", {"anything": "a/b"}),
        ("path_pattern", "a/**", {"path": "a/b"}),
        ("allowed_statuses", "a|b", {"status": "b"}),
        ("blocked_statuses", "a|b", {"status": "c"}),
        ("operation", "SELECT|SHOW", {"operation": "SHOW"}),
        ("sandbox", True, {"sandbox": True}),
        ("fields", "name|email", {"fields": ["email", "name"]}),
    ],
)
def test_every_known_form_can_hold(name: str, wanted: Json, arguments: Json) -> None:
    assert truth(name, wanted, arguments) is Truth.HOLDS
