from __future__ import annotations

import pytest

from callgate.detectors.shell.assigning import assign, counted
from callgate.detectors.shell.variables import Variables


@pytest.mark.parametrize(
    ("words", "stdin", "raw", "value"),
    [
        (["set", "--", "a", "b"], None, "$2", "b"),
        (["printf", "-v", "x", "%s", "a"], None, "$x", "a"),
        (["printf", "-v", "x"], None, "$x", None),
        (["read", "x"], "a b\nc", "$x", "a b"),
        (["read", "-r", "-p", "q", "x", "y", "z"], "a b", "$y$z", None),
        (["read", "-r", "x", "y"], "a b c", "$y", "b c"),
        (["read", "x", "y"], "a", "$y", ""),
        (["read"], "a", "$REPLY", "a"),
        (["read", "-ra", "x"], "a b", "${x[1]}", "b"),
        (["read", "-a"], "a b", "$REPLY", "a b"),
        (["read", "x"], None, "$x", None),
        (["mapfile", "-t", "x"], "a\nb", "${x[1]}", "b"),
        (["readarray"], "a", "$x", None),
        (["echo", "x"], "a", "$x", None),
    ],
)
def test_variables_are_set(
    words: list[str], stdin: str | None, raw: str, value: str | None
) -> None:
    variables = Variables()
    assign(words, stdin, variables)
    assert variables.expand(raw) == value


def test_shift_and_unset_take_away() -> None:
    variables = Variables()
    assign(["shift"], None, variables)
    assert variables.positional == []
    assign(["set", "--", "a", "b"], None, variables)
    assign(["shift"], None, variables)
    assert variables.positional == ["b"]
    variables.assign("x", "a")
    assign(["unset", "x", "y"], None, variables)
    assert variables.expand("$x") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for ((i=0;i<3;i++)); do", ("i", ["0", "1", "2"])),
        ("for (( i = 0; i <= 2; i+=2 ))", ("i", ["0", "2"])),
        ("for ((i=${#x}-1;i>=0;i--))", ("i", ["2", "1", "0"])),
        ("for ((i=4;i>0;i-=3))", ("i", ["4", "1"])),
        ("for ((i=0;i<$n;i++))", ("", [])),
        ("for ((i=0;i<3;i+=0))", ("", [])),
        ("for ((;;))", ("", [])),
    ],
)
def test_counted_loop_is_counted(text: str, expected: tuple[str, list[str]]) -> None:
    variables = Variables()
    variables.assign("x", "abc")
    assert counted(text.replace("${#x}-1", "2"), variables) == expected


def test_length_of_a_variable_ends_a_loop_and_rounds_are_bounded() -> None:
    variables = Variables()
    variables.assign("x", "ab")
    assert counted("((i=0;i<${#x};i++))", variables) == ("i", ["0", "1"])
    assert len(counted("((i=0;i<1000000000;i++))", variables)[1]) == 1000
