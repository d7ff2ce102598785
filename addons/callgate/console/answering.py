"""Approvals: what waits for a person, and the pages that take the answer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from callgate.approvals import MOST_MINUTES, ApprovalError
from callgate.console import views
from callgate.console.parts import parts_of
from callgate.console.rendering import FormError, read_form, render, signed_in
from callgate.console.sessions import Session
from callgate.model import ApprovalState
from callgate.store.base import ApprovalItem

MINUTES = (0, 5, 15, 60, MOST_MINUTES)
"""What the form offers; 0 is this call alone."""

_MOST_SHOWN = 50
_MOST_NOTE = 1000


@signed_in
async def queue(request: Request, session: Session) -> Response:
    """What waits, oldest first, and what was answered last."""
    store = parts_of(request).store
    waiting = await store.approvals(ApprovalState.PENDING)
    answered = [
        item
        for state in (ApprovalState.APPROVED, ApprovalState.DENIED)
        for item in (await store.approvals(state))[-10:]
    ]
    answered.sort(key=lambda item: item.approval.decided_at or item.approval.created_at)
    done = request.query_params.get("done", "")
    return await render(
        request,
        session,
        "approvals",
        items=[_shown(item) for item in waiting[:_MOST_SHOWN]],
        more=max(0, len(waiting) - _MOST_SHOWN),
        answered=answered[:-11:-1],
        done=await store.approval(done) if done else None,
        minutes=MINUTES,
    )


@signed_in
async def one(request: Request, session: Session) -> Response:
    """One approval: where the address in a notice leads."""
    return await _one(request, session)


@signed_in
async def answer(request: Request, session: Session) -> Response:
    """Approve or deny."""
    parts, id = parts_of(request), request.path_params["id"]
    fields = await read_form(request, session)
    note, by = fields.get("note", "").strip()[:_MOST_NOTE], session.operator
    try:
        match fields.get("answer"):
            case "approve":
                await parts.approvals.approve(id, by, note, _minutes(fields.get("minutes", "")))
            case "deny":
                await parts.approvals.deny(id, by, note)
            case _:
                raise FormError("this form has no answer")
    except ApprovalError as error:
        return await _one(request, session, 409, str(error))
    parts.feed.stir()
    return RedirectResponse(f"/approvals?done={id}", 303)


async def _one(request: Request, session: Session, status: int = 200, error: str = "") -> Response:
    item = await parts_of(request).store.approval(request.path_params["id"])
    if item is None:
        return await render(request, session, "missing", 404, what="approval")
    return await render(
        request,
        session,
        "approval",
        status,
        item=_shown(item),
        error=error,
        minutes=MINUTES,
    )


def _minutes(text: str) -> int:
    """Minutes as the form has them; raises FormError."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise FormError("the number of minutes is not a number")
    return int(text)


def _shown(item: ApprovalItem) -> dict[str, object]:
    return {
        "approval": item.approval,
        "decision": item.decision,
        "arguments": views.laid_out(item),
    }
