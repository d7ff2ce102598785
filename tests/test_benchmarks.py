"""docs/benchmarks.md: the page is what its data makes, and goals are judged as they should be."""

from __future__ import annotations

import asyncio
import importlib
import json
import ssl
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "scripts" / "bench"

type Line = dict[str, object]


class Bench:
    """Modules of `scripts/bench`, which is no package."""

    def __init__(self) -> None:
        self.figures, self.goals, self.page, self.asking, self.load = (
            importlib.import_module(name)
            for name in ("figures", "goals", "benchmarks_page", "asking", "load")
        )

    def read(self, lines: Sequence[Line]) -> list[Any]:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        figures: list[Any] = self.figures.read(text, "planted")
        return figures

    def judged(self, title: str, lines: Sequence[Line]) -> str:
        goal = next(goal for goal in self.goals.GOALS if goal.title.startswith(title))
        return str(self.goals.judged(goal, self.read(lines)))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCH)
    yield Bench()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCH)):
            del sys.modules[name]


CIRCUMSTANCES: Line = {
    "kind": "circumstances",
    "measured_at": "2026-01-02 03:04 UTC",
    "machine": "a processor",
    "kernel": "Linux",
    "cores": 2,
    "load_before": 0.1,
    "seconds": 0.8,
    "rounds": 3,
    "versions": {"mitmproxy": "12"},
}


def guarded(contestant: str, *, is_kept: bool = True) -> Line:
    about = {"promise": "denies", "streamed": False, "when": "before"}
    return {"kind": "guarded", "contestant": contestant, "is_kept": is_kept, **about}


def load(contestant: str, *rates: float, shape: str = "run plain", **fields: object) -> list[Line]:
    """A line for each round."""
    usual: Line = {"clients": 16, "kept": True, "requests": 9, "errors": 0}
    usual |= {"p50_ms": 1.0, "p99_ms": 2.0, "first_ms": 1.0, "cpu_ms": 1.5}
    who = {"kind": "load", "contestant": contestant, "shape": shape}
    return [
        {**who, "round": number, "per_second": rate, **usual, **fields}
        for number, rate in enumerate(rates, 1)
    ]


GUARDS = [guarded("enforce"), guarded("withhold"), guarded("litellm")]


def test_page_is_what_its_data_makes(bench: Bench) -> None:
    raw = (ROOT / "docs/benchmarks.jsonl").read_text()

    page = bench.page.page(bench.figures.read(raw, "benchmarks.jsonl"))

    assert page == (ROOT / "docs/benchmarks.md").read_text(), "scripts/bench/report --render"


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ((130, 120, 20), "met"),
        ((130, 110, 20), "**missed**"),
    ],
)
def test_goal_is_judged_by_the_median_of_the_rounds(
    bench: Bench, ours: tuple[float, ...], verdict: str
) -> None:
    lines = [*GUARDS, *load("mitmdump", 100, 100, 100), *load("enforce", *ours)]

    assert bench.judged("runs without calls", lines) == verdict


def test_rounds_are_compared_with_themselves(bench: Bench) -> None:
    lines = [*GUARDS, *load("mitmdump", 100, 10, 1), *load("enforce", 125, 12.5, 1.25)]

    goal = bench.goals.GOALS[0]
    (found,) = goal.finds(bench.read(lines))

    assert found.values == [1.25, 1.25, 1.25]


def test_goal_is_missed_when_one_of_its_comparisons_misses_it(bench: Bench) -> None:
    lines = [
        *GUARDS,
        *load("mitmdump", 100),
        *load("enforce", 130),
        *load("withhold", 110),
    ]

    assert bench.judged("runs without calls", lines) == "**missed**"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([guarded("enforce"), guarded("litellm", is_kept=False)], "its guard did not hold"),
        ([guarded("enforce")], "its guard was not tried"),
        ([*GUARDS, *load("litellm", 3, shape="chat new", errors=1)], "it had errors"),
    ],
)
def test_figures_without_a_guard_that_works_are_void(
    bench: Bench, lines: list[Line], reason: str
) -> None:
    lines = [*lines, *load("mitmdump", 100), *load("enforce", 300), *load("litellm", 1)]

    assert bench.judged("runs without calls", lines) == "void"
    assert f"Void: litellm: {reason}." in bench.page.page(bench.read([CIRCUMSTANCES, *lines]))


def test_cell_of_a_measurement_with_errors_has_no_figure(bench: Bench) -> None:
    lines = [CIRCUMSTANCES, *GUARDS, *load("mitmdump", 777), *load("enforce", 888, errors=1)]

    page = bench.page.page(bench.read(lines))

    assert "| kept, 16 | 777 | void |" in page
    assert "888" not in page.partition("## A run")[2]


