"""Removes what is old, a bounded number of rows at a time.

Records go from the beginning of the log on, so that what stays of each chain has no hole.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select

from callgate.chain import Chain
from callgate.model import ApprovalState
from callgate.store import chaining, tables

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


def records(connection: Connection, before: datetime, chain: Chain | None) -> int:
    """Remove records from the beginning on, and return how many; the newest one stays.

    A proxy removes its own and leaves a signed anchor for them; what is in no chain is
    anybody's.
    """
    records = tables.records.c
    if loose := _oldest(connection, records.line.is_(None), before):
        gone = delete(tables.records).where(records.line.is_(None), records.seq <= loose)
        return connection.execute(gone).rowcount
    mine = chain and _oldest(connection, records.instance == chain.instance, before)
    return chaining.cut(connection, chain, mine) if chain and mine else 0


def _oldest(connection: Connection, which: ColumnElement[bool], before: datetime) -> int | None:
    """Up to which `seq` some of the oldest of these records may go."""
    seq, at = tables.records.c.seq, tables.records.c.at
    newest = select(func.max(seq)).scalar_subquery()
    kept = select(func.min(seq)).where(which, at >= before).scalar_subquery()
    old = select(seq).where(which, seq < func.coalesce(kept, newest), seq < newest)
    found = connection.execute(old.order_by(seq).limit(ROWS_PER_ROUND)).scalars().all()
    return found[-1] if found else None
