"""The goals, and what the figures say of them: met, missed, void, or not measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from figures import Connections, Figure, Guarded, Load, Memory, Stream, Workers, of

GATES = ("enforce", "withhold")
GUARDS = {*GATES, "litellm"}
FLOWS = 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """One comparison, round by round."""

    of: str
    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Goal:
    """All comparisons have to reach it in the median."""

    title: str
    wanted: str
    unit: str
    bound: float
    is_floor: bool
    finds: Callable[[Sequence[Figure]], Sequence[Found]]

    def is_met(self, found: Found) -> bool:
        return found.median >= self.bound if self.is_floor else found.median <= self.bound


def void(figures: Sequence[Figure]) -> Mapping[str, str]:
    """Contestants whose figures mean nothing, and why."""
    loads, shown = of(Load, figures), of(Guarded, figures)
    unseen = {load.contestant for load in loads} & GUARDS - {one.contestant for one in shown}
    return {
        **dict.fromkeys(sorted(unseen), "its guard was not tried"),
        **{one.contestant: "its guard did not hold" for one in shown if not one.is_kept},
        **{load.contestant: "it had errors" for load in loads if load.errors},
    }


def judged(goal: Goal, figures: Sequence[Figure]) -> str:
    """In a word."""
    found = goal.finds(figures)
    if not found:
        return "not measured"
    if void(figures):
        return "void"
    return "met" if all(map(goal.is_met, found)) else "**missed**"


def _by_round(figures: Sequence[Load], name: str) -> dict[int, float]:
    return {figure.round: getattr(figure, name) for figure in figures}


def _beside(
    base: str, name: str, compare: Callable[[float, float], float], **wanted: object
) -> Callable[[Sequence[Figure]], list[Found]]:
    """Each gate beside another contestant, round by round, for every number of clients named."""
    clients = wanted.pop("clients")
    assert isinstance(clients, tuple)

    def finds(figures: Sequence[Figure]) -> list[Found]:
        found = []
        for gate in GATES:
            for number in clients:
                ours, theirs = (
                    _by_round(of(Load, figures, contestant=c, clients=number, **wanted), name)
                    for c in (gate, base)
                )
                values = [compare(ours[n], theirs[n]) for n in sorted(ours.keys() & theirs)]
                if values:
                    some = "client" if number == 1 else "clients"
                    found.append(Found(f"`{gate}`, {number} {some}", values))
        return found

    return finds


def ratio(value: float, base: float) -> float:
    return value / base if base else float("nan")


def added(value: float, base: float) -> float:
    return value - base


def _streams(
    measure: str, compare: Callable[[float, float], float]
) -> Callable[[Sequence[Figure]], list[Found]]:
    def finds(figures: Sequence[Figure]) -> list[Found]:
        some = of(Stream, figures, measure=measure)
        bare = {one.round: one.median for one in some if one.contestant == "mitmdump"}
        found = []
        for gate in GATES:
            ours = [one for one in some if one.contestant == gate and one.round in bare]
            if ours:
                values = [compare(one.median, bare[one.round]) for one in ours]
                found.append(Found(f"`{gate}`", values))
        return found

    return finds


def _workers(figures: Sequence[Figure]) -> list[Found]:
    found = []
    every = of(Workers, figures)
    for key in dict.fromkeys((one.store, one.scenario, one.load) for one in every):
        some = [one for one in every if (one.store, one.scenario, one.load) == key]
        rates = {(one.workers, one.round): one.per_second for one in some}
        values = [rates[2, n] / rates[1, n] for m, n in rates if m == 2 and (1, n) in rates]
        if values:
            found.append(Found(", ".join(key), values))
    return found


def _connections(figures: Sequence[Figure]) -> list[Found]:
    every = of(Connections, figures)
    if not every:
        asking = _CONNECTIONS(figures)
        return [Found(f"{one.of}, with a request over it", one.values) for one in asking]
    found = []
    for measure in dict.fromkeys(one.measure for one in every):
        some = [one for one in every if one.measure == measure]
        bare = {one.round: one.cpu_ms for one in some if one.contestant == "mitmdump"}
        ours = [one for one in some if one.contestant != "mitmdump" and one.round in bare]
        if ours:
            found.append(Found(measure, [one.cpu_ms / bare[one.round] for one in ours]))
    return found


def _memory(figures: Sequence[Figure]) -> list[Found]:
    """Growth from the first looks to the last, where that many flows lie between them."""
    every = of(Memory, figures)
    found = []
    for contestant in dict.fromkeys(one.contestant for one in every):
        looks = sorted((o.flows, o.rss_mb) for o in every if o.contestant == contestant)
        some = max(1, min(3, len(looks) // 2))  # single looks waver
        first, last = ([mb for _, mb in part] for part in (looks[:some], looks[-some:]))
        if contestant != "mitmdump" and looks[-1][0] - looks[0][0] >= FLOWS:
            growth = statistics.median(last) - statistics.median(first)
            found.append(Found(f"`{contestant}`", [growth]))
    return found


_CONNECTIONS = _beside("mitmdump", "cpu_ms", ratio, shape="run plain", kept=False, clients=(1, 16))
"""Where `scripts/bench/connections` has not said it."""
_ENOUGH = (16, 64)
"""Clients that keep a proxy busy: one alone waits for the answer, not for the proxy's CPU."""


def _throughput(title: str, least: float, base: str, shape: str) -> Goal:
    finds = _beside(base, "per_second", ratio, shape=shape, kept=True, clients=_ENOUGH)
    return Goal(title, f"≥ ×{least}", "×", least, True, finds)


_BESIDE_LITELLM = "Chat Completions beside LiteLLM with its guardrail"

GOALS = (
    _throughput("runs without calls, beside stock mitmdump", 1.2, "mitmdump", "run plain"),
    _throughput("chats without calls, beside stock mitmdump", 1.2, "mitmdump", "chat plain"),
    _throughput("polling a run, beside stock mitmdump", 1.0, "mitmdump", "run known"),
    Goal(
        "a first verdict adds, median",
        "≤ +2 ms",
        "ms",
        2,
        False,
        _beside("mitmdump", "p50_ms", added, shape="run new", kept=True, clients=(1,)),
    ),
    Goal(
        "CPU of an SSE event, beside mitmdump that streams",
        "≤ ×1.1",
        "×",
        1.1,
        False,
        _streams("cpu", ratio),
    ),
    Goal(
        "first text on a warm connection, beside mitmdump that streams",
        "≤ +0.5 ms",
        "ms",
        0.5,
        False,
        _streams("warm", added),
    ),
    _throughput(f"{_BESIDE_LITELLM}: no calls", 7, "litellm", "chat plain"),
    _throughput(f"{_BESIDE_LITELLM}: new calls", 7, "litellm", "chat new"),
    _throughput(f"{_BESIDE_LITELLM}: streams, no calls", 7, "litellm", "stream plain"),
    _throughput(f"{_BESIDE_LITELLM}: streams, new calls", 7, "litellm", "stream new"),
    Goal("two workers, beside one", "≥ ×1.4", "×", 1.4, True, _workers),
    Goal(f"growth of memory over {FLOWS:,} flows", "< 5 MB", "MB", 5, False, _memory),
    Goal("CPU of a new connection, beside stock", "≤ ×0.75", "×", 0.75, False, _connections),
)
