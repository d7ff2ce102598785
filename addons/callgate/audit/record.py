"""Builds the records of the audit log: plain dicts of JSON values.

Pure and without a clock: the store stamps `seq`, `at` and `instance`. Empty values are left
out. Every string is valid Unicode, so that each record has an RFC 8785 form. Only redacted
arguments enter, and of results only their length and what was found in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC
from typing import Literal

from callgate import __version__
from callgate.canonical import Json
from callgate.exchange import ApiError
from callgate.model import Decision, Finding, Mode, SurfaceName, ToolResult, Verdict

type Cause = Literal["api", "body", "channel", "endpoint", "result", "upgrade"]
"""Why something was not inspected, in one word.

An API that is not gated, a body that could not be read, a channel that no proxy sees, an
endpoint that nobody knows, a result of an unknown call, an upgrade to another protocol.
"""


def call_record(
    decision: Decision, mode: Mode, policy: str = "", raw: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """A call judged for the first time; `policy` is the hash of the policy in force.

    `raw` is what may be kept of the arguments, see `audit.raw`.
    """
    return _record(
        "call",
        _about(decision, mode),
        verdicts=[_verdict(verdict) for verdict in decision.verdicts],
        findings=_findings(f for verdict in decision.verdicts for f in verdict.findings),
        arguments=decision.redacted_arguments,
        policy=policy,
        version=__version__,
        **(raw or {}),
    )


def delivery_record(decision: Decision, delivery: str, mode: Mode) -> dict[str, Json]:
    """What the app got of a call: `delivered`, `sanitized`, `withheld` or `held`."""
    return _record("delivery", _about(decision, mode), delivery=delivery)


def result_record(
    decision: Decision | None,
    result: ToolResult,
    outcome: str,
    mode: Mode,
    findings: Sequence[Finding] = (),
    raw: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """A result on its way back: `passed`, `refused`, `replaced` or `added`.

    Without a decision its call is not known. `length` is in characters; of its JSON, where the
    output is not a string.
    """
    output = result.output
    text = output if isinstance(output, str) else "" if output is None else json.dumps(output)
    return _record(
        "result",
        _about(decision, mode) if decision else {"call": result.call_id, "mode": mode.value},
        outcome=outcome,
        param=result.path,
        length=len(text),
        findings=_findings(findings),
        **(raw or {}),
    )


def classification_record(
    decision: Decision,
    scanner: str,
    mode: Mode,
    *,
    classes: Sequence[str] = (),
    redacted: int | None = None,
    fingerprint: str = "",
    why: str = "",
) -> dict[str, Json]:
    """What a scanner's gateway saw in a result that had passed; or `why` it did not say."""
    return _record(
        "classification",
        _about(decision, mode),
        scanner=scanner,
        classes=list(classes),
        redacted=redacted,
        fingerprint=fingerprint,
        why=why,
    )


def notice_record(decision: Decision, mode: Mode) -> dict[str, Json]:
    """Callgate itself answered a call with its notice: a result that was `added`."""
    return _record("result", _about(decision, mode), outcome="added")


def refusal_record(
    error: ApiError,
    method: str,
    target: str,
    mode: Mode,
    *,
    origin: str = "",
    agent: str = "",
    decision: Decision | None = None,
) -> dict[str, Json]:
    """A request, or the response to it, that was refused; with the call that was the cause."""
    return _record(
        "refusal",
        {"origin": origin, "agent": agent},
        _about(decision, mode) if decision else {},
        code=error.code,
        status=error.status,
        param=error.param,
        message=error.message,
        method=method,
        path=_path(target),
        mode=mode.value,
    )


def approval_record(decision: Decision) -> dict[str, Json]:
    """A person's answer: a decision settled with an approval that is decided."""
    approval = decision.approval
    if approval is None:
        raise ValueError("the decision has no approval")
    good_until = approval.good_until
    return _record(
        "approval",
        _about(decision),
        by=approval.decided_by,
        note=approval.note,
        good_until=good_until.astimezone(UTC).isoformat() if good_until else None,
    )


