"""The bench of streams: it still runs, and says something in every place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

BENCH = Path(__file__).resolve().parents[2] / "scripts/bench/streams.py"
FIGURE = r"\s+\d+\.?\d*"
COMPARED = FIGURE + r"\s+[×+-]\d+\.\d+ \[\S+\]"
EVERYWHERE = (
    "first text, new connection, ms",
    "first text, warm connection, ms",
    "text event, 1 stream, ms",
    "  p99",
    r"text event, \d+ streams, ms",
    "  p99",
    "release of a call, Chat, ms",
    "  p99",
    "release of a call, Assistants, ms",
    "  p99",
)
ROWS = [
    *(f"{title}{FIGURE * 2}{COMPARED * 2}" for title in EVERYWHERE),
    rf"text event, \d+ streams, ms{FIGURE}{COMPARED}",
    rf"  p99{FIGURE}{COMPARED}",
    rf"  beside \d+ held for a person, ms \*{COMPARED}",
    rf"  p99 \*{COMPARED}",
    rf"CPU of the proxy a text event, µs{FIGURE}",
]


def test_every_measurement_of_the_stream_bench_has_its_figures() -> None:
    done = subprocess.run(
        [sys.executable, BENCH, "--quick"],
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    _, head, *lines, _ = done.stdout.splitlines()
    assert head.split() == ["median", "direct", "mitmdump", "enforce", "withhold", "goal"]
    for line, wanted in zip(lines, ROWS, strict=True):
        assert re.match(wanted, line), (wanted, line)
