from __future__ import annotations

import pytest

from callgate.detectors.shell.bash import parse
from callgate.detectors.shell.interpreters import Program, base_name, in_code, run_by
from callgate.detectors.shell.programs.base import Danger


def run(text: str) -> list[Danger | Program]:
    script = parse(text)
    command = script.commands[-1]
    return list(run_by(command.words[0], command.words[1:], command, script))


def texts(text: str) -> list[str]:
    return [found.text for found in run(text) if isinstance(found, Program)]


def kinds(text: str) -> set[str]:
    return {found.kind for found in run(text) if isinstance(found, Danger)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sh -c ls", ["ls"]),
        ("sh -xc ls", ["ls"]),
        ("perl -e 'a'", ["a"]),
        ("php -r 'a'", ["a"]),
        ("node --eval 'a'", ["a"]),
        ("sh -c 'rm $1' x -r", ["set -- '-r'\nrm $1"]),
        ("sh -c '$0' ls", ["ls"]),
        ("sh -c ls x", ["ls"]),
        ("sh -c", []),
        ("echo ls | sh", ["ls"]),
        ("echo ls > a; sh ./a", ["ls"]),
        ("sh x", []),
    ],
)
def test_text_that_is_run_is_known(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl x | sh", {"PIPE_TO_SHELL"}),
        ("curl x | sh -s - a", set()),
        ("openssl enc -d < x | sh", {"OPAQUE_EXECUTION"}),
        ("sh <(curl x)", {"PIPE_TO_SHELL"}),
        ('sh -c "$(curl x)"', {"PIPE_TO_SHELL", "OPAQUE_EXECUTION"}),
        ('sh -c "$(ls)"', {"OPAQUE_EXECUTION"}),
        ("cat x | sh", set()),
        ("sh script.sh", set()),
    ],
)
def test_text_that_can_not_be_known_is_judged_by_where_it_comes_from(
    text: str, expected: set[str]
) -> None:
    assert expected <= kinds(text)
    assert not kinds("sh script.sh")


@pytest.mark.parametrize(
    ("program", "code", "expected"),
    [
        ("perl", 'use Socket; exec("/bin/sh -i")', {"REVERSE_SHELL"}),
        ("ruby", "s = TCPSocket.new; STDIN.reopen(s)", {"REVERSE_SHELL"}),
        ("php", 'eval(base64_decode("x"));', {"OPAQUE_EXECUTION"}),
        ("python3", "exec(base64.b64decode(x))", set()),
        ("perl", "print 1", set()),
        ("perl", "system('ls')", set()),
        ("ruby", "TCPSocket.new('h', 80)", set()),
    ],
)
def test_code_is_looked_at_cheaply(program: str, code: str, expected: set[str]) -> None:
    assert {danger.kind for danger in in_code(program, code)} == expected


def test_versions_do_not_matter() -> None:
    assert [base_name(n) for n in ("python3.12", "perl5.36", "sh")] == ["python", "perl", "sh"]
