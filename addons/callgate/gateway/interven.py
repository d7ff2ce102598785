"""Interven's contract for clients with a key: `POST /v1/scan`, `/v1/scan/response`.

Read off the SDK (aif_sdk/scan.py, tools.py, guard.py of `interven` 0.6.1).
"""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import StoreError
from callgate.gateway.answers import JsonAnswer
from callgate.gateway.asked import Asked, AskingError, parse, scan, text
from callgate.gateway.decisions import Decisions, answer_of
from callgate.gateway.intake import Intake
from callgate.model import Decision, Effect, Reason


class Interven:
    """Answers `Client.scan`, `scan_response` and what would run tools on a client's behalf."""

    def __init__(self, decisions: Decisions, intake: Intake) -> None:
        self._decisions = decisions
        self._intake = intake

    async def scan(self, client: str, request: Request, body: bytes) -> Response:
        """Judge one call; whatever goes wrong is a DENY."""
        try:
            asked = scan(parse(body), client)
        except AskingError as error:
            await self._intake.refused(client, request, str(error), 200)
            return denied(Reason.MALFORMED_ARGUMENTS, str(error))
        decision = await self._decisions.decide(asked)
        return JsonAnswer(await self._told(asked, decision))

    async def _told(self, asked: Asked, decision: Decision) -> dict[str, Json]:
        sanitized, can_be_sent = _sanitized_body(asked, decision)
        answer = answer_of(decision, observes=self._decisions.observes, takes_sanitized=can_be_sent)
        told = _described(decision, answer)
        if answer is Effect.SANITIZE:
            told["sanitized_body"] = sanitized
        elif answer is Effect.DENY and decision.effect is Effect.SANITIZE:
            told["explanation"] = f"{decision.explanation}; it stands outside the body"
            try:
                await self._decisions.withheld(decision)
            except StoreError:
                told["reason_codes"] = [*decision.reasons, Reason.STORE_UNAVAILABLE.value]
        return told

    async def report(self, client: str, request: Request, body: bytes) -> Response:
        """Look into a result; the call is over, so an error here stops nothing."""
        try:
            document = parse(body)
            trace, output = text(document, "trace_id"), document.get("response_body")
        except AskingError as error:
            await self._intake.refused(client, request, str(error), 400)
            return JsonAnswer({"error": str(error)}, 400)
        try:
            seen = await self._decisions.report(trace, client, output)
        except StoreError:
            return JsonAnswer({"error": "the store does not answer; try again"}, 503)
        digest = hashlib.sha256(canonical.dump(output)).hexdigest()
        return JsonAnswer(
            {
                "trace_id": trace,
                "is_known": seen.is_known,
                "data_classes": sorted({finding.kind for finding in seen.findings}),
                "reason_codes": sorted({finding.reason for finding in seen.findings}),
                # the client has its result already: nothing is taken out of it
                "fields_redacted_count": 0,
                "content_fingerprint": f"sha256:{digest}",
            }
        )

    async def run_tool(self, client: str, request: Request, body: bytes) -> Response:
        """Refuse `/v1/tools/…`: calls are judged here, never run, and no credentials kept."""
        why = "Callgate runs no tools: ask /v1/scan, and run what it allows yourself"
        await self._intake.refused(client, request, why, 403)
        return denied(Reason.NOT_EXECUTED, why, 403)


def denied(reason: Reason, why: str, status: int = 200) -> Response:
    """A DENY without a call; 200, since `gate` goes ahead on errors."""
    return JsonAnswer(
        {
            "decision": Effect.DENY.value,
            "risk_score": 1.0,
            "risk_band": "CRITICAL",
            "reason_codes": [reason.value],
            "sanitized_body": None,
            "approval_id": None,
            "approval_url": None,
            "trace_id": "",
            "explanation": why,
            "error": why,
        },
        status,
    )


def _described(decision: Decision, answer: Effect) -> dict[str, Json]:
    asks = decision.approval if answer is Effect.REQUIRE_APPROVAL else None
    told: dict[str, Json] = {
        "decision": answer.value,
        "risk_score": decision.risk,
        "risk_band": decision.band.value,
        "reason_codes": list(decision.reasons),
        "sanitized_body": None,
        "approval_id": asks.id if asks else None,
        "approval_url": asks.url if asks else None,
        "trace_id": decision.trace,
        "explanation": decision.explanation,
    }
    if answer is not decision.effect:
        told["decided"] = decision.effect.value
    return told


def _sanitized_body(asked: Asked, decision: Decision) -> tuple[Json, bool]:
    """The body to send instead, and whether that is all that has to be exchanged."""
    if decision.sanitized_arguments is None:
        return None, False
    sanitized = canonical.parse(decision.sanitized_arguments)
    if not asked.is_http:
        return sanitized, True
    before = canonical.parse(asked.arguments)
    if not isinstance(sanitized, dict) or not isinstance(before, dict):
        return None, False
    body = sanitized.pop("body", None)
    before.pop("body", None)
    return body, sanitized == before
