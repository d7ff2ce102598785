"""Decisions, approvals and records as rows, and back.

Raw arguments are not stored: a decision that comes back has its redacted arguments in
`call.arguments` too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from callgate.model import (
    Approval,
    ApprovalState,
    Decision,
    Effect,
    Finding,
    SurfaceName,
    ToolCall,
    Verdict,
)
from callgate.store.base import Record
from callgate.store.keyed import KeyedHash
from callgate.store.tables import timestamp

type Row = Mapping[str, Any]


def decision_row(decision: Decision, keyed: KeyedHash, at: datetime) -> dict[str, object]:
    """Values for `tables.decisions`; the effect is the one before any approval."""
    call = decision.call
    return {
        "key": keyed.call(call.key),
        "scope_key": keyed.scope(call.surface, call.origin, call.scope),
        "id_key": keyed.id(call.surface, call.origin, call.id),
        "surface": call.surface.value,
        "origin": call.origin,
        "scope": call.scope,
        "call_id": call.id,
        "digest": keyed.digest(call.digest),
        "effect": decision.effect.value,
        "at": at,
        "body": {
            "name": call.name,
            "kind": call.kind,
            "agent": call.agent,
            "assistant": call.assistant,
            "model": call.model,
            "takes_no_notice": call.takes_no_notice,
            "reasons": decision.reasons,
            "risk": decision.risk,
            "trace": decision.trace,
            "verdicts": [asdict(verdict) for verdict in decision.verdicts],
            "sanitized_arguments": decision.sanitized_arguments,
            "redacted_arguments": decision.redacted_arguments,
        },
    }


def decision_of(row: Row) -> Decision:
    """The decision in a row, without its approval; raises ValueError for a damaged row."""
    body = row["body"]
    try:
        return Decision(
            call=ToolCall(
                surface=SurfaceName(row["surface"]),
                origin=row["origin"],
                scope=row["scope"],
                id=row["call_id"],
                name=body["name"],
                arguments=body["redacted_arguments"],
                digest=row["digest"],
                kind=body["kind"],
                agent=body["agent"],
                assistant=body["assistant"],
                model=body["model"],
                takes_no_notice=body["takes_no_notice"],
            ),
            effect=Effect(row["effect"]),
            reasons=tuple(body["reasons"]),
            risk=body["risk"],
            trace=body["trace"],
            verdicts=tuple(_verdict(verdict) for verdict in body["verdicts"]),
            sanitized_arguments=body["sanitized_arguments"],
            redacted_arguments=body["redacted_arguments"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"decision {row['seq']} is damaged: {error!r}") from error


def _verdict(stored: Row) -> Verdict:
    return Verdict(
        **{
            **stored,
            "effect": Effect(stored["effect"]),
            "reasons": tuple(stored["reasons"]),
            "findings": tuple(Finding(**finding) for finding in stored["findings"]),
        }
    )


def approval_row(approval: Approval, decision_key: str) -> dict[str, object]:
    """Values for `tables.approvals`."""
    return {
        **asdict(approval),
        "state": approval.state.value,
        "decision_key": decision_key,
    }


def approval_of(row: Row, prefix: str = "") -> Approval:
    """The approval in a row whose column names start with `prefix`."""
    return Approval(
        id=row[f"{prefix}id"],
        state=ApprovalState(row[f"{prefix}state"]),
        created_at=row[f"{prefix}created_at"],
        expires_at=row[f"{prefix}expires_at"],
        url=row[f"{prefix}url"],
        decided_at=row[f"{prefix}decided_at"],
        decided_by=row[f"{prefix}decided_by"],
        note=row[f"{prefix}note"],
        good_until=row[f"{prefix}good_until"],
    )


def record_row(record: Record, instance: str, at: datetime) -> dict[str, object]:
    """Values for `tables.records`."""
    body = {key: value for key, value in record.items() if key != "kind"}
    return {"instance": instance, "at": at, "kind": record["kind"], "body": body}


def retention_record(before: datetime, removed: int) -> Record:
    """The record that stands for older ones that were removed."""
    return {"kind": "retention", "before": timestamp(before), "removed": removed}


def _signed(line: str) -> Row:
    found = json.loads(line)
    if not (isinstance(found, dict) and isinstance(found.get("record"), dict)):
        raise ValueError("a record's line is damaged")
    return dict(found["record"])


def record_of(row: Row) -> Record:
    """The record in a row, with where and when it was written.

    Raises ValueError for a damaged row.
    """
    body = row["body"] if row.get("line") is None else _signed(row["line"])
    place = {} if row.get("number") is None else {"number": row["number"]}
    return {
        **body,
        **place,
        "seq": row["seq"],
        "at": timestamp(row["at"]),
        "instance": row["instance"],
        "kind": row["kind"],
    }
