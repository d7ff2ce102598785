"""The way back: which results, and which hosted tools, a request may carry to the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from callgate import annotation, canonical
from callgate.audit import record
from callgate.canonical import Json
from callgate.errors import BodyError, UpstreamError
from callgate.exchange import ApiError, Request
from callgate.gate import Gate
from callgate.lookup import Lookup, calls_of
from callgate.model import Decision, Effect, Finding, Mode, ToolResult
from callgate.outcome import Choices, Forward, Outcome, Refuse, out_of_order
from callgate.policy import Policy, Ruling
from callgate.store.base import Record
from callgate.surfaces.base import Endpoint, HostedTool, Outgoing

type InspectResult = Callable[[str, object], tuple[Sequence[Finding], str | None]]
"""Tool name and output → findings, and the redacted output where it differs."""

_MAY_PASS = frozenset((Effect.ALLOW, Effect.SANITIZE))
_INLINE_CHARACTERS = 4096
"""Longer results are inspected in a thread, so that other flows go on."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A result with the decision on its call; None where nobody knows the call."""

    result: ToolResult
    decision: Decision | None

    @property
    def is_notice(self) -> bool:
        """The output is exactly the text that stands in for a denied call's result."""
        return self.decision is not None and self.result.output == annotation.notice(self.decision)

    @property
    def may_pass(self) -> bool:
        """The call was allowed, or its result is the notice."""
        return self.decision is not None and (self.decision.effect in _MAY_PASS or self.is_notice)


class WayBack:
    """Checks a parsed request of the app before anything of it reaches the API."""

    def __init__(
        self,
        gate: Gate,
        lookup: Lookup,
        policy: Callable[[], Policy],
        inspect_result: InspectResult,
        choices: Choices,
    ) -> None:
        """See `Choices` for what the operator may loosen."""
        self._gate = gate
        self._lookup = lookup
        self._policy = policy
        self._inspect_result = inspect_result
        self._choices = choices
        self._observes = gate.mode is Mode.OBSERVE

    async def check(self, endpoint: Endpoint, request: Request, document: Json) -> Outcome:
        """Decide what becomes of the request; the document may be edited.

        Raises BodyError where the request can not be read with certainty, StoreError when the
        memory does not answer.
        """
        outgoing = endpoint.surface.read_request(endpoint, document)
        hosted = await self._check_hosted_tools(endpoint, request, document, outgoing)
        if isinstance(hosted, Refuse) or not outgoing.answers:
            return hosted
        return await self._check_results(endpoint, request, document, outgoing)

    # -- hosted tools ---------------------------------------------------------------------

    async def _check_hosted_tools(
        self, endpoint: Endpoint, request: Request, document: Json, outgoing: Outgoing
    ) -> Outcome:
        if not self._policy().governs_hosted:
            return Forward()
        tools, owner = outgoing.hosted_tools, None
        if outgoing.inherits_tools_of:
            owner = await self._lookup.owner(endpoint, request, outgoing.inherits_tools_of)
            if owner is None:
                return Forward()  # the API says itself that there is no such assistant
            tools = owner.outgoing.hosted_tools
        ruled = [(tool, self._rule_hosted(endpoint, tool, request, document)) for tool in tools]
        denied = [tool for tool, ruling in ruled if ruling.effect is not Effect.ALLOW]
        if not denied:
            return Forward()
        removes = self._choices.on_denied_hosted_tool == "remove"
        outcome = "observed" if self._observes else "removed" if removes else "refused"
        await self._gate.append(
            [
                record.hosted_tool_record(
                    endpoint.surface.name,
                    tool.name,
                    outcome,
                    origin=request.origin,
                    agent=request.caller(_text(document, "assistant_id")),
                    assistant=_text(document, "assistant_id"),
                    reasons=ruling.reasons,
                    mode=self._gate.mode,
                )
                for tool, ruling in ruled
                if tool in denied
            ]
        )
        if self._observes:
            return Forward()
        if not removes:
            return _hosted_tool_denied(denied[0], outgoing.inherits_tools_of)
        if owner:
            endpoint.surface.inherit_tools(document, owner.document)
        endpoint.surface.remove_hosted_tools(document, [tool.name for tool in denied])
        return Forward(canonical.dump(document))

    def _rule_hosted(
        self, endpoint: Endpoint, tool: HostedTool, request: Request, document: Json
    ) -> Ruling:
        assistant = _text(document, "assistant_id")
        return self._policy().judge_hosted(
            tool.name,
            surface=endpoint.surface.name,
            agent=request.caller(assistant),
            assistant=assistant,
            model=_text(document, "model"),
        )

    # -- results --------------------------------------------------------------------------

    async def _check_results(
        self, endpoint: Endpoint, request: Request, document: Json, outgoing: Outgoing
    ) -> Outcome:
        scope = outgoing.answers
        known = await self._gate.known(endpoint.surface.name, request.origin, scope)
        missing = {result.call_id for result in outgoing.results} - {d.call.id for d in known}
        why = ""
        if missing:
            try:
                turns = await self._lookup.turns(endpoint, request, scope, missing)
                known = [*known, *await self._gate.decide(calls_of(turns))]
            except (UpstreamError, BodyError) as error:
                why = str(error)
        judged = [Judged(result, _strictest(known, result.call_id)) for result in outgoing.results]
        if self._observes:
            await self._record_results(request, judged, "passed")
            return Forward()
        # an API that did not answer has not said that it does not know the call
        passes_unknown = self._choices.unknown_result == "allow" and not why
        refused = [one for one in judged if not (one.may_pass if one.decision else passes_unknown)]
        replaces = self._choices.on_denied_result == "replace"
        if refused and not (replaces and all(one.decision for one in refused)):
            await self._record_results(request, refused, "refused")
            return _result_refused(refused[0], len(refused), why)
        added = await self._left_out(endpoint, request, scope, known, outgoing)
        inspected = [(one, *await self._inspect(one)) for one in judged]
        outputs = {d.call.id: annotation.notice(d) for d in added}
        if self._choices.results == "redact":
            outputs |= {one.result.call_id: text for one, _, text in inspected if text is not None}
        outputs |= {
            one.result.call_id: annotation.notice(one.decision) for one in refused if one.decision
        }
        if outputs:
            endpoint.surface.replace_results(document, outputs)
            if not _are_in(endpoint, document, outputs):
                await self._record_results(request, refused, "refused")
                return _result_refused(refused[0], len(refused), why)
        records = [
            self._result(request, one, "replaced" if one in refused else "passed", findings)
            for one, findings, _ in inspected
        ]
        records += [record.notice_record(d, self._gate.mode) for d in added]
        await self._gate.append(records)
        return Forward(canonical.dump(document) if outputs else None)

    async def _left_out(
        self,
        endpoint: Endpoint,
        request: Request,
        scope: str,
        known: Sequence[Decision],
        outgoing: Outgoing,
    ) -> list[Decision]:
        """Denied calls that the API waits for and the app did not answer.

        The API takes all outputs or none. Which calls it waits for now only it knows: a run
        has several rounds, and earlier ones were answered.
        """
        answered = {result.call_id for result in outgoing.results}
        denied = {
            d.call.id: d for d in known if d.effect is Effect.DENY and d.call.id not in answered
        }
        if not denied:
            return []
        try:
            waiting = {c.id for c in await self._lookup.waiting(endpoint, request, scope)}
        except (UpstreamError, BodyError):
            return []  # then the API refuses the partial submit itself
        return [decision for id, decision in denied.items() if id in waiting]

    async def _inspect(self, one: Judged) -> tuple[Sequence[Finding], str | None]:
        if self._choices.results == "off" or one.is_notice:
            return (), None
        name, output = one.decision.call.name if one.decision else "", one.result.output
        if isinstance(output, str) and len(output) <= _INLINE_CHARACTERS:
            return self._inspect_result(name, output)
        return await asyncio.to_thread(self._inspect_result, name, output)

    async def _record_results(
        self, request: Request, results: Sequence[Judged], outcome: str
    ) -> None:
        await self._gate.append(
            [self._result(request, one, outcome, (await self._inspect(one))[0]) for one in results]
        )

    def _result(
        self, request: Request, one: Judged, outcome: str, findings: Sequence[Finding]
    ) -> Record:
        if one.decision:
            return record.result_record(
                one.decision, one.result, outcome, self._gate.mode, findings
            )
        return record.coverage_record(
            request.method,
            request.target,
            f"a result of an unknown call was {outcome}",
            origin=request.origin,
            agent=request.caller(),
            mode=self._gate.mode,
        )


