from __future__ import annotations

import re

import pytest

from callgate.policy.condition import VARIABLES, Condition, ConditionError
from callgate.policy.truth import Truth


def truth(source: str, args: object) -> Truth:
    variables = {**dict.fromkeys(VARIABLES, ""), "tool": "run_sql", "args": args}
    return Condition.compile(source).holds(variables).truth


@pytest.mark.parametrize(
    ("source", "args", "expected"),
    [
        ('args.database == "prod"', {"database": "prod"}, Truth.HOLDS),
        ('args.database == "prod"', {"database": "test"}, Truth.FAILS),
        ('tool == "run_sql" && assistant == ""', {}, Truth.HOLDS),
        ("has(args.x) && args.x > 5", {}, Truth.FAILS),
        ("args.items.exists(i, i.price > 5)", {"items": [{"price": 6}]}, Truth.HOLDS),
        ('args.x.matches("(?i)^drop")', {"x": "DROP t"}, Truth.HOLDS),
        ("args[0] == 1", [1], Truth.HOLDS),
        ("size(args) == 0", {}, Truth.HOLDS),
    ],
)
def test_expressions_see_the_call(source: str, args: object, expected: Truth) -> None:
    assert truth(source, args) is expected


@pytest.mark.parametrize(
    ("source", "args"),
    [
        ("args.x > 5", {}),
        ("args.x > 5", {"x": "6"}),
        ("args.x > 5", None),
        ("args.x", {"x": 1}),
        ("args.x > 5", {"x": 10**400}),
        ("args.x == 'a'", {"x": "\ud800"}),
        ("args.x / 0 > 1", {"x": 1}),
        ("args.x + 9223372036854775807 > 0", {"x": 1}),
        ("args.x.matches('(')", {"x": "a"}),
    ],
)
def test_what_cannot_be_evaluated_is_unknown(source: str, args: object) -> None:
    assert truth(source, args) is Truth.UNKNOWN


def test_the_reason_never_quotes_an_argument() -> None:
    condition = Condition.compile("args.x > 5")
    variables = {**dict.fromkeys(VARIABLES, ""), "args": {"x": "hunter2"}}
    assert "hunter2" not in condition.holds(variables).why


@pytest.mark.parametrize(
    ("source", "line", "column", "word"),
    [
        ("args.x ==", 1, 10, "EOF"),
        ('args.x == "a" &&\n  (', 2, 4, "EOF"),
        ("foo.bar == 1", 1, 1, "unknown variable `foo`"),
        ("args.x == 1 ||\n foo", 2, 2, "unknown variable `foo`"),
        ("nosuch(args.x)", 1, 1, "unknown function `nosuch()`"),
        ("", 1, 1, "EOF"),
        ('args.x == "\ud800"', 1, 1, "not a CEL expression"),
    ],
)
def test_faults_have_their_place(source: str, line: int, column: int, word: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(word)) as caught:
        Condition.compile(source)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_condition_knows_whether_it_needs_arguments() -> None:
    assert Condition.compile("has(args.x)").needs_arguments
    assert not Condition.compile('assistant == "a"').needs_arguments
