"""The bench that compares the contestants: all of it still runs, without LiteLLM."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

BENCH = Path(__file__).resolve().parents[2] / "scripts/bench"
PROGRAM = """
import comparison, figures
scale = comparison.Scale(seconds=0.01, rounds=1, clients=(1,), warm_seconds=0.01)
print(figures.written(comparison.compare(None, scale)), end="")
"""


def test_every_request_is_answered_through_every_contestant_and_guards_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=BENCH,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    loads = [figure for figure in figures if figure["kind"] == "load"]
    assert len(loads) == 4 * 7 * 2, "contestants, shapes, connections kept or new"
    assert all(load["requests"] and not load["errors"] for load in loads), done.stderr
    guards = [figure for figure in figures if figure["kind"] == "guarded"]
    assert len(guards) == 2 * 3 * 2 * 2, "gates, promises, whole and streamed, before and after"
    assert all(guard["is_kept"] for guard in guards)
    resident = [figure["rss_mb"] for figure in figures if figure["kind"] == "resident"]
    assert min(resident) > 10
