from __future__ import annotations

from callgate.detectors.spans import Spans


def test_first_taker_wins_and_neighbours_do_not_overlap() -> None:
    spans = Spans(10)
    assert spans.take(2, 5)
    assert not spans.take(4, 6)
    assert not spans.take(0, 10)
    assert spans.take(5, 6)
    assert spans.take(0, 2)
