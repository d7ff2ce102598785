from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from callgate.console import formats


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (90_000, "1 d")],
)
def test_spans_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    assert formats.span(seconds) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(None, "–"), (0, "–"), (0.42, "0.4 ms"), (12.3, "12 ms"), (1340, "1.3 s")]
)
def test_durations_have_as_many_digits_as_they_need(ms: float | None, text: str) -> None:
    assert formats.duration(ms) == text


def test_numbers_have_thin_spaces() -> None:
    assert formats.number(1234567) == "1\u2009234\u2009567"


def test_moments_are_in_utc() -> None:
    noon = datetime(2030, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))

    assert formats.moment(noon) == formats.moment("2030-01-01T12:00:00Z")
    assert formats.moment(noon).tzinfo is UTC


def test_any_value_is_shown_safely_and_cut() -> None:
    assert formats.shown("a\nb") == "a\\nb"
    assert formats.shown(["x", "y"]) == "x, y"
    assert formats.shown(None) == ""
    assert formats.shown("abcdef", 4) == "abc…"
    assert formats.shown("abcd", 4) == "abcd"
