"""How long a look at a call takes: agents' calls as they are, and long arguments by kind."""

from __future__ import annotations

import json
import pathlib
import random
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "addons"))

from callgate.detectors import Inspector  # noqa: E402  (path first)
from callgate.detectors.shell.detector import read  # noqa: E402

SIZES = (1024, 65536)
LOOKS = {1024: 200, 65536: 25}
"""How many different texts of each size are looked at."""
TRIES = 3
"""The quickest of so many looks at the same call counts: machines have other tenants.

Scripts that were read before are forgotten each time, since calls differ in earnest.
"""
AGENT_CALLS = ("bfcl", "tau", "agentdojo", "injecagent-user")

type Row = dict[str, Any]


def print_times(inspector: Inspector, rows: Sequence[Row], chance: random.Random) -> None:
    agent = [row for row in rows if row["subclass"] in AGENT_CALLS]
    print(f"\n{'processor time of one look, ms':<34}{'looks':>7}{'p50':>9}{'p99':>9}{'longest':>9}")
    print_line("agents' calls", timed(inspector, agent))
    print_line("all calls of the corpus", timed(inspector, rows))
    for size in SIZES:
        for name, tool, field, text in long_texts(rows, chance):
            looked = [
                {"tool": tool, "arguments": {field: cut(text, size, chance)}}
                for _ in range(LOOKS[size])
            ]
            print_line(f"{size // 1024} KB, {name}", timed(inspector, looked))


def timed(inspector: Inspector, rows: Iterable[Row]) -> list[float]:
    times = []
    for row in rows:
        quickest = float("inf")
        for _ in range(TRIES):
            read.cache_clear()
            started = time.thread_time()
            inspector.inspect(row["tool"], row["arguments"])
            quickest = min(quickest, time.thread_time() - started)
        times.append(quickest * 1e3)
    return times


def print_line(name: str, times: Sequence[float]) -> None:
    p99 = statistics.quantiles(times, n=100, method="inclusive")[98]
    print(f"{name:<34}{len(times):>7}{statistics.median(times):>9.2f}{p99:>9.2f}{max(times):>9.2f}")


def long_texts(rows: Sequence[Row], chance: random.Random) -> list[tuple[str, str, str, str]]:
    """Name, tool, field and text of each kind, at least as long as the longest size."""
    source = ROOT / "addons/callgate"
    code = "\n".join(path.read_text() for path in sorted(source.rglob("*.py")))
    calls = [row["arguments"] for row in rows if row["subclass"] in AGENT_CALLS]
    return [
        ("prose", "send_message", "text", strung(rows, "prose", chance)),
        ("prose with telephone numbers", "send_message", "text", strung(rows, "PHONE", chance)),
        ("code", "write_file", "content", code),
        ("JSON", "store", "data", long_enough(["\n".join(map(json.dumps, calls))])),
        ("shell", "run_command", "command", strung(rows, "shell", chance)),
        ("SQL", "query", "sql", strung(rows, "sql-select", chance, ";\n")),
    ]


def strung(rows: Sequence[Row], subclass: str, chance: random.Random, joint: str = "\n") -> str:
    texts = [
        value
        for row in rows
        if row["subclass"].startswith(subclass)
        for value in row["arguments"].values()
        if isinstance(value, str)
    ]
    chance.shuffle(texts)
    return long_enough(texts, joint)


def long_enough(texts: Sequence[str], joint: str = "\n") -> str:
    once = joint.join(texts) + joint
    return once * (2 * max(SIZES) // len(once) + 1)


def cut(text: str, size: int, chance: random.Random) -> str:
    start = chance.randrange(len(text) - size)
    return text[start : start + size]
