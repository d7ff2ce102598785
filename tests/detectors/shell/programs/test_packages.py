from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of
from callgate.detectors.shell.programs.base import Danger


def judge(line: str) -> Danger | None:
    program, *arguments = shlex.split(line)
    return danger_of(program, arguments)


HARM = r"""
REMOVE_PACKAGE          apt-get remove -y --purge libc6
REMOVE_PACKAGE          yum remove kernel
REMOVE_PACKAGE          rpm -e --nodeps foo
REMOVE_PACKAGE          pacman -Rdd foo
REMOVE_PACKAGE          pip uninstall -y requests
UNPUBLISH_PACKAGE       npm unpublish x
UNPUBLISH_PACKAGE       cargo owner remove x
PUBLISH_PACKAGE         npm publish
PUBLISH_PACKAGE         twine upload dist/x
"""

QUIET = r"""
apt install libc6
apt-get remove cowsay
apt-get remove --dry-run libc6
npm publish --dry-run
npm install
pip uninstall requests
npm
"""


@pytest.mark.parametrize("line", HARM.strip().splitlines())
def test_harm_by_package_managers_is_found(line: str) -> None:
    kind, words = line.split(maxsplit=1)
    danger = judge(words)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize("line", QUIET.strip().splitlines())
def test_everyday_work_is_not_found(line: str) -> None:
    assert judge(line) is None
