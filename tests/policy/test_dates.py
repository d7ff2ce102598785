from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.policy.dates import date_range
from callgate.policy.fields import Fields
from callgate.policy.truth import Truth


def truth(arguments: Json) -> Truth:
    return date_range(90)(Fields(arguments), True).truth


@pytest.mark.parametrize(
    "arguments",
    [
        {"start_date": "2026-01-01", "end_date": "2026-04-01"},
        {"startDate": "2026-01-01", "endDate": "2026-01-01"},
        {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00+02:00"},
        {"date_from": "2026-01-01", "date_to": "2026-01-31"},
        {"since": "2026-01-01", "until": "2026-01-31"},
        {"date_range": {"start": "2026-01-01", "end": "2026-01-31"}},
        {"date_range": ["2026-01-01", "2026-01-31"]},
        {"date_range": "2026-01-01/2026-01-31"},
    ],
)
def test_ranges_within_the_limit_hold(arguments: Json) -> None:
    assert truth(arguments) is Truth.HOLDS


@pytest.mark.parametrize(
    "arguments",
    [
        {"start_date": "2026-01-01", "end_date": "2026-04-02"},
        {"start_date": "2026-02-01", "end_date": "2026-01-01"},
        {"start_date": "2026-01-01", "end_date": "2026-04-01T00:00:01"},
        {"start": "2026-01-01", "end": "2026-01-02", "from": "2020-01-01", "to": "2026-01-01"},
    ],
)
def test_longer_or_reversed_ranges_fail(arguments: Json) -> None:
    assert truth(arguments) is Truth.FAILS


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"start_date": "2026-01-01"},
        {"end_date": "2026-01-01"},
        {"start_date": "2026-01-01", "end_date": None},
        {"start_date": "2026-02-30", "end_date": "2026-03-01"},
        {"start_date": 1767225600, "end_date": 1767312000},
        {"start_date": "yesterday", "end_date": "today"},
        {"date_range": "90d"},
        {"date_range": {}},
        {"date_range": ["2026-01-01"]},
        {"date_range": 5},
    ],
)
def test_dates_that_are_missing_or_unreadable_cannot_be_told(arguments: Json) -> None:
    assert truth(arguments) is Truth.UNKNOWN
