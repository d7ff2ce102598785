from __future__ import annotations

import pytest

from callgate.detectors.shell.editing import EDITORS


@pytest.mark.parametrize(
    ("words", "stdin", "output"),
    [
        (["cut", "-c2-"], "xrm\nyab", "rm\nab"),
        (["cut", "-c", "1,3"], "abc", "ac"),
        (["cut", "-d,", "-f2"], "a,b,c", "b"),
        (["cut", "-f1-2"], "a\tb\tc", "a\tb"),
        (["cut", "-f1", "-d", ""], "abc", "abc"),
        (["cut", "-cx"], "abc", None),
        (["cut"], "abc", None),
        (["head", "-n", "1"], "a\nb", "a"),
        (["head", "-1"], "a\nb", "a"),
        (["head"], "a\nb", "a\nb"),
        (["head", "-c3"], "abcd", "abc"),
        (["head", "-nx"], "a", None),
        (["tail", "-c", "+2"], "xab", "ab"),
        (["tail", "-n1"], "a\nb\n", "b"),
        (["tail"], "a", "a"),
        (["tail", "-nx"], "a", None),
        (["tac"], "a\nb\n", "b\na"),
        (["sed", "s/X/r/"], "Xm X\nX", "rm X\nr"),
        (["sed", "-e", "s/X/r/g;s/m/q/"], "Xm X", "rq r"),
        (["sed", r"s/\(a\)b/\1c&\n\9/"], "ab", "acab\n"),
        (["sed", "-E", "s/(a)(b)?/[\\2]\\0/"], "a", "[]a"),
        (["sed", "s/(/x/"], "(", "x"),
        (["sed", "s/A/x/i"], "a", "x"),
        (["sed", "y/ab/cd/"], "abe", "cde"),
        (["sed", "-E", "s/(/x/"], "(", None),
        (["sed", "p"], "x", None),
        (["sed"], "x", None),
        (["sed", "s/a/" + "b" * 2000 + "/"], "a", None),
    ],
)
def test_output_is_worked_out_or_unknown(words: list[str], stdin: str, output: str | None) -> None:
    assert EDITORS[words[0]](words[1:], stdin) == output
