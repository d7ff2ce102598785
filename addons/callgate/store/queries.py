"""The statements that look up decisions and approvals.

Built once: putting a statement together takes as long as running it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, select

from callgate.model import ApprovalState
from callgate.store import tables

APPROVAL = "approval_"
"""Before the names of an approval's columns beside its decision's."""


def _with_approval(*, is_outer: bool) -> Select[Any]:
    answers = [column.label(APPROVAL + column.name) for column in tables.approvals.c]
    joined = tables.decisions.join(tables.approvals, isouter=is_outer)
    return select(*tables.decisions.c, *answers).select_from(joined)


BY_KEYS = _with_approval(is_outer=True).where(
    tables.decisions.c.key.in_(bindparam("keys", expanding=True))
)
BY_SCOPE = (
    _with_approval(is_outer=True)
    .where(tables.decisions.c.scope_key == bindparam("scope_key"))
    .order_by(tables.decisions.c.seq)
)
BY_IDS = (
    _with_approval(is_outer=True)
    .where(tables.decisions.c.id_key.in_(bindparam("ids", expanding=True)))
    .order_by(tables.decisions.c.seq)
)
ASKED = _with_approval(is_outer=False).order_by(
    tables.approvals.c.created_at, tables.decisions.c.seq
)
PENDING = select(tables.approvals.c.id).where(
    tables.approvals.c.id.in_(bindparam("ids", expanding=True)),
    tables.approvals.c.state == ApprovalState.PENDING.value,
    tables.approvals.c.expires_at > bindparam("now"),
)
