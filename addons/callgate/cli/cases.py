"""Calls that a person writes down to have them judged, and what the local scanner says of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from callgate.canonical import Json, call_digest, parse
from callgate.errors import JsonError
from callgate.model import Effect, SurfaceName, ToolCall, Verdict, band_of
from callgate.policy import Policy
from callgate.scanners.local import Local, inspector_of
from callgate.scanners.weighing import effect_of

CALL_KEYS = ("tool", "arguments", "assistant", "agent", "model", "surface")
EXPECTED = ("allow", "sanitize", "require_approval", "deny")

_COLOURS = {
    Effect.ALLOW: "green",
    Effect.SANITIZE: "cyan",
    Effect.REQUIRE_APPROVAL: "yellow",
    Effect.DENY: "red",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One call to judge, and for tests what should come of it."""

    place: str
    call: ToolCall
    arguments: Json
    is_malformed: bool
    expect: str = ""


def judge(case: Case, policy: Policy) -> Verdict:
    """What the local scanner says of the call under the policy."""
    return Local(lambda: policy, inspector_of(lambda: policy)).judge(case.call)


def told(case: Case, verdict: Verdict, policy: Policy) -> dict[str, object]:
    """A verdict as one JSON object, for scripts."""
    return {
        "tool": case.call.name,
        "effect": verdict.effect,
        "reasons": verdict.reasons,
        "risk": round(verdict.risk, 3),
        "band": band_of(verdict.risk),
        "findings": findings(verdict, policy),
        "sanitized": verdict.sanitized_arguments,
    }


def findings(verdict: Verdict, policy: Policy) -> list[dict[str, object]]:
    """Each finding with what it asks for; None where it is for information."""
    return [{**asdict(f), "asks": effect_of(f, policy.detectors)} for f in verdict.findings]


def coloured(effect: Effect) -> str:
    """The word in rich's markup."""
    return f"[bold {_COLOURS[effect]}]{effect}[/]"


def read_case(value: Json, place: str, *, expects: bool) -> Case:
    """Read one case; raises ValueError with what is wrong."""
    if not isinstance(value, dict):
        raise ValueError('a call must be an object: {"tool": …, "arguments": {…}}')
    known = (*CALL_KEYS, "expect", "name") if expects else CALL_KEYS
    if unknown := sorted(set(value) - set(known)):
        raise ValueError(f"unknown key `{unknown[0]}`: known are {', '.join(known)}")
    texts = {key: value.get(key, "") for key in ("tool", "assistant", "agent", "model", "expect")}
    found: dict[str, str] = {}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"`{key}` must be a text")
        found[key] = text
    if not found["tool"]:
        raise ValueError("`tool` is missing: the name of the called tool")
    expect = found["expect"].lower()
    if expects and expect not in EXPECTED:
        raise ValueError(f"`expect` must be one of {', '.join(EXPECTED)}")
    surface = value.get("surface", SurfaceName.ASSISTANTS)
    if surface not in list(SurfaceName):
        raise ValueError(f"`surface` must be one of {', '.join(SurfaceName)}")
    arguments, is_malformed = _arguments(value.get("arguments", {}))
    raw = value.get("arguments", {})
    text = raw if isinstance(raw, str) else json.dumps(raw)
    call = ToolCall(
        surface=SurfaceName(str(surface)),
        origin="",
        scope="",
        id="",
        name=found["tool"],
        arguments=text,
        digest=call_digest("function", found["tool"], text),
        agent=found["agent"],
        assistant=found["assistant"],
        model=found["model"],
    )
    return Case(place, call, arguments, is_malformed, expect)


def _arguments(value: Json) -> tuple[Json, bool]:
    """Text is taken as on the wire: JSON, possibly broken."""
    if not isinstance(value, str):
        return value, False
    try:
        return parse(value), False
    except JsonError:
        return value, True
