"""Aegis' contract: `POST /execute`.

Read off the SDK (aegis_openai/__init__.py, `_AegisGuard`, 1.1.6). It knows no redacted
arguments, and runs calls on every word but deny, block, reject and escalate: also on
`rate_limited`, so that nothing here is ever answered with 429.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from callgate.canonical import Json
from callgate.gateway.answers import JsonAnswer
from callgate.gateway.asked import AskingError, execute, parse
from callgate.gateway.decisions import Decisions, answer_of
from callgate.gateway.intake import Intake
from callgate.model import Decision, Effect

_ACTIONS = {
    Effect.ALLOW: "allow",
    Effect.REQUIRE_APPROVAL: "escalate",
    Effect.DENY: "deny",
}


class Aegis:
    """Answers `AegisClient.check`, and so `AegisOpenAI`."""

    def __init__(self, decisions: Decisions, intake: Intake) -> None:
        self._decisions = decisions
        self._intake = intake

    async def execute(self, client: str, request: Request, body: bytes) -> Response:
        """Judge one call: 200 for allow, 403 for deny and escalate."""
        try:
            asked = execute(parse(body), client, request.headers.get("x-agent-id", ""))
        except AskingError as error:
            await self._intake.refused(client, request, str(error), 403)
            return denied(str(error))
        decision = await self._decisions.decide(asked)
        answer = answer_of(decision, observes=self._decisions.observes, takes_sanitized=False)
        status = 200 if answer is Effect.ALLOW else 403
        data = _described(decision, answer)
        return JsonAnswer({"success": status == 200, "data": data}, status)


def denied(why: str) -> Response:
    """A deny without a call."""
    data: Json = {"action": "deny", "risk": 1.0, "findings": [why], "reason": why}
    return JsonAnswer({"success": False, "error": why, "data": data}, 403)


def _described(decision: Decision, answer: Effect) -> dict[str, Json]:
    why = decision.explanation
    if answer is Effect.DENY and decision.effect is Effect.SANITIZE:
        why += "; the arguments would have to be redacted, which this contract has no word for"
    data: dict[str, Json] = {
        "action": _ACTIONS[answer],
        "risk": float(decision.risk),
        "findings": list(decision.reasons),
        "reason": why,
        "trace_id": decision.trace,
    }
    if answer is Effect.REQUIRE_APPROVAL and decision.approval:
        data["approval_id"] = decision.approval.id
        data["approval_url"] = decision.approval.url
    return data
