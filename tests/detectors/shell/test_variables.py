from __future__ import annotations

import pytest

from callgate.detectors.shell.variables import MAX_EXPANDED, Variables


@pytest.fixture
def variables() -> Variables:
    known = Variables()
    known.assign("x", "Ab-cd.tar")
    known.assign("i", "1")
    known.assign("name", "x")
    known.assign("empty", "")
    known.assign_list("a", ["r", "m", "[5]=z"])
    return known


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("$x", "Ab-cd.tar"),
        ("${x,,}", "ab-cd.tar"),
        ("${x^^}", "AB-CD.TAR"),
        ("${x,^}", "aB-CD.TAR"),
        ("${x,}", "ab-cd.tar"),
        ("${i^}", "1"),
        ("${x@u}", "Ab-cd.tar"),
        ("${x@L}", "ab-cd.tar"),
        ("${x@U}", "AB-CD.TAR"),
        ("${x@E}", "Ab-cd.tar"),
        ("${x:1:2}", "b-"),
        ("${x: -3}", "tar"),
        ("${x:$i:1}", "b"),
        ("${x:oops$:1}", None),
        ("${x:0:oops$}", None),
        ("${x#*-}", "cd.tar"),
        ("${x##*?c}", "d.tar"),
        ("${x#q}", "Ab-cd.tar"),
        ("${x%.*}", "Ab-cd"),
        ("${x%%-*}", "Ab"),
        ("${x%q}", "Ab-cd.tar"),
        ("${x/b/x}", "Ax-cd.tar"),
        ("${x//[a.]/}", "Ab-cd.tar"),
        ("${x//a}", "Ab-cd.tr"),
        ("${x/#Ab/}", "-cd.tar"),
        ("${x/%tar/}", "Ab-cd."),
        ("${x//}", "Ab-cd.tar"),
        ("${#x}", "9"),
        ("${#unset}", None),
        ("${!name}", "Ab-cd.tar"),
        ("${!unset}", None),
        ("${a[0]}${a}", None),
        ("${a[0]}", "r"),
        ("${a[$i]}", "m"),
        ("${a[@]}", "r m z"),
        ("${a[5]}", "z"),
        ("${a[9]}", ""),
        ("$a", "r"),
        ("${x[0]}", "Ab-cd.tar"),
        ("${x[1]}", None),
        ("${unset:-rm}", "rm"),
        ("${unset-'r'm}", "rm"),
        ("${unset:-$(id)}", None),
        ("${unset:?gone}", None),
        ("${x:-rm}", "Ab-cd.tar"),
        ("${x:+rm}", "rm"),
        ("${unset:+rm}", None),
        ("${empty:-rm}", "rm"),
        ("${unset%x}", None),
        ("${x@Q}", None),
        ("${x%" + "y" * 600 + "}", None),
        ("${HOME:0:1}", "/"),
        ("$HOME", None),
        ("${PATH:0:1}", "/"),
        ("$SHELL", "/bin/bash"),
        ("$0", "bash"),
        ("$@", ""),
        ("$#", "0"),
        ("$1", ""),
        ("${@:1}", ""),
        ("not one", None),
    ],
)
def test_expansion_is_what_the_shell_makes_of_it(
    variables: Variables, raw: str, value: str | None
) -> None:
    assert variables.expand(raw) == value


def test_default_is_assigned_where_asked_for(variables: Variables) -> None:
    assert variables.expand("${new:=rm}") == "rm"
    assert variables.expand("$new") == "rm"


def test_positional_parameters_are_what_was_set(variables: Variables) -> None:
    variables.positional = ["a", "b", "c"]
    assert [variables.expand(raw) for raw in ("$2", "$9", "$*", "$#", "${@:2}", "${@:2:1}")] == [
        "b",
        "",
        "a b c",
        "3",
        "b c",
        "b",
    ]


def test_assignments_add_replace_and_end(variables: Variables) -> None:
    variables.assign("i", "2", is_added=True)
    variables.assign("a", "s", "1")
    variables.assign("fresh", "v", "'key'")
    variables.assign_list("a", ["t"], is_added=True)
    assert variables.expand("$i") == "12"
    assert variables.expand("${a[1]}") == "s"
    assert variables.expand("${fresh[key]}") == "v"
    assert variables.expand("${a[3]}") == "t"
    variables.unset("a")
    assert variables.expand("$a") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-(2) + +3", 1),
        ("~0", -1),
        ("16#ff", 255),
        ("99#1", None),
        ("2#9", None),
        ("010", 8),
        ("i + 1", 2),
        ("$i+${i}", 2),
        ("x", None),
        ("empty + 1", 1),
        ("1 << 9999", 1 << 64),
        ("7 % 4 ^ 1 | 8 & 12 >> 1", 2),
        ("1 / 0", None),
        ("1 << -1", None),
        ("2 ** 9", None),
        ("1.5", None),
        ("(" * 150, None),
        ("1" * 300, None),
    ],
)
def test_arithmetic_is_worked_out(variables: Variables, text: str, value: int | None) -> None:
    assert variables.number(text) == value


def test_growth_is_bounded() -> None:
    variables = Variables()
    variables.assign("x", "x" * 100_000)
    for _ in range(MAX_EXPANDED // 100_000 + 1):
        variables.expand("$x")
    assert variables.is_exhausted
    assert variables.expand("$x") is None


def test_long_values_are_not_worked_on() -> None:
    variables = Variables()
    variables.assign("x", "x" * 100_001)
    assert variables.expand("${x%x}") is None
