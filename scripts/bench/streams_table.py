"""The table of `streams`: medians of all rounds, each gate's beside bare mitmdump's."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

type Samples = Mapping[tuple[str, str, int], list[float]]
"""By measurement, contender and round."""

CONTENDERS = ("direct", "mitmdump", "enforce", "withhold")
GATES = CONTENDERS[2:]


class Comparison(Protocol):
    """How a figure is set beside its base, and what it should be at most."""

    @property
    def goal(self) -> str: ...
    def of(self, value: float, base: float) -> float: ...
    def say(self, compared: float) -> str: ...
    def is_met(self, compared: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Ratio:
    at_most: float = 0
    """0: no goal."""

    @property
    def goal(self) -> str:
        return f"≤ {self.say(self.at_most)}" if self.at_most else ""

    def of(self, value: float, base: float) -> float:
        return value / base if base else float("nan")

    def say(self, compared: float) -> str:
        return f"×{compared:.2f}"

    def is_met(self, compared: float) -> bool:
        return compared <= self.at_most


@dataclass(frozen=True, slots=True)
class Added:
    at_most: float = 0
    """0: no goal."""

    @property
    def goal(self) -> str:
        return f"≤ {self.say(self.at_most)}" if self.at_most else ""

    def of(self, value: float, base: float) -> float:
        return value - base

    def say(self, compared: float) -> str:
        return f"{compared:+.2f}"

    def is_met(self, compared: float) -> bool:
        return compared <= self.at_most


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    key: str
    comparison: Comparison
    percent: int = 50
    against: str = ""
    """Another measurement of the same gate is the base, and not this one of mitmdump."""


def table(rows: Sequence[Row], samples: Samples) -> str:
    """Aligned columns; brackets hold the smallest and largest comparison of a round."""
    cells = [["median", *CONTENDERS[:2], *GATES, "goal", ""]]
    cells += [_line(row, samples) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if 0 < n < 3 else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    lines.append(
        "× and +: to mitmdump; * to the same gate with none held; [min..max] of the rounds"
    )
    return "\n".join(lines)


def _line(row: Row, samples: Samples) -> list[str]:
    pooled = {name: _pooled(samples, row.key, name) for name in CONTENDERS}
    plain = [_figure(pooled[name], row.percent) for name in CONTENDERS[:2]]
    compared = [_compared(row, samples, name) if pooled[name] else [] for name in GATES]
    gates = [
        f"{_figure(pooled[name], row.percent):>7} {_spread(row, values)}" if values else ""
        for name, values in zip(GATES, compared, strict=True)
    ]
    met = [row.comparison.is_met(values[0]) for values in compared if values]
    said = ("met" if all(met) else "MISSED") if row.comparison.goal else ""
    return [row.title, *plain, *gates, row.comparison.goal, said]


def _compared(row: Row, samples: Samples, gate: str) -> list[float]:
    """Over all rounds, and round by round."""
    key, base = row.against or row.key, gate if row.against else "mitmdump"
    rounds = sorted({number for *_, number in samples})
    pairs = [(_pooled(samples, row.key, gate), _pooled(samples, key, base))]
    pairs += [(samples[row.key, gate, n], samples[key, base, n]) for n in rounds]
    return [
        row.comparison.of(_percentile(values, row.percent), _percentile(others, row.percent))
        for values, others in pairs
    ]


def _spread(row: Row, compared: Sequence[float]) -> str:
    overall, *rounds = compared
    say = row.comparison.say
    return f"{say(overall):>6} [{say(min(rounds))}..{say(max(rounds))}]"


def _pooled(samples: Samples, key: str, name: str) -> list[float]:
    return [v for (k, n, _), values in samples.items() if (k, n) == (key, name) for v in values]


def _figure(values: Sequence[float], percent: int) -> str:
    if not values:
        return ""
    figure = _percentile(values, percent)
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.2f}"


def _percentile(values: Sequence[float], percent: int) -> float:
    if percent == 50:
        return statistics.median(values)
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]
