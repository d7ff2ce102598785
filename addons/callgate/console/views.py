"""What pages say about records and approvals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callgate.annotation import blocked, pending
from callgate.console.formats import EFFECTS, moment
from callgate.console.highlight import Piece, pieces
from callgate.model import Approval, ApprovalState
from callgate.store.base import ApprovalItem, Record, Search, Store

FILTERS = {
    "agent": "agent",
    "assistant": "assistant",
    "thread": "thread",
    "tool": "tool",
    "decision": "decision",
    "reason": "reasons",
    "surface": "surface",
    "trace": "trace",
}
"""Names of the filters in addresses, and the fields of records that they mean."""

_MOST_RECORDS = 500


@dataclass(frozen=True, slots=True)
class Call:
    """One judged call in a list."""

    record: Mapping[str, Any]
    at: datetime
    effect: str
    approval: Approval | None

    @property
    def word(self) -> str:
        """`allowed`, `redacted`, `asked` or `denied`; once a person was asked, what came of it."""
        if self.approval is None or self.effect != "REQUIRE_APPROVAL":
            return EFFECTS[self.effect]
        return "waiting" if self.approval.state is ApprovalState.PENDING else self.approval.state


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything about one call."""

    call: Call
    arguments: Sequence[Piece]
    history: Sequence[Mapping[str, Any]]
    """Its other records, oldest first."""
    notice: str
    """What stands in for its result; empty where the result may pass."""

    @property
    def effect(self) -> str:
        """The decision as it stands now."""
        approval = self.call.approval
        if approval is None or self.call.effect != "REQUIRE_APPROVAL":
            return self.call.effect
        match approval.state:
            case ApprovalState.PENDING:
                return "REQUIRE_APPROVAL"
            case ApprovalState.APPROVED:
                return "ALLOW"
            case _:
                return "DENY"


def wanted(query: Mapping[str, str]) -> Search:
    """The search that an address asks for."""
    before = query.get("before", "")
    return Search(
        kinds=["call"],
        filters={field: query[name] for name, field in FILTERS.items() if query.get(name)},
        text=query.get("q", ""),
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
    )


async def listed(store: Store, records: Sequence[Record]) -> list[Call]:
    """The calls that records tell of, with what people said; raises StoreError."""
    return [await _call(store, record) for record in records]


async def whole(store: Store, trace: str) -> Whole | None:
    """Everything about the call with this trace id, None for none; raises StoreError."""
    found = (await store.search(Search(filters={"trace": trace}), _MOST_RECORDS)).records[::-1]
    judged = [record for record in found if record["kind"] == "call"]
    if not judged:
        return None
    # one that could not be decided is judged again: the last word counts
    call = await _call(store, judged[-1])
    record = call.record
    return Whole(
        call,
        pieces(record.get("arguments", "{}"), record.get("findings", ())),
        [other for other in found if other["seq"] != record["seq"]],
        _notice(call),
    )


def laid_out(item: ApprovalItem) -> Sequence[Piece]:
    """The arguments of a call that a person is asked about."""
    found = [f for verdict in item.decision.verdicts for f in verdict.findings]
    marks = [
        {
            "path": finding.path,
            "start": finding.start,
            "end": finding.end,
            "kind": finding.kind,
            "reason": finding.reason,
            "confidence": finding.confidence,
            "explanation": finding.explanation,
        }
        for finding in found
    ]
    return pieces(item.decision.redacted_arguments, marks)


async def _call(store: Store, record: Mapping[str, Any]) -> Call:
    id = record.get("approval")
    item = await store.approval(id) if id else None
    approval = item.approval if item else None
    return Call(record, moment(record["at"]), record["decision"], approval)


def _notice(call: Call) -> str:
    trace, reasons = call.record["trace"], list(call.record.get("reasons", ()))
    if call.effect == "DENY":
        return blocked(reasons, trace)
    if call.effect != "REQUIRE_APPROVAL" or call.approval is None:
        return ""
    match call.approval.state:
        case ApprovalState.PENDING:
            return pending(call.approval.url, trace)
        case ApprovalState.APPROVED:
            return ""
        case state:
            return blocked([*reasons, f"APPROVAL_{state.name}"], trace)
