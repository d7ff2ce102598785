"""Interven's older contracts, signed with HMAC: `POST /invoke` and `POST /mcp`.

Read off the SDK (aif_sdk/client.py, mcp.py). There the gateway runs the call with the client's
credential; here it is judged and never run, and every answer says so. An agent's secret is its
key of the gateway.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import StoreError
from callgate.gateway.answers import JsonAnswer
from callgate.gateway.asked import Asked, AskingError, invoke, parse, part, text
from callgate.gateway.decisions import Decisions, answer_of
from callgate.gateway.intake import Intake
from callgate.gateway.status import described
from callgate.model import Decision, Effect, Reason

NOT_EXECUTED = "Callgate never executes upstream calls: it decides, and nothing was sent"
_MAX_AGE = timedelta(seconds=60)
_REPLAY = "replay rejected: the timestamp is more than 60 seconds off, or missing"


class Legacy:
    """Answers `AifClient` and `AifMcpMiddleware`."""

    def __init__(self, decisions: Decisions, intake: Intake, clock: Callable[[], datetime]) -> None:
        self._decisions = decisions
        self._intake = intake
        self._clock = clock

    async def invoke(self, client: str, request: Request, body: bytes) -> Response:
        """Judge one call; 400 for one that was signed more than a minute ago."""
        try:
            document = parse(body)
            if not self._is_fresh(text(document, "ts", default="")):
                return JsonAnswer({"decision": Effect.DENY.value, "error": _REPLAY}, 400)
            asked = invoke(document, client)
        except AskingError as error:
            await self._intake.refused(client, request, str(error), 200)
            return JsonAnswer(_denied(Reason.MALFORMED_ARGUMENTS, str(error)))
        decision, answer = await self._decided(asked)
        return JsonAnswer(_described(decision, answer))

    async def mcp(self, client: str, request: Request, body: bytes) -> Response:
        """Judge one `tools/call`; what is allowed has to be forwarded by who asked."""
        id: Json = None
        try:
            document = parse(body)
            id = document.get("id")
            if not self._is_fresh(request.headers.get("x-aif-timestamp", "")):
                return JsonAnswer(_fault(id, -32600, _REPLAY))
            if (method := text(document, "method")) != "tools/call":
                return JsonAnswer(_fault(id, -32601, f"{method[:40]} is not served here"))
            params = part(document, "params")
            arguments = params.get("arguments")
            asked = Asked(
                "aif",
                client,
                text(params, "name"),
                canonical.dump({} if arguments is None else arguments).decode(),
                request.headers.get("x-aif-agent-id", ""),
            )
        except AskingError as error:
            await self._intake.refused(client, request, str(error), 200)
            return JsonAnswer(_fault(id, -32600, str(error)))
        decision, answer = await self._decided(asked)
        told: Json = {
            "content": [{"type": "text", "text": _words(decision, answer)}],
            "isError": answer is not Effect.ALLOW,
        }
        return JsonAnswer({"jsonrpc": "2.0", "id": id, "result": told})

    async def status(self, request: Request) -> Response:
        """How an approval stands that was asked for here; who polls has only its random id."""
        id = request.path_params["id"]
        try:
            item = await self._decisions.signed_approval(id)
        except StoreError:
            return JsonAnswer({"approval_id": id[:80], "status": "unknown"}, 503)
        if item is None:
            return JsonAnswer({"approval_id": id[:80], "status": "unknown"}, 404)
        return JsonAnswer(described(item, self._clock()))

    async def execute(self, _: Request) -> Response:
        """Refuse to run an approved call."""
        return JsonAnswer(_denied(Reason.NOT_EXECUTED, NOT_EXECUTED), 501)

    async def _decided(self, asked: Asked) -> tuple[Decision, Effect]:
        decision = await self._decisions.decide(asked)
        observes = self._decisions.observes
        return decision, answer_of(decision, observes=observes, takes_sanitized=False)

    def _is_fresh(self, at: str) -> bool:
        try:
            return abs(self._clock() - datetime.fromisoformat(at)) <= _MAX_AGE
        except (ValueError, TypeError):  # no time, or one without its zone
            return False


def _described(decision: Decision, answer: Effect) -> dict[str, Json]:
    asks = decision.approval if answer is Effect.REQUIRE_APPROVAL else None
    return {
        "decision": answer.value,
        "risk": {"score": decision.risk, "band": decision.band.value, "signals": []},
        "matched_policies": [],
        "reason_codes": list(decision.reasons),
        "approval_id": asks.id if asks else None,
        "approval_url": asks.url if asks else None,
        "trace_id": decision.trace,
        "error": NOT_EXECUTED,
        "upstream_response": None,
        "response_actions": [{"type": Reason.NOT_EXECUTED.value, "message": NOT_EXECUTED}],
    }


def _denied(reason: Reason, why: str) -> dict[str, Json]:
    return {"decision": Effect.DENY.value, "reason_codes": [reason.value], "error": why}


def _fault(id: Json, code: int, why: str) -> dict[str, Json]:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": why}}


def _words(decision: Decision, answer: Effect) -> str:
    lines = [f"{answer.value} by Callgate (trace {decision.trace})", NOT_EXECUTED]
    if decision.reasons:
        lines.insert(1, f"Reasons: {', '.join(decision.reasons)}")
    if answer is Effect.REQUIRE_APPROVAL and decision.approval:
        lines += [f"Approval ID: {decision.approval.id}", f"Approve at {decision.approval.url}"]
    return "\n".join(lines)
