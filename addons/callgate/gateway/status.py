"""How an approval stands: Interven's and Aegis' words for it in one answer.

Both SDKs poll `GET /v1/approvals/{id}/status`: Interven's reads the answer itself
(aif_sdk/types.py), Aegis' its `data` (aegis_openai/__init__.py, `_poll_until_decided`).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from callgate.bounded import trim
from callgate.canonical import Json
from callgate.errors import StoreError
from callgate.gateway.answers import JsonAnswer
from callgate.gateway.decisions import GRANT, Decisions
from callgate.model import Approval, ApprovalState
from callgate.store.base import ApprovalItem, Store
from callgate.store.tables import timestamp

POLL_SECONDS = 2.0
"""Each client may ask once in this time about each approval (aif_sdk/scan.py)."""
_REMEMBERED = 10_000
_AEGIS = {
    ApprovalState.PENDING: "pending",
    ApprovalState.APPROVED: "approved",
    ApprovalState.DENIED: "rejected",
    # it knows no expiry, and would go on polling
    ApprovalState.EXPIRED: "rejected",
}


class Status:
    """Tells clients how the approvals stand that they have asked for."""

    def __init__(
        self,
        decisions: Decisions,
        store: Store,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
    ) -> None:
        """`seconds` is a clock that never goes back."""
        self._decisions = decisions
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._asked: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def tell(self, client: str, request: Request, body: bytes) -> Response:
        """Tell a client; 429 more than once in two seconds, 404 for what it has not asked for."""
        id = request.path_params["id"]
        if wait := self._wait(client, id):
            retry = {"retry-after": str(math.ceil(wait))}
            return _unknown(id, "asked more than once in 2 seconds", 429, retry)
        try:
            item = await self._decisions.approval(id, client)
        except StoreError:
            return _unknown(id, "the store does not answer", 503)
        if item is None:
            return _unknown(id, "no such approval", 404)
        return JsonAnswer(described(item, self._clock()))

    async def page(self, request: Request) -> Response:
        """For people: the state, and the commands that decide; nothing of the call."""
        try:
            item = await self._store.approval(request.path_params["id"])
        except StoreError:
            return PlainTextResponse("The store does not answer.\n", 503)
        if item is None:
            return PlainTextResponse("No such approval.\n", 404)
        approval = item.approval
        if approval.state is not ApprovalState.PENDING:
            return PlainTextResponse(f"It is decided: {approval.state.value}.\n")
        return PlainTextResponse(
            f"A tool call awaits approval until {approval.expires_at:%Y-%m-%d %H:%M} UTC.\n"
            "Look at it with\n\n  callgate approvals list\n\nand decide with\n\n"
            f"  callgate approvals approve {approval.id}\n"
            f"  callgate approvals deny {approval.id}\n"
        )

    def _wait(self, client: str, id: str) -> float:
        """Seconds until this may be asked again; 0 notes that it was asked now."""
        now, key = self._seconds(), (client, id)
        left = self._asked.get(key, -math.inf) + POLL_SECONDS - now
        if left > 0:
            return left
        self._asked[key] = now
        self._asked.move_to_end(key)
        trim(self._asked, _REMEMBERED)
        return 0


def described(item: ApprovalItem, now: datetime) -> dict[str, Json]:
    """An approval in both contracts' words.

    One whose arguments must be redacted as well is never plainly `approved`: who polls would run
    the call with the arguments that it has. The next scan of the same request allows it, redacted.
    """
    approval, state = item.approval, item.approval.state
    left = max((approval.expires_at - now).total_seconds(), 0)
    is_open = state is ApprovalState.PENDING
    must_redact = state is ApprovalState.APPROVED and item.decision.sanitized_arguments is not None
    return {
        "approval_id": approval.id,
        "status": "approved_sanitized" if must_redact else state.value,
        "decision": None if is_open else state.value,
        "decided_at": timestamp(approval.decided_at) if approval.decided_at else None,
        "expires_at": timestamp(approval.expires_at),
        "remaining_seconds": int(left) if is_open else 0,
        "poll_guidance": f"ask again after {POLL_SECONDS:g} seconds" if is_open else None,
        "retry_guidance": _guidance(state, must_redact=must_redact),
        "data": {
            "status": "rejected" if must_redact else _AEGIS[state],
            "reason": _why(approval, must_redact=must_redact),
        },
    }


def _guidance(state: ApprovalState, *, must_redact: bool) -> str | None:
    if state is not ApprovalState.APPROVED:
        return None
    minutes = int(GRANT.total_seconds() // 60)
    if must_redact:
        return f"scan the same request again within {minutes} minutes for its redacted body"
    return f"go ahead; the same request scanned within {minutes} minutes is allowed once"


def _why(approval: Approval, *, must_redact: bool) -> str | None:
    if must_redact:
        return "approved with redacted arguments, which this contract has no word for"
    return approval.note or (
        "nobody decided in time" if approval.state is ApprovalState.EXPIRED else None
    )


def _unknown(id: str, why: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Not a state that ends an SDK's waiting, and none that lets it go on."""
    return JsonAnswer({"approval_id": id[:80], "status": "unknown", "error": why}, status, headers)
