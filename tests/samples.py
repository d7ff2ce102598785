"""Decisions to remember; each call of a function makes new trace ids."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from callgate.canonical import call_digest
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

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def tool_call(
    id: str = "call_1",
    *,
    scope: str = "thread_1/run_1",
    name: str = "send_message",
    arguments: str = '{"text":"hello"}',
) -> ToolCall:
    return ToolCall(
        surface=SurfaceName.ASSISTANTS,
        origin="api.openai.com:443",
        scope=scope,
        id=id,
        name=name,
        arguments=arguments,
        digest=call_digest("function", name, arguments),
        agent="kim",
        assistant="asst_1",
        model="gpt-4o",
    )


def decided(
    effect: Effect = Effect.DENY, call: ToolCall | None = None, secret: str = ""
) -> Decision:
    """A decision with all fields filled; `secret` stands in its raw arguments only."""
    call = call or tool_call()
    if secret:
        call = tool_call(call.id, scope=call.scope, arguments=json.dumps({"text": secret}))
    redacted = '{"text":"[REDACTED:AWS_ACCESS_KEY]"}' if secret else call.arguments
    trace = str(uuid.uuid4())
    finding = Finding("AWS_ACCESS_KEY", "SECRET_DETECTED", "$.text", 0, 20, 0.9, "a key")
    sanitized = redacted if effect is Effect.SANITIZE else None
    verdict = Verdict(
        scanner="local",
        effect=effect,
        reasons=("SECRET_DETECTED",),
        risk=0.9,
        trace=trace,
        explanation="a key in $.text",
        findings=(finding,),
        sanitized_arguments=sanitized,
    )
    return Decision(
        call=call,
        effect=effect,
        reasons=("SECRET_DETECTED",),
        risk=0.9,
        trace=trace,
        verdicts=(verdict,),
        sanitized_arguments=sanitized,
        redacted_arguments=redacted,
    )


def pending(call: ToolCall | None = None, *, ttl_seconds: float = 3600) -> Decision:
    """A decision that waits for a person, asked at `NOON`."""
    approval = Approval(
        id="apr_" + secrets.token_hex(16),
        state=ApprovalState.PENDING,
        created_at=NOON,
        expires_at=NOON + timedelta(seconds=ttl_seconds),
        url="http://127.0.0.1:8081/approvals",
    )
    return replace(decided(Effect.REQUIRE_APPROVAL, call), approval=approval)