def test_what_was_not_measured_is_not_met(bench: Bench) -> None:
    page = bench.page.page(bench.read([CIRCUMSTANCES]))

    assert page.count("| not measured |") == len(bench.goals.GOALS)


@pytest.mark.parametrize(
    ("title", "kind", "lines", "verdict"),
    [
        ("two workers", "workers", [(1, 100), (2, 141)], "met"),
        ("two workers", "workers", [(1, 100), (2, 139)], "**missed**"),
        ("growth of memory", "memory", [(0, 80), (50_000, 99), (100_000, 84.9)], "met"),
        ("growth of memory", "memory", [(0, 80), (100_000, 85.1)], "**missed**"),
        ("growth of memory", "memory", [(0, 80), (99_999, 80)], "not measured"),
        ("CPU of a new connection", "connections", [("mitmdump", 4), ("callgate", 3)], "met"),
        (
            "CPU of a new connection",
            "connections",
            [("mitmdump", 4), ("callgate", 3.1)],
            "**missed**",
        ),
    ],
)
def test_figures_of_other_benches_are_judged(
    bench: Bench, title: str, kind: str, lines: list[tuple[object, float]], verdict: str
) -> None:
    made: dict[str, tuple[str, str, Line]] = {
        "workers": (
            "workers",
            "per_second",
            {"store": "sqlite", "scenario": "no calls", "load": "64 kept", "round": 1},
        ),
        "memory": ("flows", "rss_mb", {"contestant": "callgate"}),
        "connections": ("contestant", "cpu_ms", {"measure": "handshakes alone", "round": 1}),
    }
    key, value, rest = made[kind]
    planted = [{"kind": kind, key: first, value: second, **rest} for first, second in lines]

    assert bench.judged(title, planted) == verdict


def test_streams_are_judged_by_what_they_add_and_cost(bench: Bench) -> None:
    def stream(contestant: str, measure: str, median: float) -> Line:
        about = {"contestant": contestant, "measure": measure, "median": median}
        return {"kind": "stream", "round": 1, **about}

    lines = [
        stream("mitmdump", "warm", 2),
        stream("enforce", "warm", 2.4),
        stream("mitmdump", "cpu", 100),
        stream("enforce", "cpu", 111),
    ]

    assert bench.judged("first text on a warm", lines) == "met"
    assert bench.judged("CPU of an SSE event", lines) == "**missed**"


def test_figures_that_are_written_are_read_again(bench: Bench) -> None:
    figures = bench.read([CIRCUMSTANCES, *GUARDS, *load("enforce", 1234.5678, 2)])

    again = bench.figures.read(bench.figures.written(figures), "again")

    assert again == figures
    assert again[-2].per_second == 1235


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ('{"kind": ["load"]}', "kind"),
        ('{"kind": "lode"}', "kind"),
        ('{"kind": "memory", "contestant": "callgate", "flows": 1}', "rss_mb Field required"),
        ('{"kind": "memory", "contestant": "c", "flows": 1, "rss_mb": NaN}', "rss_mb"),
        ('{"kind": "memory", "contestant": "c", "flows": 1, "rss_mb": -1}', "rss_mb"),
        ('{"kind": "memory", "contestant": "c", "flows": 1, "rss_mb": 1, "x": 1}', "x Extra"),
    ],
)
def test_line_that_is_no_figure_is_named(bench: Bench, line: str, fault: str) -> None:
    with pytest.raises(ValueError, match=rf"^planted:2: .*{fault}"):
        bench.figures.read(f"{json.dumps(CIRCUMSTANCES)}\n{line}\n", "planted")


@pytest.mark.parametrize("flag", ["--render", "--take"])
def test_file_that_has_no_figures_ends_the_report_with_a_clear_error(
    tmp_path: Path, flag: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"kind": "lode"}\n')

    done = subprocess.run(
        [sys.executable, BENCH / "report.py", flag, file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("report: bad.jsonl:1: ")
    assert done.stdout == ""


ANSWERS = {
    "right": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nword",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nwo\r\n2\r\nrd\r\n0\r\n\r\n",
    "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nword",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nword",
}


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_answer_that_is_not_right_is_an_error_and_no_request(
    bench: Bench, answer: str, is_kept: bool
) -> None:
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWERS[answer])
                if answer == "cut":
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        route = bench.load.Route(server.sockets[0].getsockname()[1], trusting)
        asking = bench.asking.Asking(
            route, lambda: b"GET / HTTP/1.1\r\n\r\n", b"word", is_kept=is_kept
        )
        asked = await asking.run(2, 0.02)

    is_right = answer in ("right", "chunked")
    assert bool(asked.measured.latencies_ms) is is_right
    assert len(asked.firsts.latencies_ms) == len(asked.measured.latencies_ms)
    assert bool(asked.errors) is not is_right
