"""A result on its way back: the decision on its call, what was seen in it, and its refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from callgate import annotation
from callgate.detectors import ACTS_FROM
from callgate.exchange import ApiError
from callgate.model import (
    CONSENTED,
    Decision,
    Effect,
    Finding,
    Mark,
    Reason,
    SurfaceName,
    ToolResult,
)
from callgate.outcome import Refuse, out_of_order

_MAY_PASS = frozenset((Effect.ALLOW, Effect.SANITIZE))


@dataclass(frozen=True, slots=True)
class Judged:
    """A result with the decision on its call; None where nobody knows the call."""

    result: ToolResult
    decision: Decision | None

    @property
    def takes_no_notice(self) -> bool:
        """See `ToolResult.takes_no_notice`; an app may leave out of a result who asked."""
        return self.result.takes_no_notice or (
            self.decision is not None and self.decision.call.takes_no_notice
        )

    @property
    def is_notice(self) -> bool:
        """The output is exactly the text that stands in for a denied call's result."""
        return (
            self.decision is not None
            and not self.takes_no_notice
            and self.result.output == annotation.notice(self.decision)
        )

    @property
    def may_pass(self) -> bool:
        """The call was allowed, or its result is the notice."""
        return self.decision is not None and (self.decision.effect in _MAY_PASS or self.is_notice)

    @property
    def kind(self) -> str:
        """Of the call, as far as it is known."""
        return self.decision.call.kind if self.decision else "function"

    @property
    def opens_sensitive(self) -> bool:
        """The call itself was found to read what holds secrets."""
        verdicts = self.decision.verdicts if self.decision else ()
        found = (finding for verdict in verdicts for finding in verdict.findings)
        return any(f.reason == Reason.SENSITIVE_FILE and f.confidence >= ACTS_FROM for f in found)

    @property
    def fingerprint(self) -> bytes:
        """The same for the same result of the same call, decided in the same way."""
        trace = self.decision.trace if self.decision else ""
        parts = [trace, self.result.call_id, self.result.output]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in a result."""

    one: Judged
    fingerprint: bytes
    findings: Sequence[Finding] = ()
    redacted: str | None = None
    """The output without what was found, where that is another text."""
    marks: frozenset[Mark] = frozenset()


_MARKS: Mapping[str, Mark] = {
    Reason.SECRET_DETECTED: Mark.SENSITIVE,
    Reason.PII_DETECTED: Mark.SENSITIVE,
    Reason.ARGUMENTS_TOO_LARGE: Mark.SENSITIVE,
    Reason.INJECTED_INSTRUCTIONS: Mark.STEERED,
}


def marks_of(one: Judged, findings: Iterable[Finding]) -> frozenset[Mark]:
    """What a result does to its conversation, as far as one can be sure."""
    found = {_MARKS.get(f.reason) for f in findings if f.confidence >= ACTS_FROM}
    if one.opens_sensitive:
        found.add(Mark.SENSITIVE)
    return frozenset(mark for mark in found if mark)


def refused_for(one: Judged, count: int, why: str) -> Refuse:
    """The refusal of a request because of a result, one of `count`.

    `why` says why the API could not be asked about its call; empty where it was.
    """
    others = f" ({count - 1} more results of this request too)" if count > 1 else ""
    decision, path = one.decision, one.result.path
    if decision is None and why:
        return out_of_order(
            f"it has not seen the call {one.result.call_id[:80]!r}{others} and could not ask the "
            f"API about it ({why}); nothing was sent to the API"
        )
    if decision is None:
        return Refuse(
            ApiError(
                f"Callgate refused this request: it has not seen a call "
                f"{one.result.call_id[:80]!r}{others}, and the API does not know it either. "
                "Nothing was sent to the API. Submit results only of calls that it asked for.",
                "tool_call_unknown",
                param=path,
            )
        )
    call, notice = decision.call, annotation.notice(decision)
    what = f"the result of tool call {call.id[:80]!r} ({call.name[:80]})"
    way_out = f"To go on without it, submit exactly this as its output: {notice!r}" + (
        "; or cancel the run." if call.surface is SurfaceName.ASSISTANTS else "."
    )
    if call.kind in CONSENTED:
        way_out = "To go on without it, decline it instead."
    if one.takes_no_notice:
        way_out = "No text can stand in for it: begin a new conversation."
    if decision.effect is Effect.REQUIRE_APPROVAL and decision.approval:
        text = (
            f"Callgate refused this request: {what} awaits a person's approval"
            f" [{', '.join(decision.reasons)}] (trace {decision.trace}){others}. Nothing was sent "
            f"to the API. When a person has approved {decision.approval.id}"
            f" ({decision.approval.url}), submit again. {way_out}"
        )
        return Refuse(ApiError(text, "tool_call_pending_approval", param=path), decision)
    text = (
        f"Callgate refused this request: {what} was denied [{', '.join(decision.reasons)}] "
        f"(trace {decision.trace}){others}. Nothing was sent to the API. {way_out}"
    )
    return Refuse(ApiError(text, "tool_call_denied", param=path), decision)
