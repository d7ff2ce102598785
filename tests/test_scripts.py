"""What scripts/test answers follows from what its steps answer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STEPS = (
    "scripts/setup",
    "scripts/setup-browser",
    "scripts/setup-clients",
    "scripts/check",
    ".venv/bin/python",
    "scripts/coverage",
)


def run_test(place: Path, *, failing: str | None, arguments: tuple[str, ...] = ()) -> int:
    """The exit code of scripts/test in a tree whose steps do nothing but end."""
    for step in STEPS:
        path = place / step
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nexit {3 if step == failing else 0}\n")
        path.chmod(0o755)
    shutil.copy(ROOT / "scripts/test", place / "scripts/test")
    environment = {"PATH": "/usr/bin:/bin"}
    command = [str(place / "scripts/test"), *arguments]
    return subprocess.run(command, env=environment, timeout=60).returncode


def test_steps_that_all_succeed_are_a_success(tmp_path: Path) -> None:
    assert run_test(tmp_path, failing=None) == 0


def test_tests_that_are_named_are_a_success_too(tmp_path: Path) -> None:
    assert run_test(tmp_path, failing="scripts/coverage", arguments=("tests",)) == 0


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_is_a_failure_of_the_whole(step: str, tmp_path: Path) -> None:
    assert run_test(tmp_path, failing=step) != 0