def _text(document: Json, key: str) -> str:
    value = document.get(key) if isinstance(document, dict) else None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number or isinstance(value, str) else ""


def _strictest(known: Sequence[Decision], call_id: str) -> Decision | None:
    """One id may have been seen with several arguments: the strictest decision counts."""
    same = [decision for decision in known if decision.call.id == call_id]
    return max(same, key=lambda d: d.effect.strictness, default=None)


def _are_in(endpoint: Endpoint, document: Json, outputs: Mapping[str, str]) -> bool:
    """Tell whether the request now says what was put into it, and nothing else, of these calls.

    A result that is no text, such as an approval, has no place for a notice.
    """
    results = endpoint.surface.read_request(endpoint, document).results
    return all(r.output == outputs[r.call_id] for r in results if r.call_id in outputs)


def _result_refused(one: Judged, count: int, why: str) -> Refuse:
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
                "Nothing was sent to the API. Submit results only of calls that this run "
                "asked for, or cancel the run.",
                "tool_call_unknown",
                param=path,
            )
        )
    call, notice = decision.call, annotation.notice(decision)
    what = f"the result of tool call {call.id[:80]!r} ({call.name[:80]})"
    way_out = (
        f"To let the run go on without it, submit exactly this as its output: {notice!r}; "
        "or cancel the run."
    )
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


def _hosted_tool_denied(tool: HostedTool, inherited: str) -> Refuse:
    where = f" (a tool of assistant {inherited[:80]!r})" if inherited else ""
    return Refuse(
        ApiError(
            f"Callgate refused this request: policy denies the hosted tool {tool.name[:80]!r}"
            f"{where}, which the API would run out of Callgate's sight. Nothing was sent to the "
            "API. Leave the tool out"
            + (": name the tools that the run needs in its `tools`." if inherited else "."),
            "hosted_tool_denied",
            param="tools" if inherited else tool.path,
        )
    )
