"""The policy page: what is in force, what it did, and what it would say of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from callgate.canonical import call_digest, parse
from callgate.console.highlight import pieces
from callgate.console.parts import parts_of
from callgate.console.rendering import read_form, render, signed_in
from callgate.console.sessions import Session
from callgate.detectors import DETECTORS, Inspector
from callgate.errors import JsonError
from callgate.model import SurfaceName, ToolCall, Verdict
from callgate.policy import Policy
from callgate.policy.rules import Rule
from callgate.scanners.local import Local

_FIELDS = ("tool", "arguments", "agent", "assistant", "model", "surface")
_EMPTY = {**dict.fromkeys(_FIELDS, ""), "arguments": "{}", "surface": SurfaceName.ASSISTANTS.value}


@signed_in
async def policy(request: Request, session: Session) -> Response:
    """The file, its faults, and how often each rule decided in the last day."""
    return await _page(request, session, _EMPTY, None)


@signed_in
async def trial(request: Request, session: Session) -> Response:
    """The same page, with what the local scanner says of a call; nothing is stored."""
    form = await read_form(request, session)
    given = {name: form.get(name, "") for name in _FIELDS}
    if given["surface"] not in list(SurfaceName):
        given["surface"] = SurfaceName.ASSISTANTS.value
    return await _page(request, session, given, await _judged(given, _current(request)))


async def _page(
    request: Request, session: Session, form: Mapping[str, str], tried: Mapping[str, Any] | None
) -> Response:
    parts = parts_of(request)
    await parts.tally.refresh()
    current = _current(request)
    return await render(
        request,
        session,
        "policy",
        file=parts.policy,
        current=current,
        rules=current.rules,
        matched=_matched(current.rules, parts.tally.total().rules),
        form=form,
        tried=tried,
        surfaces=list(SurfaceName),
    )


def _matched(rules: Sequence[Rule], counts: Mapping[tuple[str, str], int]) -> list[int]:
    """How often each rule decided, and at the end the default.

    What was decided by a line that has moved since counts for the first rule of that name.
    """
    keys = [f"{rule.name} ({rule.place})" for rule in rules] + ["default"]
    names = [rule.name for rule in rules]
    found = [0] * len(keys)
    for (key, _), count in counts.items():
        name = key.rpartition(" (")[0]
        if key in keys:
            found[keys.index(key)] += count
        elif name in names:
            found[names.index(name)] += count
    return found


def _current(request: Request) -> Policy:
    file = parts_of(request).policy
    return file.current if file else Policy.permissive()


async def _judged(form: Mapping[str, str], current: Policy) -> Mapping[str, Any]:
    arguments = form["arguments"]
    call = ToolCall(
        surface=SurfaceName(form["surface"]),
        origin="",
        scope="",
        id="",
        name=form["tool"],
        arguments=arguments,
        digest=call_digest("function", form["tool"], arguments),
        agent=form["agent"],
        assistant=form["assistant"],
        model=form["model"],
    )
    inspector = Inspector([*(make() for make in DETECTORS.values()), current.secret_rules])
    scanner = Local(lambda: current, inspector)
    try:
        verdict = await scanner.scan(call)
    finally:
        await scanner.close()
    return {
        "verdict": verdict,
        "tried": _tried(call, current),
        "findings": verdict.findings,
        "sanitized": _laid_out(verdict),
    }


def _tried(call: ToolCall, current: Policy) -> tuple[str, ...]:
    """The rules that were asked, in their order; none where no argument could be read."""
    try:
        return current.judge(call, parse(call.arguments or "{}")).tried
    except JsonError:
        return ()


def _laid_out(verdict: Verdict) -> object:
    return pieces(verdict.sanitized_arguments, ()) if verdict.sanitized_arguments else ()
