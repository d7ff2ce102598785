"""Removes what is old, a bounded number of rows at a time.

Records go from the beginning of the log on, so that what stays of each chain has no hole; a
record that is appended with the removal says where each chain was cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, or_, select

from callgate import canonical
from callgate.canonical import Json
from callgate.model import ApprovalState
from callgate.store import tables
from callgate.store.base import Record
from callgate.store.connection import rows
from callgate.store.rows import record_of

ROWS_PER_ROUND = 500


def decisions(connection: Connection, before: datetime, now: datetime) -> int:
    """Remove decisions, and their approvals, but for those that wait for a person."""
    decided, asked = tables.decisions, tables.approvals
    waits = (asked.c.state == ApprovalState.PENDING.value) & (asked.c.expires_at > now)
    old = (
        select(decided.c.key)
        .select_from(decided.join(asked, isouter=True))
        .where(decided.c.at < before, or_(asked.c.id.is_(None), ~waits))
        .order_by(decided.c.seq)
        .limit(ROWS_PER_ROUND)
    )
    keys = connection.execute(old).scalars().all()
    connection.execute(delete(asked).where(asked.c.decision_key.in_(keys)))
    connection.execute(delete(decided).where(decided.c.key.in_(keys)))
    return len(keys)


def records(connection: Connection, before: datetime) -> list[Record]:
    """Remove records and return them, oldest first; the newest one of all stays."""
    seq = tables.records.c.seq
    newest = select(func.max(seq)).scalar_subquery()
    kept = select(func.min(seq)).where(tables.records.c.at >= before).scalar_subquery()
    old = select(tables.records).where(seq < func.coalesce(kept, newest))
    found = rows(connection, old.order_by(seq).limit(ROWS_PER_ROUND))
    if found:
        connection.execute(delete(tables.records).where(seq <= found[-1]["seq"]))
    return [record_of(row) for row in found]


def anchors(removed: Sequence[Record]) -> list[Json]:
    """Of each chain the last of the removed records: its instance, `seq` and SHA-256 (RFC 8785)."""
    last = {str(record["instance"]): dict(record) for record in removed}
    return [
        {
            "instance": instance,
            "seq": record["seq"],
            "digest": hashlib.sha256(canonical.dump(record)).hexdigest(),
        }
        for instance, record in sorted(last.items())
    ]
