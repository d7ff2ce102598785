"""What Callgate writes onto traffic: response headers, notices and refusals' texts."""

from __future__ import annotations

from collections.abc import Sequence

from http_sf import DisplayString, Token, ser
from http_sf.types import BareItemType

from callgate.exchange import Headers
from callgate.model import Decision, Effect, Mode

PREFIX = "callgate-"
_LIMIT = 4096
"""Bytes of all headers together; Node gives up at 16 KiB for a whole response."""


def notice(decision: Decision) -> str:
    """The text that stands in for a result of a call that was not to be run.

    Deterministic: the same decision has the same notice on every proxy and after a restart.
    """
    if decision.effect is Effect.REQUIRE_APPROVAL and decision.approval:
        return pending(decision.approval.url, decision.trace)
    return blocked(decision.reasons, decision.trace)


def pending(url: str, trace: str) -> str:
    """The notice of a call that a person is asked about."""
    return f"Tool call awaits approval at {url} (trace {trace})"


def blocked(reasons: Sequence[str], trace: str) -> str:
    """The notice of a denied call."""
    return f"Tool call blocked by Callgate: {', '.join(reasons)} (trace {trace})"


def strictest(decisions: Sequence[Decision]) -> Effect:
    """The strictest effect; raises ValueError for no decisions."""
    return max((d.effect for d in decisions), key=lambda effect: effect.strictness)


def headers(decisions: Sequence[Decision], mode: Mode) -> Headers:
    """`Callgate-Mode`, and where there are calls `Callgate-Decision` and `Callgate-Calls`.

    RFC 9651 structured fields, below 4 KiB together; calls that do not fit are counted in a
    last member `"...";truncated=N`. The strictest calls come first when something must go.
    """
    mode_header = ("Callgate-Mode", mode.value)
    if not decisions:
        return (mode_header,)
    decision_header = ("Callgate-Decision", strictest(decisions).value.lower())
    room = _LIMIT - sum(len(k) + len(v) + 4 for k, v in (mode_header, decision_header))
    return (
        mode_header,
        decision_header,
        ("Callgate-Calls", calls_field(decisions, room - len("Callgate-Calls: \r\n"))),
    )


def calls_field(decisions: Sequence[Decision], room: int = _LIMIT) -> str:
    """The value of `Callgate-Calls`, in the order of the calls, at most `room` bytes.

    Printable ASCII whatever the calls hold. `room` must do for the last member alone.
    """
    members = [_member(decision) for decision in decisions]
    whole = ", ".join(members)
    if len(whole) <= room:
        return whole
    room -= len(_rest(len(members))) + 2
    order = sorted(range(len(members)), key=lambda i: -decisions[i].effect.strictness)
    kept: set[int] = set()
    for index in order:
        if len(members[index]) + 2 <= room:
            room -= len(members[index]) + 2
            kept.add(index)
    shown = [members[index] for index in sorted(kept)]
    return ", ".join([*shown, _rest(len(members) - len(kept))])


def _rest(count: int) -> str:
    parameters: dict[str, BareItemType] = {"truncated": count}
    return ser([("...", parameters)])


def _member(decision: Decision) -> str:
    parameters: dict[str, BareItemType] = {"decision": Token(decision.effect.value.lower())}
    if decision.reasons:
        parameters["reason"] = _string(",".join(decision.reasons))
    parameters["trace"] = _string(decision.trace)
    if decision.effect is Effect.REQUIRE_APPROVAL and decision.approval:
        parameters["approval"] = _string(decision.approval.id)
        parameters["approval-url"] = _string(decision.approval.url)
    return ser([(_string(decision.call.id), parameters)])


def _string(text: str) -> str | DisplayString:
    """RFC 9651 3.3.3 strings are printable ASCII; the rest needs a Display String (3.3.8)."""
    if text.isascii() and text.isprintable():
        return text
    return DisplayString(text.encode("utf-8", "replace").decode())
