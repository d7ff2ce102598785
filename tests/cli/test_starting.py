"""What a command costs before it does anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("mitmproxy", "starlette", "sqlalchemy", "callgate.detectors")


def loaded(*arguments: str) -> set[str]:
    program = (
        "import sys\n"
        "from callgate.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        f"    print('loaded', *(name for name in {HEAVY} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (("--version",), set()),
        (("verify", "--help"), {"sqlalchemy"}),
        (("approvals", "--help"), {"sqlalchemy"}),
    ],
)
def test_command_loads_no_more_than_it_needs(arguments: tuple[str, ...], needed: set[str]) -> None:
    assert loaded(*arguments) <= needed
