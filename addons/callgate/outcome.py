"""What becomes of a message: it goes on, perhaps changed, or an error is given instead."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.errors import CallgateError
from callgate.exchange import ApiError, Headers
from callgate.model import Decision


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator chose for requests and bodies."""

    max_bytes: int = 32 << 20
    on_denied_result: str = "refuse"
    on_denied_hosted_tool: str = "refuse"
    unknown_result: str = "refuse"
    realtime_uninspectable: str = "refuse"
    unknown_endpoints: str = "inspect"
    results: str = "scan"


@dataclass(frozen=True, slots=True)
class Forward:
    """Let the message go on; `body` is None where the bytes stay as they are."""

    body: bytes | None = None
    headers: Headers = ()
    conversation: str = ""
    """Of a request that tells something; see `Request.conversation`."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with this error instead; nothing of the message goes on."""

    error: ApiError
    cause: Decision | None = None
    """On the call that is to blame, where there is one; goes into the record."""


type Outcome = Forward | Refuse


class RefusedError(CallgateError):
    """The message may not go on; carries what is answered instead."""

    def __init__(self, refusal: Refuse) -> None:
        """`refusal` says why."""
        super().__init__(refusal.error.message)
        self.refusal = refusal


def not_answerable(decision: Decision) -> Refuse:
    """Refuse a turn with a denied call that no notice can stand in for."""
    call = decision.call
    return Refuse(
        ApiError(
            f"Callgate ended this turn: tool call {call.id[:80]!r} ({call.name[:80]}) was denied "
            f"[{', '.join(decision.reasons)}] (trace {decision.trace}), and its result can not be "
            "a notice: a program at the API would take it for data, it has to be a picture, or it "
            "is of a type that Callgate does not know.",
            "tool_call_denied",
        ),
        decision,
    )


def not_inspectable(why: str, param: str | None = None) -> Refuse:
    """Refuse a request that can not be read with certainty."""
    return Refuse(
        ApiError(
            f"Callgate refused this request because it can not be inspected: {why}. "
            "Nothing was sent to the API.",
            "request_not_inspectable",
            param=param,
        )
    )


def not_deliverable(why: str) -> Refuse:
    """Refuse a response that can not be read with certainty."""
    return Refuse(
        ApiError(
            f"Callgate withheld the API's response because it can not be inspected: {why}. "
            "It could carry tool calls that nobody has judged.",
            "response_not_inspectable",
            status=502,
            type="api_error",
        )
    )


def out_of_order(why: str) -> Refuse:
    """Refuse because Callgate itself can not do its work now."""
    return Refuse(
        ApiError(
            f"Callgate can not judge this exchange now and lets nothing through unjudged: {why}.",
            "callgate_unavailable",
            status=503,
            type="api_error",
            is_retryable=True,
        )
    )
