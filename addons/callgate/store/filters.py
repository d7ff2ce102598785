"""Which records are meant; the same for every store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from callgate.canonical import Json
from callgate.model import Decision
from callgate.store.base import Record


def matches(record: Record, filters: Mapping[str, str]) -> bool:
    """Tell whether a record has all wanted values, see `Store.records`."""
    return all(
        key in record and _equals(record[key], wanted.casefold()) for key, wanted in filters.items()
    )


def _equals(value: Json, wanted: str) -> bool:
    if isinstance(value, list):
        return any(_equals(element, wanted) for element in value)
    text = value if isinstance(value, str) else json.dumps(value)
    return text.casefold() == wanted


def belonging(
    records: Sequence[Record], decisions: Sequence[Decision], won: Sequence[Decision]
) -> list[Record]:
    """Leave out the records of decisions that lost their key; `trace` tells whose they are."""
    lost = {d.trace for d in decisions} - {d.trace for d in won} - {""}
    return [record for record in records if record.get("trace", "") not in lost]
