"""One decision for each question of a client, and what a person's answer is good for.

Every question is judged and recorded by itself. Only where a person is asked, the same question
of the same client meets the same approval again: while it waits nobody is asked twice, and once
it is approved the next question of that kind is allowed, one time (Interven's
RECENT_APPROVAL_GRANT). What a tool's result held counts for an agent's calls of that hour and
the next: no client names its conversations.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from callgate import canonical
from callgate.assembly import Engine
from callgate.audit import record
from callgate.bounded import trim
from callgate.conversations import Reading
from callgate.errors import StoreError
from callgate.gateway.asked import Asked
from callgate.model import (
    ApprovalState,
    Decision,
    Effect,
    Finding,
    Mark,
    Mode,
    Reason,
    SurfaceName,
    ToolCall,
    ToolResult,
)
from callgate.results import Judged, marks_of
from callgate.store.base import ApprovalItem

_log = logging.getLogger(__name__)

GRANT = timedelta(minutes=15)
"""How long after a person's answer it still counts for the same question."""
_SESSION_SECONDS = 3600
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in a tool's result."""

    findings: Sequence[Finding]
    is_known: bool
    """The call with that trace was asked about here."""


class Decisions:
    """Decides on what clients ask."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        """Approvals are as old as the engine's settings let them be."""
        self._engine = engine
        self._gate, self._store = engine.gate, engine.store
        self._clock = clock
        ttl = timedelta(seconds=engine.settings.approval_ttl_seconds)
        self._span_seconds = (ttl + GRANT).total_seconds()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._traces: OrderedDict[str, Decision] = OrderedDict()

    @property
    def observes(self) -> bool:
        """Clients are told to go on, whatever was decided."""
        return self._gate.mode is Mode.OBSERVE

    async def decide(self, asked: Asked) -> Decision:
        """Decide; a failing part makes a DENY."""
        call = self._call(asked)
        turn = self._turns.setdefault(f"{call.agent}\n{call.id}", asyncio.Lock())
        async with turn:
            decision = await self._answered(call)
            if decision is None:
                [decision] = await self._gate.decide([call])
        self._keep(decision)
        return decision

    async def withheld(self, decision: Decision) -> None:
        """Record that the client was told DENY, because it could not do what was decided.

        Raises StoreError.
        """
        await self._gate.delivered([decision], "withheld")

    async def approval(self, id: str, client: str) -> ApprovalItem | None:
        """Find an approval that this client has asked for; raises StoreError."""
        item = await self._store.approval(id)
        if item is None or item.decision.call.surface is not SurfaceName.GATEWAY:
            return None
        return item if item.decision.call.agent == client else None

    async def signed_approval(self, id: str) -> ApprovalItem | None:
        """Find an approval that was asked for with a signature; raises StoreError."""
        item = await self._store.approval(id)
        call = item.decision.call if item else None
        is_signed = call and (call.surface, call.origin) == (SurfaceName.GATEWAY, "aif")
        return item if is_signed else None

    async def report(self, trace: str, client: str, output: canonical.Json) -> Seen:
        """Look into what a tool gave back, record it and remember it; raises StoreError."""
        decision = self._traces.get(trace)
        if decision and decision.call.agent != client:
            decision = None
        call = decision.call if decision else self._call(Asked("interven", client, "", "{}"))
        findings, _ = await asyncio.to_thread(self._engine.inspect_result, call.name, output)
        result = ToolResult(call.id, output, "response_body")
        if decision:
            made = record.result_record(decision, result, "passed", self._gate.mode, findings)
        else:
            made = record.coverage_record(
                "result",
                "a result of an unknown call was passed",
                "POST",
                "/v1/scan/response",
                agent=client,
                mode=self._gate.mode,
            )
        await self._gate.append([made])
        if Mark.SENSITIVE in marks_of(Judged(result, decision), findings):
            await self._mark(call)
        return Seen(findings, decision is not None)

    def _call(self, asked: Asked) -> ToolCall:
        digest = canonical.call_digest("function", asked.tool, asked.arguments)
        now = self._clock().timestamp()
        call = ToolCall(
            surface=SurfaceName.GATEWAY,
            origin=asked.contract,
            scope=uuid.uuid4().hex,
            id=self._id(digest, int(now // self._span_seconds)),
            name=asked.tool,
            arguments=asked.arguments,
            digest=digest,
            agent=asked.client,
            assistant=asked.claimed,
        )
        return replace(call, conversation=_session(call, int(now // _SESSION_SECONDS)))

    def _id(self, digest: str, span: int) -> str:
        """The same for the same question: keyed, since plain hashes of short texts are told."""
        return f"{self._store.keyed(digest)}-{span}"

    async def _answered(self, call: ToolCall) -> Decision | None:
        """The decision that a person was, or is being, asked about for the same question."""
        name, _, span = call.id.rpartition("-")
        ids = [f"{name}-{int(span) - 1}", call.id]
        try:
            found = await self._store.seen(call.surface, call.origin, ids)
            asked = [d for d in found if d.approval and _caller(d.call) == _caller(call)]
            return await self._counting(asked[-1], call) if asked else None
        except StoreError as error:
            # the gate meets the same store, and denies
            _log.error("store: %s", error)
            return None

    async def _counting(self, decision: Decision, call: ToolCall) -> Decision | None:
        approval = decision.approval
        if approval and approval.state is ApprovalState.PENDING:
            return replace(decision, call=call)
        # what has expired was decided by nobody
        at = approval.decided_at if approval else None
        if at is None or self._clock() - at > GRANT:
            return None
        if decision.effect is Effect.DENY:
            return replace(decision, call=call)
        return await self._granted(decision, call)

    async def _granted(self, approved: Decision, call: ToolCall) -> Decision | None:
        """Use up an approval; None where that was done before."""
        approval = approved.approval
        scope = f"granted/{approval.id if approval else ''}"
        granted = replace(
            approved,
            call=replace(call, scope=scope, id=approved.call.id),
            reasons=(Reason.RECENT_APPROVAL_GRANT.value,),
            trace=str(uuid.uuid4()),
            approval=None,
        )
        made = record.call_record(granted, self._gate.mode)
        [kept] = (await self._store.put([granted], [made])).values()
        return granted if kept.trace == granted.trace else None

    def _keep(self, decision: Decision) -> None:
        """Remember, for the result, what was decided; arguments may be large."""
        call = replace(decision.call, arguments="")
        self._traces[decision.trace] = replace(
            decision, call=call, sanitized_arguments=None, redacted_arguments=""
        )
        trim(self._traces, _REMEMBERED)

    async def _mark(self, call: ToolCall) -> None:
        hour = int(self._clock().timestamp() // _SESSION_SECONDS)
        for one in (hour, hour + 1):
            session = replace(call, conversation=_session(call, one))
            # nobody tells what people say, so of what was read only that it was sensitive counts
            await self._engine.conversations.read(
                session, [Reading("", frozenset({Mark.SENSITIVE}))]
            )


def answer_of(decision: Decision, *, observes: bool, takes_sanitized: bool) -> Effect:
    """What a client is told to do.

    DENY where arguments are to be replaced and it could not do that.
    """
    if observes:
        return Effect.ALLOW
    if decision.effect is Effect.SANITIZE and not takes_sanitized:
        return Effect.DENY
    return decision.effect


def _caller(call: ToolCall) -> tuple[str, str]:
    return call.agent, call.assistant


def _session(call: ToolCall, hour: int) -> str:
    return f"session/{call.agent}/{call.assistant}/{hour}"
