from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import pytest

from callgate.console import charts
from callgate.console.charts import Column
from tests.samples import NOON

SVG = "{http://www.w3.org/2000/svg}"


def columns(*values: dict[str, float]) -> list[Column]:
    return [Column(NOON + timedelta(minutes=n), value) for n, value in enumerate(values)]


def drawn(markup: str) -> ElementTree.Element:
    """The wide one of the two drawings."""
    text = str(markup).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    return ElementTree.fromstring(f"<both>{text}</both>")[0]


def test_bars_stack_up_to_their_sum() -> None:
    svg = drawn(charts.bars(columns({"a": 3, "b": 1}, {}, {"a": 2}), ["a", "b"], "title"))

    rects = list(svg.iter(f"{SVG}rect"))
    assert [rect.get("class") for rect in rects] == ["is-a", "is-b", "is-a"]
    first, second, third = ([float(r.get(k, "")) for k in ("y", "height", "x")] for r in rects)
    assert second[0] + second[1] == pytest.approx(first[0], abs=0.02)
    assert first[1] == pytest.approx(3 * second[1], abs=0.05)
    assert third[2] > first[2]
    titles = [title.text for title in svg.iter(f"{SVG}title")]
    assert titles == ["12:00 UTC: 3 a, 1 b", "12:02 UTC: 2 a, 0 b"]


def test_lines_are_broken_where_there_is_no_value() -> None:
    markup = charts.lines(columns({"p": 1}, {"p": 2}, {}, {"p": 4}), ["p"], "title", "ms")
    svg = drawn(markup)

    [line] = [p for p in svg.iter(f"{SVG}path") if "line" in p.get("class", "")]
    assert line.get("d", "").count("M") == 2
    assert line.get("d", "").count("L") == 1
    assert len(list(svg.iter(f"{SVG}circle"))) == 3


@pytest.mark.parametrize("made", [[], [{}], [{"a": 0.0}]])
def test_nothing_is_drawn_of_nothing(made: list[dict[str, float]]) -> None:
    for markup in (
        charts.bars(columns(*made), ["a"], "t"),
        charts.lines(columns(*made), ["b"], "t", "ms"),
    ):
        assert drawn(markup).find(f"{SVG}rect") is None


@pytest.mark.parametrize(
    ("value", "top"), [(0, 2), (2, 2), (2.1, 4), (9, 10), (11, 20), (100, 100), (101, 200)]
)
def test_scale_ends_at_a_round_number(value: float, top: float) -> None:
    svg = drawn(charts.bars(columns({"a": value}), ["a"], "t"))

    scales = [t.text for t in svg.iter(f"{SVG}text") if t.get("class") == "scale"]
    assert scales == ["0", f"{top / 2:g}", f"{top:g}"]


def test_names_are_escaped() -> None:
    markup = charts.bars(columns({"<b>": 1}), ["<b>"], '"><script>')

    assert "<script>" not in markup
    assert "<b>" not in markup
