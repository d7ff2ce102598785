"""The page that a file of figures makes: docs/benchmarks.md says nothing that is not in it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from figures import Circumstances, Figure, Guarded, Load, Resident, Stream, of
from goals import GOALS, judged, void

NAMES = {
    "direct": "no proxy",
    "mitmdump": "mitmdump",
    "enforce": "`enforce`",
    "withhold": "`withhold`",
    "litellm": "LiteLLM",
}
SHAPES = {
    "chat plain": "Chat Completions, whole, no call",
    "chat new": "Chat Completions, whole, a new call each time",
    "stream plain": "Chat Completions, streamed, no call",
    "stream new": "Chat Completions, streamed, a new call each time",
    "run plain": "A run of Assistants without calls",
    "run known": "A run whose call was judged before: polling",
    "run new": "A run with a new call each time",
}
STREAMS = {
    "new": "first text, new connection, ms",
    "warm": "first text, warm connection, ms",
    "cpu": "CPU of a text event, µs",
}
HEAD = """\
# Benchmarks

Made by `scripts/bench/report` from [benchmarks.jsonl](benchmarks.jsonl), which has every round of
every measurement; `scripts/bench/report --render docs/benchmarks.jsonl` makes this page of it
again. Read ratios, not figures: a figure belongs to its machine, and to what else ran there.
"""
METHOD = Path(__file__).with_name("method.md").read_text()


def page(figures: Sequence[Figure]) -> str:
    """The whole document; raises ValueError when there are no circumstances."""
    told = of(Circumstances, figures)
    if len(told) != 1:
        raise ValueError(f"{len(told)} lines tell the circumstances, where one has to")
    loads = of(Load, figures)
    parts = [HEAD, circumstances(told[0]), goals(figures), METHOD, guards(figures)]
    parts += [section(title, loads, shape) for shape, title in SHAPES.items()]
    parts += [streams(of(Stream, figures)), memory(of(Resident, figures))]
    return "\n".join(part for part in parts if part)


def circumstances(told: Circumstances) -> str:
    rows = [
        ["measured at", told.measured_at],
        ["machine", f"{told.machine}, {told.cores} cores"],
        ["kernel", told.kernel],
        ["load average before", f"{told.load_before:.1f}"],
        ["one measurement", f"{told.seconds:g} s, {told.rounds} rounds"],
        *([name, version] for name, version in told.versions.items()),
    ]
    note = f"\n{told.note}\n" if told.note else ""
    return "## Circumstances\n\n" + table(["what", "which"], rows) + note


def goals(figures: Sequence[Figure]) -> str:
    rows = []
    for goal in GOALS:
        found = goal.finds(figures)
        said = "<br>".join(f"{spread(one.values, goal.unit)} {one.of}" for one in found)
        rows.append([goal.title, goal.wanted, said, judged(goal, figures)])
    why = "".join(f"\nVoid: {name}: {reason}.\n" for name, reason in void(figures).items())
    head = ["goal", "wanted", "measured", ""]
    said = "Each has to be met by the median of every comparison in its line.\n\n"
    return f"## Goals\n\n{said}{table(head, rows)}{why}"


def guards(figures: Sequence[Figure]) -> str:
    every = of(Guarded, figures)
    if not every:
        return ""
    rows = []
    for key in dict.fromkeys((one.contestant, one.promise) for one in every):
        some = [one for one in every if (one.contestant, one.promise) == key]
        kept = sum(one.is_kept for one in some)
        rows.append([NAMES[key[0]], key[1], f"{kept} of {len(some)}"])
    said = "Whole and streamed, before the load and after it:\n\n"
    return "## Guards\n\n" + said + table(["guard", "promise", "kept"], rows)


def section(title: str, loads: Sequence[Load], shape: str) -> str:
    some = [load for load in loads if load.shape == shape]
    if not some:
        return ""
    parts = [
        f"## {title}\n",
        "Requests a second:\n",
        grid(some, _spread_of("per_second")),
    ]
    parts += ["Median and 99th percentile, ms:\n", grid(some, _latency)]
    if shape.startswith("stream"):
        parts += [
            "Until the first byte of the body, ms:\n",
            grid(some, _spread_of("first_ms")),
        ]
    busy = [load for load in some if load.contestant != "direct"]
    parts += ["CPU of the proxy a request, ms:\n", grid(busy, _spread_of("cpu_ms"))]
    return "\n".join(parts)


def _spread_of(name: str) -> Callable[[Sequence[Load]], str]:
    return lambda loads: spread(_all(loads, name))


def _latency(loads: Sequence[Load]) -> str:
    return f"{spread(_all(loads, 'p50_ms'))} / {number(statistics.median(_all(loads, 'p99_ms')))}"


def _all(loads: Sequence[Load], name: str) -> list[float]:
    return [getattr(load, name) for load in loads]


def grid(loads: Sequence[Load], cell: Callable[[Sequence[Load]], str]) -> str:
    """A row for each way to ask, a column for each contestant."""
    names = [name for name in NAMES if any(load.contestant == name for load in loads)]
    rows = []
    for kept, clients in dict.fromkeys((load.kept, load.clients) for load in loads):
        row = [f"{'kept' if kept else 'new'}, {clients}"]
        for name in names:
            some = of(Load, loads, kept=kept, clients=clients, contestant=name)
            row.append(
                ("void" if any(load.errors for load in some) else cell(some)) if some else ""
            )
        rows.append(row)
    return table(["connections, clients", *(NAMES[name] for name in names)], rows)


def streams(every: Sequence[Stream]) -> str:
    if not every:
        return ""
    names = [name for name in NAMES if any(one.contestant == name for one in every)]
    rows = []
    for measure, title in STREAMS.items():
        some = {name: of(Stream, every, contestant=name, measure=measure) for name in names}
        rows.append([title, *(spread([s.median for s in some[name]]) for name in names)])
    said = "`scripts/bench/streams`; mitmdump has an addon of two lines that lets streams pass.\n\n"
    return "## Streams event by event\n\n" + said + table(["", *(NAMES[n] for n in names)], rows)


def memory(every: Sequence[Resident]) -> str:
    if not every:
        return ""
    rows = []
    for name in dict.fromkeys(one.contestant for one in every):
        some = sorted(of(Resident, every, contestant=name), key=lambda one: one.round)
        rows.append([NAMES[name], *(number(some[at].rss_mb) for at in (0, -1))])
    head = ["", "before the load", "after all rounds"]
    return "## Memory\n\nResident, MB:\n\n" + table(head, rows)


def spread(values: Sequence[float], unit: str = "") -> str:
    """Median [smallest..largest]."""
    if not values:
        return ""
    times, tail = ("×", "") if unit == "×" else ("", f" {unit}" if unit else "")
    sign = "+" if tail else ""
    middle, least, most = (
        f"{times}{number(v, sign)}" for v in (statistics.median(values), min(values), max(values))
    )
    return f"{middle}{tail} [{least}..{most}]" if len(values) > 1 else f"{middle}{tail}"


def number(value: float, sign: str = "") -> str:
    """Three digits that mean something."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{sign}.{digits}f}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
