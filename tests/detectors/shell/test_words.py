from __future__ import annotations

import pytest

from callgate.detectors.shell.bash import parse
from callgate.detectors.shell.words import braced


def words(text: str) -> list[list[str]]:
    return [command.words for command in parse(text).commands]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a", ["a"]),
        ("a{b,c}d", ["abd", "acd"]),
        ("{a,b}{c,d}", ["ac", "ad", "bc", "bd"]),
        ("{1..3}", ["1", "2", "3"]),
        ("{c..a}", ["a", "b", "c"]),
        ("{a}", ["{a}"]),
        ("{,}", []),
        ("{a,b}" * 9, ["{a,b}" * 9]),
    ],
)
def test_braces_are_expanded_within_bounds(word: str, expected: list[str]) -> None:
    found = braced(word)
    assert found == expected or (len(found) <= 64 and "{" in word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r{m,mdir} x", ["rm", "rmdir", "x"]),
        ("'{a,b}'", ["{a,b}"]),
        ('a=(x "y z"); "${a[@]}"', ["x", "y", "z"]),
        ("a=(r \\  m); ${a[0]}${a[2]}", ["rm"]),
        ("a=(r \\  # it's\n m); $a", ["r"]),
        ("a=(r \\  $'m'); $a", ["r"]),
        ("IFS=,; x=rm,-rf; $x", ["rm", "-rf"]),
        ("x=1; y=b; echo $((x + 1)) $((y * 2))", ["echo", "2", "$((y * 2))"]),
        ("$'\\x72m' x", ["rm", "x"]),
        ('echo "a\\$b\\q"', ["echo", "a$b\\q"]),
        ('$"rm" x', ["rm", "x"]),
        ("w$@ho${@#x}ami$*", ["whoami"]),
        ('r"$x"m', ["r$xm"]),
        ("'$'x y", ["$x", "y"]),
    ],
)
def test_words_are_what_the_shell_makes_of_them(text: str, expected: list[str]) -> None:
    assert words(text)[-1] == expected


def test_words_nested_too_deeply_are_told() -> None:
    assert parse('"$(' * 200 + "a" + ')"' * 200).is_too_deep