def hosted_tool_record(
    surface: SurfaceName,
    tool: str,
    outcome: str,
    *,
    origin: str = "",
    agent: str = "",
    assistant: str = "",
    reasons: Sequence[str] = (),
    mode: Mode | None = None,
) -> dict[str, Json]:
    """A tool that the API would have run itself, in a request: `refused` or `removed`."""
    return _record(
        "hosted_tool",
        surface=surface.value,
        origin=origin,
        tool=tool,
        outcome=outcome,
        agent=agent,
        assistant=assistant,
        reasons=list(reasons),
        mode=mode and mode.value,
    )


def coverage_record(
    cause: Cause,
    why: str,
    method: str,
    target: str,
    *,
    origin: str = "",
    agent: str = "",
    mode: Mode | None = None,
) -> dict[str, Json]:
    """Traffic that was not inspected, and why: in a word, and in words."""
    return _record(
        "coverage",
        origin=origin,
        method=method,
        path=_path(target),
        agent=agent,
        cause=cause,
        why=why,
        mode=mode and mode.value,
    )


def process_record(
    kind: Literal["start", "stop", "policy"],
    version: str,
    mode: Mode,
    loosened: Sequence[str] = (),
    *,
    policy: str = "",
) -> dict[str, Json]:
    """The start or end of a proxy, or a new policy in it.

    `loosened` names the settings that weaken the gate.
    """
    return _record(kind, version=version, mode=mode.value, loosened=list(loosened), policy=policy)


def _about(decision: Decision, mode: Mode | None = None) -> dict[str, Json]:
    call, approval = decision.call, decision.approval
    about: dict[str, Json] = {
        "trace": decision.trace,
        "surface": call.surface.value,
        "origin": call.origin,
        "scope": call.scope,
        **_place(call.surface, call.scope),
        "call": call.id,
        "tool": call.name,
        "agent": call.agent,
        "assistant": call.assistant,
        "model": call.model,
        "decision": decision.effect.value,
        "reasons": list(decision.reasons),
        "risk": decision.risk,
        "band": decision.band.value,
        "mode": mode and mode.value,
    }
    if approval:
        about |= {"approval": approval.id, "state": approval.state.value}
    return about


def _place(surface: SurfaceName, scope: str) -> dict[str, Json]:
    if surface is not SurfaceName.ASSISTANTS:
        return {}
    thread, _, run = scope.partition("/")
    return {"thread": thread, "run": run}


def _path(target: str) -> str:
    return target.partition("?")[0].partition("#")[0]


def _verdict(verdict: Verdict) -> Json:
    return {
        "scanner": verdict.scanner,
        "effect": verdict.effect.value,
        "reasons": list(verdict.reasons),
        "risk": verdict.risk,
        "trace": verdict.trace,
        "explanation": verdict.explanation,
        "approval": verdict.approval_id,
        "advisory": verdict.is_advisory or None,
        "rule": verdict.rule,
        "took_ms": verdict.took_ms or None,
    }


def _findings(findings: Iterable[Finding]) -> list[Json]:
    return [asdict(finding) for finding in findings]


def _record(kind: str, *parts: Mapping[str, Json], **values: Json) -> dict[str, Json]:
    record: dict[str, Json] = {"kind": kind}
    for part in (*parts, values):
        record |= {key: _clean(value) for key, value in part.items() if not _is_empty(value)}
    return record


def _is_empty(value: Json) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _clean(value: Json) -> Json:
    match value:
        case str():
            # a lone surrogate becomes the six characters that JSON writes it with
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case float() if value.is_integer():
            return int(value)  # the same text in RFC 8785, and found sooner
        case list():
            return [_clean(element) for element in value]
        case dict():
            return {_key(k): _clean(v) for k, v in value.items() if not _is_empty(v)}
        case _:
            return value


def _key(key: str) -> str:
    return str(_clean(key))
