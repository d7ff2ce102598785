from __future__ import annotations

from callgate.detectors.spans import Spans


def test_span_that_is_taken_already_is_refused() -> None:
    spans = Spans(10)
    assert spans.take(2, 5)
    assert not spans.take(2, 5)
    assert not spans.take(3, 4)
    assert spans.take(5, 6)
    assert spans.take(0, 2)
    assert not spans.take(1, 6)


def test_span_that_reaches_further_is_taken() -> None:
    spans = Spans(10)
    assert spans.take(2, 5)
    assert spans.take(3, 6)
    assert not spans.take(2, 6)
    assert spans.take(0, 3)
