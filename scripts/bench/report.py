"""Callgate beside no proxy, stock mitmdump and LiteLLM with its guardrail: docs/benchmarks.md.

Measures all of them in one run, takes further figures in from files, writes the raw figures to
docs/benchmarks.jsonl and the page that they make beside it. A file to take in has one JSON object
a line, one for each round: `{"kind": "workers", "store", "scenario", "load", "workers", "round",
"per_second"}`, `{"kind": "connections", "contestant", "measure", "round", "cpu_ms"}` or
`{"kind": "memory", "contestant", "flows", "rss_mb"}`.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import comparison
import streams
from benchmarks_page import STREAMS, page
from figures import Circumstances, Figure, Stream, read, written
from goals import void

ROOT = Path(__file__).resolve().parents[2]
LITELLM = ROOT / ".venvs/litellm/bin/python"
RAW = ROOT / "docs/benchmarks.jsonl"
STREAM_SCALE = streams.Scale(others=20, held=5, crowd_events=10)
"""Crowds are left to `scripts/bench/streams`: no figure of the page is of them."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one small round: does all of it run?")
    parser.add_argument("--no-litellm", action="store_true", help="leave LiteLLM out")
    parser.add_argument("--take", action="append", default=[], type=Path, metavar="FILE")
    parser.add_argument("--note", default="", help="what a reader should know of this run")
    parser.add_argument("--raw", default=RAW, type=Path, help="where figures and page go (*.jsonl)")
    parser.add_argument("--render", type=Path, metavar="FILE", help="print the page of a file only")
    options = parser.parse_args()
    try:
        if options.render:
            print(page(read(options.render.read_text(), options.render.name)), end="")
            return
        taken = [figure for file in options.take for figure in read(file.read_text(), file.name)]
    except (OSError, ValueError) as error:
        sys.exit(f"report: {error}")
    litellm = None if options.no_litellm else LITELLM
    if litellm and not litellm.exists():
        sys.exit("report: no LiteLLM: scripts/setup-clients litellm, or --no-litellm")
    if options.raw.suffix != ".jsonl":
        sys.exit(f"report: {options.raw} does not end in .jsonl")
    raw = written([*measured(litellm, options.quick, options.note), *taken])
    options.raw.write_text(raw)
    figures = read(raw, options.raw.name)
    options.raw.with_suffix(".md").write_text(page(figures))
    if why := void(figures):
        sys.exit(f"report: void: {', '.join(f'{name} ({reason})' for name, reason in why.items())}")


def measured(litellm: Path | None, is_quick: bool, note: str) -> list[Figure]:
    """A run of everything that this program measures itself."""
    scale = comparison.Scale()
    if is_quick:
        scale = comparison.Scale(seconds=0.1, rounds=1, clients=(1, 16), warm_seconds=0.1)
    told = circumstances(litellm, scale, note)
    found = comparison.compare(litellm, scale)
    print("streams", file=sys.stderr, flush=True)
    samples = streams.run(streams.QUICK if is_quick else STREAM_SCALE, scale.rounds)
    medians = [
        Stream(contestant=name, measure=measure, round=number, median=statistics.median(values))
        for (measure, name, number), values in samples.items()
        if measure in STREAMS
    ]
    return [told, *found, *medians]


def circumstances(litellm: Path | None, scale: comparison.Scale, note: str) -> Circumstances:
    names = ("mitmproxy", "cryptography", "callgate")
    versions = {"Python": platform.python_version(), **{name: version(name) for name in names}}
    versions["commit"] = _said("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    versions["SQLite"] = sqlite3.sqlite_version
    if litellm:
        asks = "import importlib.metadata as about; print(about.version('litellm'))"
        versions["LiteLLM"] = _said(str(litellm), "-I", "-c", asks)
    return Circumstances(
        measured_at=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=_processor(),
        kernel=f"{platform.system()} {platform.release()}",
        cores=len(os.sched_getaffinity(0)),
        load_before=os.getloadavg()[0],
        seconds=scale.seconds,
        rounds=scale.rounds,
        versions=versions,
        note=note,
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
