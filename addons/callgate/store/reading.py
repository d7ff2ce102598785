"""Reading records and standing approvals: the queries of those who only look.

The database narrows the search down in its own thread; what it lets through is looked at
here. Reading is bounded, so that a search that finds nothing does not keep a proxy busy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, func, select, type_coerce

from callgate.canonical import Json
from callgate.model import ApprovalState, ToolCall
from callgate.store import tables
from callgate.store.base import ApprovalItem, Page, Record, Search
from callgate.store.filters import matches
from callgate.store.rows import record_of

MOST_LOOKED_AT = 5000
"""Records that one page looks at, of those that the database could not rule out."""

_PER_QUERY = 250
_COLUMNS = ("seq", "at", "instance")
"""Keys of a record that do not stand in its body."""


def page(connection: Connection, wanted: Search, limit: int) -> Page:
    """See `Store.search`."""
    narrowed = select(tables.records).where(*_narrowed(wanted))
    found: list[Record] = []
    seq, looked_at = wanted.before, 0
    while looked_at < MOST_LOOKED_AT:
        query = narrowed if seq is None else narrowed.where(tables.records.c.seq < seq)
        query = query.order_by(tables.records.c.seq.desc()).limit(_PER_QUERY)
        rows = connection.execute(query).mappings().all()
        for row in rows:
            if len(found) == limit:
                return Page(found, seq)
            record = record_of(dict(row))
            seq = row["seq"]
            if is_wanted(record, wanted):
                found.append(record)
        looked_at += len(rows)
        if len(rows) < _PER_QUERY:
            return Page(found, None)
    return Page(found, seq)


def is_wanted(record: Record, wanted: Search) -> bool:
    """Tell whether a search means this record; the same for every store."""
    return (
        (not wanted.kinds or record["kind"] in wanted.kinds)
        and matches(record, wanted.filters)
        and (not wanted.text or _holds(record, wanted.text.casefold()))
    )


def _holds(value: Json | Record, text: str) -> bool:
    if isinstance(value, str):
        return text in value.casefold()
    if isinstance(value, list):
        return any(_holds(element, text) for element in value)
    if isinstance(value, Mapping):
        return any(_holds(element, text) for element in value.values())
    return False


def _narrowed(wanted: Search) -> Sequence[ColumnElement[bool]]:
    records = tables.records
    parts: list[ColumnElement[bool]] = []
    kinds = {*wanted.kinds, *(v for k, v in wanted.filters.items() if k == "kind")}
    if kinds:
        parts.append(records.c.kind.in_(sorted(kinds)))
    in_body = [v for k, v in wanted.filters.items() if k not in (*_COLUMNS, "kind")]
    # a sealed record is its line
    body = func.coalesce(records.c.line, type_coerce(records.c.body, Text))
    # what JSON writes in another form than it reads can not be looked for in the raw text
    return parts + [
        body.icontains(text, autoescape=True)
        for text in (*in_body, wanted.text)
        if text.isascii() and text.isprintable() and not {'"', "\\"} & set(text)
    ]


def newer(connection: Connection, after: int, newest: int, limit: int) -> list[Record]:
    """See `Store.newer`; of those up to `newest`."""
    seq = tables.records.c.seq
    query = select(tables.records).where(seq > after, seq <= newest).order_by(seq).limit(limit)
    return [record_of(dict(row)) for row in connection.execute(query).mappings()]


def latest(connection: Connection, before: datetime | None, newest: int) -> int:
    """See `Store.latest`; of those up to `newest`."""
    seq = tables.records.c.seq
    query = select(func.max(seq)).where(seq <= newest)
    if before is not None:
        query = query.where(tables.records.c.at < before)
    return connection.execute(query).scalar_one() or 0


def standing(asked: Select[Any], call: ToolCall, digest: str, now: datetime) -> Select[Any]:
    """Narrow a query of approvals down to those that may stand for a call, longest first."""
    decisions, approvals = tables.decisions, tables.approvals
    wanted = asked.where(
        decisions.c.digest == digest,
        decisions.c.surface == call.surface.value,
        decisions.c.origin == call.origin,
        approvals.c.state == ApprovalState.APPROVED.value,
        approvals.c.good_until > now,
    )
    return wanted.order_by(None).order_by(approvals.c.good_until.desc())


def is_same_caller(item: ApprovalItem, call: ToolCall) -> bool:
    """Tell whether what was approved was asked by the same agent and assistant."""
    approved = item.decision.call
    return (approved.agent, approved.assistant) == (call.agent, call.assistant)
