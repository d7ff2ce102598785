"""What a decision means once a person was asked; pure, shared by stores and approvals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from callgate.model import Approval, ApprovalState, Decision, Effect, Reason


def as_of(approval: Approval, now: datetime) -> Approval:
    """The approval as it stands at `now`: a pending one is expired from `expires_at` on."""
    if approval.state is ApprovalState.PENDING and now >= approval.expires_at:
        return replace(approval, state=ApprovalState.EXPIRED)
    return approval


def remembered(decision: Decision, now: datetime) -> Decision:
    """The decision as a store gives it back: raw arguments forgotten, approval applied."""
    call = replace(decision.call, arguments=decision.redacted_arguments)
    decision = replace(decision, call=call)
    if decision.approval is None:
        return decision
    return settle(decision, as_of(decision.approval, now))


def settle(decision: Decision, approval: Approval) -> Decision:
    """Apply an approval, as it stands, to the decision that asked for it.

    Pending stays REQUIRE_APPROVAL; approved becomes ALLOW, or SANITIZE where there are
    sanitized arguments; denied and expired become DENY and say so in the reasons. A decision
    that is DENY for another reason stays DENY: no approval loosens it.
    """
    decision = replace(decision, approval=approval)
    if decision.effect is Effect.DENY:
        return decision
    match approval.state:
        case ApprovalState.PENDING:
            return replace(decision, effect=Effect.REQUIRE_APPROVAL)
        case ApprovalState.APPROVED:
            has_sanitized = decision.sanitized_arguments is not None
            return replace(decision, effect=Effect.SANITIZE if has_sanitized else Effect.ALLOW)
        case ApprovalState.DENIED:
            return _denied(decision, Reason.APPROVAL_DENIED)
        case ApprovalState.EXPIRED:
            return _denied(decision, Reason.APPROVAL_EXPIRED)
    assert_never(approval.state)


def _denied(decision: Decision, reason: Reason) -> Decision:
    return replace(decision, effect=Effect.DENY, reasons=(*decision.reasons, reason.value))
