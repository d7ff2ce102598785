"""The check behind `date_range_max_days`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from callgate.canonical import Json
from callgate.policy.checks import Check
from callgate.policy.fields import Fields
from callgate.policy.truth import HOLDS, Outcome, Truth, combined

_RANGES = (
    ("startdate", "enddate"),
    ("starttime", "endtime"),
    ("startsat", "endsat"),
    ("datestart", "dateend"),
    ("start", "end"),
    ("fromdate", "todate"),
    ("datefrom", "dateto"),
    ("from", "to"),
    ("since", "until"),
    ("after", "before"),
)


def date_range(days: int | float) -> Check:
    """Every pair of start and end must lie at most so many days apart, in order."""

    def check(fields: Fields, strict: bool) -> Outcome:
        ranges = [*_pairs(fields), *_whole_ranges(fields)]
        if not ranges:
            return Outcome(Truth.UNKNOWN, "start and end dates are missing")
        return combined((_within(start, end, days) for start, end in ranges), strict=strict)

    return check


def _pairs(fields: Fields) -> Iterator[tuple[Json, Json]]:
    for first, last in _RANGES:
        starts, ends = fields.values([first]), fields.values([last])
        for start in starts or ([None] if ends else []):
            for end in ends or [None]:
                yield start, end


def _whole_ranges(fields: Fields) -> Iterator[tuple[Json, Json]]:
    """One field with both dates: an object, a list of two, or `2026-01-01/2026-03-31`."""
    for value in fields.values(["daterange", "dates", "period"]):
        if isinstance(value, dict):
            yield next(_pairs(Fields(value)), (None, None))
        elif isinstance(value, list) and len(value) == 2:
            yield value[0], value[1]
        elif isinstance(value, str) and value.count("/") == 1:
            start, _, end = value.partition("/")
            yield start, end
        else:
            yield None, None


def _within(start: Json, end: Json, days: int | float) -> Outcome:
    first, last = _moment(start), _moment(end)
    if first is None or last is None:
        return Outcome(Truth.UNKNOWN, "start or end is missing or not an ISO 8601 date")
    if last < first:
        return Outcome(Truth.FAILS, "the range ends before it starts")
    if (last - first).total_seconds() > days * 86_400:
        return Outcome(Truth.FAILS, f"the range is longer than {days} days")
    return HOLDS


def _moment(value: Json) -> datetime | None:
    """Read an ISO 8601 date or time; without a zone it counts as UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
