"""The way back: which results of tool calls a request may carry to the API."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from callgate import annotation, canonical
from callgate.audit import record
from callgate.bounded import trim
from callgate.canonical import Json
from callgate.conversations import Conversations, Reading
from callgate.errors import BodyError, UpstreamError
from callgate.exchange import Request
from callgate.gate import Gate
from callgate.hosted import HostedTools
from callgate.lookup import Lookup, calls_of
from callgate.model import QUOTED, Decision, Effect, Finding, Mark, Mode, ToolResult
from callgate.outcome import Choices, Forward, Outcome, Refuse
from callgate.policy import Policy
from callgate.results import Judged, Look, marks_of, refused_for
from callgate.store.base import Record
from callgate.surfaces.base import Endpoint, Outgoing, Substitute
from callgate.toolbox import Toolbox

type InspectResult = Callable[[str, object], tuple[Sequence[Finding], str | None]]
"""Tool name and output → findings, and the redacted output where it differs."""

type Report = Callable[[Decision, object], None]
"""Is told, once, of a result that passes and of the decision on its call."""

_REMEMBERED = 20_000
_INLINE_CHARACTERS = 4096
"""Longer results are inspected in a thread, so that other flows go on."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A request whose results may go on."""

    is_changed: bool
    readings: Sequence[Reading]


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
        conversations: Conversations,
        toolbox: Toolbox,
        choices: Choices,
        report: Report | None = None,
    ) -> None:
        """See `Choices` for what the operator may loosen; `report` must not raise."""
        self._report = report
        self._gate = gate
        self._lookup = lookup
        self._hosted = HostedTools(gate, lookup, policy, choices)
        self._recorded: OrderedDict[bytes, frozenset[Mark]] = OrderedDict()
        """Fingerprints of results, and whether they are sensitive."""
        self._inspect_result = inspect_result
        self._conversations = conversations
        self._toolbox = toolbox
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
        readings: Sequence[Reading] = ()
        if outgoing.answers or outgoing.results:
            checked = await self._check_results(endpoint, request, document, outgoing)
            if isinstance(checked, Refuse):
                return checked
            is_changed |= checked.is_changed
            readings = checked.readings
        self._toolbox.learn(request, document)
        name = endpoint.surface.name
        conversation = await self._conversations.heard(name, request, outgoing, readings)
        return Forward(canonical.dump(document) if is_changed else None, conversation=conversation)

    async def _check_results(
        self, endpoint: Endpoint, request: Request, document: Json, outgoing: Outgoing
    ) -> Refuse | _Checked:
        known = await self._known(endpoint, request, outgoing)
        every = [Judged(result, _strictest(known.calls, result)) for result in outgoing.results]
        judged = [one for one in every if one.decision or known.why or not one.result.is_of_api]
        inspected = [await self._inspect(one) for one in judged]
        if self._observes:
            await self._record_results(request, inspected, "passed")
            return _Checked(False, self._readings(inspected))
        # an API that did not answer has not said that it does not know the call
        passes_unknown = self._choices.unknown_result == "allow" and not known.why
        refused = [one for one in judged if not (one.may_pass if one.decision else passes_unknown)]
        held = [look for look in inspected if look.one in refused]
        if refused and not all(map(self._can_replace, refused)):
            await self._record_results(request, held, "refused")
            return refused_for(refused[0], len(refused), known.why)
        added = await self._left_out(endpoint, request, known, outgoing)
        substitutes = [_notice(decision) for decision in added]
        substitutes += [
            _instead(one, annotation.notice(one.decision)) for one in refused if one.decision
        ]
        if self._choices.results == "redact":
            substitutes += [
                _instead(look.one, look.redacted)
                for look in inspected
                if look.redacted is not None and look not in held
            ]
        if substitutes:
            endpoint.surface.replace_results(document, substitutes)
            if not _are_in(endpoint, request, document, substitutes, outgoing.results):
                await self._record_results(request, held, "refused")
                if not refused:
                    raise BodyError("a result holds what is to be redacted and is no text")
                return refused_for(refused[0], len(refused), known.why)
        new = [look for look in inspected if look in held or self._is_new(look)]
        records = [
            self._result(request, look, "replaced" if look in held else "passed") for look in new
        ]
        records += [record.notice_record(d, self._gate.mode) for d in added]
        if records:
            await self._gate.append(records)
        self._tell([look for look in new if look not in held])
        passed = [look for look in inspected if look not in held]
        return _Checked(bool(substitutes), self._readings(passed))

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

    async def _inspect(self, one: Judged) -> Look:
        key = one.fingerprint
        if self._choices.results == "off" or one.is_notice:
            return Look(one, key)
        if key in self._recorded and self._choices.results != "redact":
            return Look(one, key, marks=self._recorded[key])
        name, output = one.decision.call.name if one.decision else "", one.result.output
        if isinstance(output, str) and len(output) <= _INLINE_CHARACTERS:
            findings, redacted = self._inspect_result(name, output)
        else:
            findings, redacted = await asyncio.to_thread(self._inspect_result, name, output)
        return Look(one, key, findings, redacted, marks_of(one, findings))

    def _readings(self, looks: Sequence[Look]) -> list[Reading]:
        """What the model gets to read; with `results: off` nobody looks at it."""
        if self._choices.results == "off":
            return []
        redacts = self._choices.results == "redact" and not self._observes
        return [
            # what was taken out can not leave any more
            Reading(look.redacted, look.marks - {Mark.SENSITIVE})
            if redacts and look.redacted is not None
            else Reading(look.one.result.output, look.marks)
            for look in looks
            if not look.one.is_notice
        ]

    def _is_new(self, look: Look) -> bool:
        """Histories repeat results with every request: each is recorded once."""
        if look.fingerprint in self._recorded:
            return False
        self._recorded[look.fingerprint] = look.marks
        trim(self._recorded, _REMEMBERED)
        return True

    async def _record_results(self, request: Request, looks: Sequence[Look], outcome: str) -> None:
        new = [look for look in looks if outcome != "passed" or self._is_new(look)]
        if new:
            await self._gate.append([self._result(request, look, outcome) for look in new])
        if outcome == "passed":
            self._tell(new)

    def _tell(self, looks: Sequence[Look]) -> None:
        """Report what the model gets to read; with `results: off` it is nobody's business."""
        if self._report is None or self._choices.results == "off":
            return
        for look in looks:
            decision, output = look.one.decision, look.one.result.output
            if decision and look.one.may_pass and not look.one.is_notice:
                redacts = self._choices.results == "redact" and not self._observes
                is_changed = redacts and look.redacted is not None
                self._report(decision, look.redacted if is_changed else output)

    def _result(self, request: Request, look: Look, outcome: str) -> Record:
        one = look.one
        if one.decision:
            raw = self._gate.raw.of_result(one.result, look.findings)
            return record.result_record(
                one.decision, one.result, outcome, self._gate.mode, look.findings, raw
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


def _strictest(known: Sequence[Decision], result: ToolResult) -> Decision | None:
    """One id may have been seen with several arguments: the strictest decision counts.

    Of several calls that the request itself quotes, the one that its place tells.
    """
    same = [
        decision
        for decision in known
        if decision.call.id == result.call_id
        and not (
            result.digest
            and decision.call.scope == QUOTED
            and decision.call.digest != result.digest
        )
    ]
    return max(same, key=lambda d: d.effect.strictness, default=None)


def _notice(decision: Decision) -> Substitute:
    return Substitute(decision.call.id, annotation.notice(decision), decision.call.kind)


def _instead(one: Judged, text: str) -> Substitute:
    return Substitute(one.result.call_id, text, one.kind, one.result.path)


def _are_in(
    endpoint: Endpoint,
    request: Request,
    document: Json,
    substitutes: Sequence[Substitute],
    before: Sequence[ToolResult],
) -> bool:
    """Tell whether the request now says what was put into it, and nothing else, of these calls.

    Other results under their ids may stay as they were. A result that is no text, such as an
    approval, has no place for a notice.
    """
    replaced = {one.path for one in substitutes}
    texts: dict[str, list[object]] = {one.call_id: [] for one in substitutes}
    for one in substitutes:
        texts[one.call_id].append(one.text)
    for result in before:
        if result.call_id in texts and result.path not in replaced:
            texts[result.call_id].append(result.output)
    results = endpoint.surface.read_request(endpoint, request, document).results
    return all(r.output in texts[r.call_id] for r in results if r.call_id in texts)
