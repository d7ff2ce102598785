"""The way back: which results of tool calls a request may carry to the API."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from callgate import annotation, canonical
from callgate.audit import record
from callgate.canonical import Json
from callgate.errors import BodyError, UpstreamError
from callgate.exchange import ApiError, Request
from callgate.gate import Gate
from callgate.hosted import HostedTools
from callgate.lookup import Lookup, calls_of
from callgate.model import CONSENTED, Decision, Effect, Finding, Mode, SurfaceName, ToolResult
from callgate.outcome import Choices, Forward, Outcome, Refuse, out_of_order
from callgate.policy import Policy
from callgate.store.base import Record
from callgate.surfaces.base import Endpoint, Outgoing, Substitute

type InspectResult = Callable[[str, object], tuple[Sequence[Finding], str | None]]
"""Tool name and output → findings, and the redacted output where it differs."""

_MAY_PASS = frozenset((Effect.ALLOW, Effect.SANITIZE))
_REMEMBERED = 20_000
_INLINE_CHARACTERS = 4096
"""Longer results are inspected in a thread, so that other flows go on."""


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
    def fingerprint(self) -> bytes:
        """The same for the same result of the same call, decided in the same way."""
        trace = self.decision.trace if self.decision else ""
        parts = [trace, self.result.call_id, self.result.output]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class _Known:
    """Decisions that concern a request with results."""

    calls: Sequence[Decision]
    """On calls that are answered."""
    scope: Sequence[Decision]
    """On all calls of the scope that the request goes on with."""
    why: str
    """Why the API could not be asked about a call; empty where it was, or had not to be."""


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
        self._hosted = HostedTools(gate, lookup, policy, choices)
        self._recorded: OrderedDict[bytes, None] = OrderedDict()
        self._inspect_result = inspect_result
        self._choices = choices
        self._observes = gate.mode is Mode.OBSERVE

    async def check(self, endpoint: Endpoint, request: Request, document: Json) -> Outcome:
        """Decide what becomes of the request; the document may be edited.

        Raises BodyError where the request can not be read with certainty, StoreError when the
        memory does not answer.
        """
        outgoing = endpoint.surface.read_request(endpoint, request, document)
        is_changed = await self._hosted.check(endpoint, request, document, outgoing)
        if isinstance(is_changed, Refuse):
            return is_changed
        if endpoint.is_socket and outgoing.echoes:
            # a history is told message by message: the results come in later ones
            await self._gate.recall(outgoing.echoes)
        if outgoing.answers or outgoing.results:
            is_answered = await self._check_results(endpoint, request, document, outgoing)
            if isinstance(is_answered, Refuse):
                return is_answered
            is_changed |= is_answered
        return Forward(canonical.dump(document) if is_changed else None)

    async def _check_results(
        self, endpoint: Endpoint, request: Request, document: Json, outgoing: Outgoing
    ) -> Refuse | bool:
        known = await self._known(endpoint, request, outgoing)
        judged = [
            Judged(result, _strictest(known.calls, result.call_id)) for result in outgoing.results
        ]
        if self._observes:
            await self._record_results(request, judged, "passed")
            return False
        # an API that did not answer has not said that it does not know the call
        passes_unknown = self._choices.unknown_result == "allow" and not known.why
        refused = [one for one in judged if not (one.may_pass if one.decision else passes_unknown)]
        if refused and not all(map(self._can_replace, refused)):
            await self._record_results(request, refused, "refused")
            return _result_refused(refused[0], len(refused), known.why)
        added = await self._left_out(endpoint, request, known, outgoing)
        inspected = [(one, *await self._inspect(one)) for one in judged]
        substitutes = [_notice(decision) for decision in added]
        substitutes += [_notice(one.decision) for one in refused if one.decision]
        if self._choices.results == "redact":
            substitutes += [
                Substitute(one.result.call_id, text, one.kind)
                for one, _, text in inspected
                if text is not None and one not in refused
            ]
        if substitutes:
            endpoint.surface.replace_results(document, substitutes)
            if not _are_in(endpoint, request, document, substitutes):
                await self._record_results(request, refused, "refused")
                return _result_refused(refused[0], len(refused), known.why)
        records = [
            self._result(request, one, "replaced" if one in refused else "passed", findings)
            for one, findings, _ in inspected
            if one in refused or self._is_new(one)
        ]
        records += [record.notice_record(d, self._gate.mode) for d in added]
        if records:
            await self._gate.append(records)
        return bool(substitutes)

    def _can_replace(self, one: Judged) -> bool:
        replaces = self._choices.on_denied_result == "replace"
        return replaces and one.decision is not None and not one.takes_no_notice

    async def _known(self, endpoint: Endpoint, request: Request, outgoing: Outgoing) -> _Known:
        """What was decided on the calls that the results answer.

        First by what the request itself quotes, then by the scope that it goes on with, then
        by id alone where that is enough, and at last by asking the API.
        """
        surface, origin, scope = endpoint.surface.name, request.origin, outgoing.answers
        answered = {result.call_id for result in outgoing.results}
        missing = set(answered)
        echoes = [call for call in outgoing.echoes if call.id in missing]
        found = await self._gate.recall(echoes) if echoes else []
        missing -= {d.call.id for d in found}
        scoped = await self._gate.known(surface, origin, scope) if scope else []
        # also where the request quotes the call: it could quote another under the same id
        found += [d for d in scoped if d.call.id in answered]
        missing -= {d.call.id for d in found}
        if missing and outgoing.reaches_back:
            found += await self._gate.seen(surface, origin, sorted(missing), request.caller())
            missing -= {d.call.id for d in found}
        why = ""
        if missing and scope:
            try:
                turns = await self._lookup.turns(endpoint, request, scope, missing)
                looked_up = await self._gate.decide(calls_of(turns))
                found += looked_up
                scoped += looked_up
            except (UpstreamError, BodyError) as error:
                why = str(error)
        return _Known(found, scoped, why)

    async def _left_out(
        self, endpoint: Endpoint, request: Request, known: _Known, outgoing: Outgoing
    ) -> list[Decision]:
        """Denied calls that the API waits for and the app did not answer.

        The API takes all outputs or none. Which calls it waits for now only it knows: a run
        has several rounds, and earlier ones were answered.
        """
        answered = {result.call_id for result in outgoing.results}
        denied = {
            d.call.id: d
            for d in known.scope
            if d.effect is Effect.DENY and d.call.id not in answered and not d.call.takes_no_notice
        }
        if not denied or outgoing.answers_each:
            return []
        try:
            scope = outgoing.answers
            waiting = {c.id for c in await self._lookup.waiting(endpoint, request, scope)}
        except (UpstreamError, BodyError):
            # where results are checked one by one, an answer too many is ignored or refused by
            # the API; a run takes none while it waits for others
            return list(denied.values()) if outgoing.reaches_back else []
        return [decision for id, decision in denied.items() if id in waiting]

    async def _inspect(self, one: Judged) -> tuple[Sequence[Finding], str | None]:
        is_known = one.fingerprint in self._recorded and self._choices.results != "redact"
        if self._choices.results == "off" or one.is_notice or is_known:
            return (), None
        name, output = one.decision.call.name if one.decision else "", one.result.output
        if isinstance(output, str) and len(output) <= _INLINE_CHARACTERS:
            return self._inspect_result(name, output)
        return await asyncio.to_thread(self._inspect_result, name, output)

    def _is_new(self, one: Judged) -> bool:
        """Histories repeat results with every request: each is recorded once."""
        key = one.fingerprint
        if key in self._recorded:
            return False
        self._recorded[key] = None
        if len(self._recorded) > _REMEMBERED:
            self._recorded.popitem(last=False)
        return True

    async def _record_results(
        self, request: Request, results: Sequence[Judged], outcome: str
    ) -> None:
        records = [
            self._result(request, one, outcome, (await self._inspect(one))[0])
            for one in results
            if outcome != "passed" or self._is_new(one)
        ]
        if records:
            await self._gate.append(records)

    def _result(
        self, request: Request, one: Judged, outcome: str, findings: Sequence[Finding]
    ) -> Record:
        if one.decision:
            return record.result_record(
                one.decision, one.result, outcome, self._gate.mode, findings
            )
        return record.coverage_record(
            "result",
            f"a result of an unknown call was {outcome}",
            request.method,
            request.target,
            origin=request.origin,
            agent=request.caller(),
            mode=self._gate.mode,
        )


def _strictest(known: Sequence[Decision], call_id: str) -> Decision | None:
    """One id may have been seen with several arguments: the strictest decision counts."""
    same = [decision for decision in known if decision.call.id == call_id]
    return max(same, key=lambda d: d.effect.strictness, default=None)


def _notice(decision: Decision) -> Substitute:
    return Substitute(decision.call.id, annotation.notice(decision), decision.call.kind)


def _are_in(
    endpoint: Endpoint, request: Request, document: Json, substitutes: Sequence[Substitute]
) -> bool:
    """Tell whether the request now says what was put into it, and nothing else, of these calls.

    A result that is no text, such as an approval, has no place for a notice.
    """
    texts = {one.call_id: one.text for one in substitutes}
    results = endpoint.surface.read_request(endpoint, request, document).results
    return all(r.output == texts[r.call_id] for r in results if r.call_id in texts)


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
