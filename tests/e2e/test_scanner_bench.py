"""The bench of scanners: it still runs, and has figures in every place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

BENCH = Path(__file__).resolve().parents[2] / "scripts/bench/scanners.py"


def test_every_number_of_calls_has_its_figures() -> None:
    done = subprocess.run(
        [sys.executable, BENCH, "--repeat", "1", "--latency", "0.01"],
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    _, *lines = done.stdout.splitlines()
    for line, count in zip(lines, (1, 2, 4, 8, 16, 32), strict=True):
        assert re.fullmatch(rf"\s+{count}\s+\d+\s+\d+\s+\d+\.\d \[\d+\.\d\.\.\d+\.\d\]", line), line
