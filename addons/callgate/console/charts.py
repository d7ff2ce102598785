"""Charts as SVG, drawn on the server; colours and type are the style sheet's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log10

from markupsafe import Markup, escape

HEIGHT = 150
_WIDE, _NARROW = 1140, 320
"""Drawn twice, as text that grows and shrinks with the window can not be read in one."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 2, 8, 20
_LABEL_WIDTH = 90


@dataclass(frozen=True, slots=True)
class Column:
    """One part of the time axis."""

    begin: datetime
    values: Mapping[str, float]
    """By the name of the series; a series may lack here."""


def bars(columns: Sequence[Column], series: Sequence[str], title: str) -> Markup:
    """Stacked bars, the first series at the bottom; `title` says what they show."""
    top = _round_up(max((sum(c.values.values()) for c in columns), default=0))
    return _both(title, lambda width: _bars(_Frame(columns, top, width), series))


def lines(columns: Sequence[Column], series: Sequence[str], title: str, unit: str) -> Markup:
    """A line for each series, broken where it has no value."""
    values = [value for column in columns for value in column.values.values()]
    top = _round_up(max(values, default=0))
    return _both(title, lambda width: _lines(_Frame(columns, top, width, unit), series))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a chart's values stand."""

    columns: Sequence[Column]
    top: float
    width: int
    unit: str = ""

    @property
    def step(self) -> float:
        return (self.width - _LEFT - _RIGHT) / max(len(self.columns), 1)

    def x(self, number: float) -> float:
        return _LEFT + number * self.step

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - self.height(value)

    def height(self, value: float) -> float:
        return value / self.top * (HEIGHT - _TOP - _BOTTOM)


def _bars(frame: _Frame, series: Sequence[str]) -> str:
    drawn = [_axis(frame)]
    gap = 1.5 if frame.step > 6 else 0.5
    for number, column in enumerate(frame.columns):
        parts, below = [], 0.0
        for name in series:
            value = column.values.get(name, 0)
            if value:
                parts.append(
                    f'<rect class="is-{escape(name)}" x="{frame.x(number) + gap / 2:.2f}" '
                    f'y="{frame.y(below + value):.2f}" width="{frame.step - gap:.2f}" '
                    f'height="{frame.height(value):.2f}"/>'
                )
                below += value
        if parts:
            said = ", ".join(f"{column.values.get(n, 0):g} {n}" for n in series)
            label = escape(f"{column.begin:%H:%M} UTC: {said}")
            drawn.append(f"<g><title>{label}</title>{''.join(parts)}</g>")
    return "".join(drawn)


def _lines(frame: _Frame, series: Sequence[str]) -> str:
    drawn = [_axis(frame)]
    for name in series:
        path, is_drawing, dots = "", False, []
        for number, column in enumerate(frame.columns):
            value = column.values.get(name)
            if value is None:
                is_drawing = False
                continue
            x, y = frame.x(number + 0.5), frame.y(value)
            path += f"{'L' if is_drawing else 'M'}{x:.2f} {y:.2f}"
            is_drawing = True
            label = escape(f"{column.begin:%H:%M} UTC: {name} {value:.3g} {frame.unit}")
            dots.append(
                f'<circle class="is-{escape(name)}" cx="{x:.2f}" cy="{y:.2f}" r="2.5">'
                f"<title>{label}</title></circle>"
            )
        drawn += [f'<path class="line is-{escape(name)}" d="{path}"/>', *dots]
    return "".join(drawn)


def _axis(frame: _Frame) -> str:
    drawn = []
    for share in (0, 0.5, 1):
        y = frame.y(frame.top * share)
        drawn.append(f'<path class="grid" d="M{_LEFT} {y:.2f}H{frame.width - _RIGHT}"/>')
        unit = f" {frame.unit}" if frame.unit and share == 1 else ""
        text = escape(f"{frame.top * share:g}{unit}")
        drawn.append(f'<text class="scale" x="{_LEFT - 7}" y="{y + 4:.2f}">{text}</text>')
    every = max(1, ceil(_LABEL_WIDTH / frame.step))
    for number in range(0, len(frame.columns) - every // 2, every):
        text = escape(f"{frame.columns[number].begin:%H:%M}")
        drawn.append(f'<text x="{frame.x(number):.2f}" y="{HEIGHT - 4}">{text}</text>')
    return "".join(drawn)


def _round_up(value: float) -> float:
    """The next of 2, 4, 6, 8, 10, 20, 40, … so that half of it reads well too."""
    if value <= 2:
        return 2
    power = 10 ** int(log10(value))
    return float(next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value))


def _both(title: str, draw: Callable[[int], str]) -> Markup:
    # every text that is drawn is escaped where it is put in
    return Markup(  # noqa: S704
        "".join(
            f'<svg class="chart is-{name}" viewBox="0 0 {width} {HEIGHT}" role="img" '
            f'aria-label="{escape(title)}">{draw(width)}</svg>'
            for name, width in (("wide", _WIDE), ("narrow", _NARROW))
        )
    )
