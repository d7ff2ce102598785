"""From verdicts to one decision: pure, knows no scanner, store or clock."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial, reduce
from typing import TypeGuard

from callgate import canonical
from callgate.errors import JsonError, ScannerError
from callgate.merging import merged
from callgate.model import CONSENTED, Decision, Effect, Mode, Reason, ToolCall, Verdict

_KINDS = frozenset(
    str.split(
        "function custom mcp shell_call local_shell_call apply_patch_call computer_call "
        "mcp_approval_request tool_search_call computer_use_approval_request"
    )
)
_UNDECIDED = uuid.UUID("6f0d1c1e-8f1b-5f0e-9a53-2f6a4c0c9d11")


def judge_form(call: ToolCall) -> Verdict | None:
    """Deny what no scanner should have to guess at: unknown types, ambiguous arguments."""
    if call.kind not in _KINDS:
        return _denial("form", Reason.UNKNOWN_TOOL_TYPE, "calls of this type are not known")
    if call.arguments.strip():
        try:
            canonical.parse(call.arguments)
        except JsonError:
            # the parser's own words may quote a key, and that may be a secret
            why = "the arguments are not JSON with exactly one reading"
            return _denial("form", Reason.MALFORMED_ARGUMENTS, why)
    return None


def is_sound(answer: object) -> TypeGuard[Verdict]:
    """Tell whether a scanner's answer is a verdict that can be recorded and carried out."""
    if not isinstance(answer, Verdict) or not isinstance(answer.effect, Effect):
        return False
    if not 0 <= answer.risk <= 1:
        return False
    if answer.sanitized_arguments is None:
        return answer.effect is not Effect.SANITIZE
    try:
        canonical.parse(answer.sanitized_arguments)
    except JsonError:
        return False
    return True


def failure(answer: object) -> tuple[str, str]:
    """What a scanner did instead of giving a verdict, and a reason code where it said one."""
    match answer:
        case ScannerError():
            return str(answer), answer.kind
        case TimeoutError():
            return "took too long", ""
        case BaseException():
            # its text may quote the arguments
            return f"failed with {type(answer).__name__}", ""
        case _:
            return "answered nonsense", ""


def is_undecided(decision: Decision) -> bool:
    """A person has to decide, or the next look judges the call again."""
    if decision.effect is Effect.DENY:
        return not decision.is_final
    return decision.effect is Effect.REQUIRE_APPROVAL


def awaits_person(decision: Decision) -> bool:
    """A person has to decide."""
    return decision.effect is Effect.REQUIRE_APPROVAL


def replacement(decision: Decision, mode: Mode) -> str | None:
    """The arguments that the app gets, of a call that it is shown, instead of the API's.

    Of a pending call too: once it is approved, the redacted arguments are what was approved.
    """
    if mode is Mode.OBSERVE or decision.effect is Effect.ALLOW:
        return None
    return decision.sanitized_arguments


def sure_delivery(decision: Decision, mode: Mode) -> str | None:
    """How records call what the app gets of a call that nothing else can hold back.

    None where that can not be said of the decision alone: it may still change, or the call is
    hidden and answered for.
    """
    is_open = decision.approval is not None or not decision.is_final
    if is_open or (mode is Mode.WITHHOLD and decision.effect is Effect.DENY):
        return None
    return "delivered" if replacement(decision, mode) is None else "sanitized"


def undecided(
    scanner: str,
    reason: Reason,
    explanation: str,
    effect: Effect = Effect.DENY,
    kind: str = "",
) -> Verdict:
    """The verdict of somebody who could not decide: it is never remembered.

    `kind` is a second reason code, where it is known why.
    """
    reasons = (reason, kind) if kind else (reason,)
    return Verdict(scanner, effect, reasons, 0.5, "", explanation, is_final=False)


def combine(call: ToolCall, verdicts: Sequence[Verdict]) -> Decision:
    """Strictest wins; reasons are those of every verdict that objects, strictest first.

    No verdict at all is a DENY: nobody has looked. So is a call to be redacted that does not
    run in the app. Where several redact, everything goes that one of them takes out. The decision's
    verdicts are in order too, and of equal ones those that are sure come first; advisory ones
    come last and change nothing.
    """
    advisory = [verdict for verdict in verdicts if verdict.is_advisory]
    deciding = [verdict for verdict in verdicts if not verdict.is_advisory]
    ranked = sorted(deciding, key=lambda v: (-v.effect.strictness, not v.is_final))
    if not ranked:
        ranked = [undecided("none", Reason.SCANNER_UNAVAILABLE, "no scanner was asked")]
    sanitized = _sanitized(call, ranked)
    if sanitized and call.kind in CONSENTED and ranked[0].effect is not Effect.DENY:
        why = "the API would run the call with the arguments that it has"
        ranked.insert(0, _denial("form", None, why))
    strictest = ranked[0]
    objecting = [v for v in ranked if v.effect is not Effect.ALLOW or not v.is_final]
    reasons = dict.fromkeys(str(reason) for verdict in objecting for reason in verdict.reasons)
    is_final = _is_final(strictest.effect, ranked)
    return Decision(
        call=call,
        effect=strictest.effect,
        reasons=tuple(reasons),
        risk=max(verdict.risk for verdict in ranked),
        trace=(strictest.trace or str(uuid.uuid4())) if is_final else _trace_of(call),
        verdicts=(*ranked, *advisory),
        sanitized_arguments=sanitized,
        is_final=is_final,
    )


def _denial(scanner: str, reason: Reason | None, explanation: str) -> Verdict:
    reasons = (reason,) if reason else ()
    return Verdict(scanner, Effect.DENY, reasons, 0.6, str(uuid.uuid4()), explanation)


def _sanitized(call: ToolCall, ranked: Sequence[Verdict]) -> str | None:
    """Arguments to use instead; None where nobody redacts, or the call is denied anyway."""
    texts = {
        canonical.call_digest(call.kind, call.name, verdict.sanitized_arguments): (
            verdict.sanitized_arguments
        )
        for verdict in reversed(ranked)
        if verdict.effect is not Effect.ALLOW and verdict.sanitized_arguments is not None
    }
    if len(texts) < 2 or ranked[0].effect is Effect.DENY:
        return next(iter(texts.values()), None)
    original = canonical.parse(call.arguments) if call.arguments.strip() else {}
    versions = [canonical.parse(text) for text in texts.values()]
    both = reduce(partial(merged, original), versions)
    return canonical.dump(both).decode()


def _trace_of(call: ToolCall) -> str:
    """The same for every try, so that the notice of an undecided call stays the same."""
    name = "\n".join((call.origin, call.scope, call.id, call.digest))
    # ids may hold lone surrogates, which UTF-8 has no form for
    return str(uuid.uuid5(_UNDECIDED, name.encode("utf-8", "backslashreplace")))


def _is_final(effect: Effect, verdicts: Sequence[Verdict]) -> bool:
    """A DENY that somebody is sure of stands, whoever else could not decide."""
    sure = [verdict for verdict in verdicts if verdict.is_final]
    if effect is Effect.DENY:
        return any(verdict.effect is Effect.DENY for verdict in sure)
    return len(sure) == len(verdicts)
