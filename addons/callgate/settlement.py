"""Answers runs whose calls are all denied, so that their conversations go on."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from callgate import canonical
from callgate.audit import record
from callgate.bounded import trim
from callgate.canonical import Json
from callgate.errors import BodyError, UpstreamError
from callgate.exchange import Request, Response
from callgate.gate import Gate
from callgate.judgement import is_undecided
from callgate.lookup import Lookup, calls_of
from callgate.model import Decision, Effect
from callgate.surfaces.base import Endpoint, Turn
from callgate.turns import substitutes
from callgate.upstream import StreamingUpstream

_log = logging.getLogger(__name__)

_REMEMBERED = 10_000
_EARLY_SECONDS = (0.1, 0.3, 0.6)
"""Pauses as the openai SDK has them where its result comes before the API waits for it."""


@dataclass(frozen=True, slots=True)
class Round:
    """Calls that a run waits for at one time."""

    origin: str
    scope: str
    ids: frozenset[str]


class Settlement:
    """Submits the notices of denied calls, with the app's own credentials."""

    def __init__(self, gate: Gate, lookup: Lookup, upstream: StreamingUpstream) -> None:
        """Requests go out through `upstream`."""
        self._gate = gate
        self._lookup = lookup
        self._upstream = upstream
        self._locks: WeakValueDictionary[Round, asyncio.Lock] = WeakValueDictionary()
        self._settled: OrderedDict[Round, None] = OrderedDict()

    async def settle(
        self, endpoint: Endpoint, request: Request, scope: str, denied: Sequence[Decision]
    ) -> dict[str, Json] | None:
        """Answer a turn with notices, once however many polls see it waiting.

        Returns the API's picture of the run after that; None when it still waits, or when
        the API did not say. Raises StoreError when what was done can not be recorded.
        """
        turn = Round(request.origin, scope, frozenset(d.call.id for d in denied))
        lock = self._locks.setdefault(turn, asyncio.Lock())
        async with lock:
            await self._gate.delivered(denied, "withheld")
            try:
                return await self._settle(endpoint, request, turn, denied)
            except (UpstreamError, BodyError) as error:
                _log.warning("could not submit the notices of %s: %s", scope, error)
                return None

    async def _settle(
        self, endpoint: Endpoint, request: Request, turn: Round, denied: Sequence[Decision]
    ) -> dict[str, Json] | None:
        # a poll that was on its way meanwhile still shows what has been answered
        if turn in self._settled and (moved := await self._look(endpoint, request, turn)):
            return moved
        submit = endpoint.surface.settlement(
            request, turn.scope, substitutes(denied), is_streaming=False
        )
        answer = await self._upstream.send(submit)
        if answer.status >= 300:
            # another proxy, or the app itself, may have been first
            return await self._look(endpoint, request, turn)
        self._remember(turn)
        await self._gate.append([record.notice_record(d, self._gate.mode) for d in denied])
        return await self._moved(endpoint, request, turn, answer)

    async def settle_each(
        self,
        endpoint: Endpoint,
        request: Request,
        turns: Sequence[Turn],
        decisions: Sequence[Decision],
    ) -> None:
        """Answer denied calls one by one where the API takes that (`Turn.settles_each`).

        An API that does not take it is said in the log: what the app must not see stays
        hidden all the same. Raises StoreError as in `settle`.
        """
        for turn in turns:
            ids = {call.id for call in turn.calls} if turn.settles_each else set()
            for decision in decisions:
                is_open = turn.is_polled and is_undecided(decision)
                if decision.effect is Effect.DENY and decision.call.id in ids and not is_open:
                    await self._settle_one(endpoint, request, turn.scope, decision)

    async def _settle_one(
        self, endpoint: Endpoint, request: Request, scope: str, denied: Decision
    ) -> None:
        turn = Round(request.origin, scope, frozenset((denied.call.id,)))
        lock = self._locks.setdefault(turn, asyncio.Lock())
        async with lock:
            if turn in self._settled:
                return
            submit = endpoint.surface.settlement(
                request, scope, substitutes([denied]), is_streaming=False
            )
            try:
                answer = await self._send_early(submit)
            except UpstreamError as error:
                _log.warning("could not submit the notice of %s: %s", scope, error)
                return
            if answer.status >= 300:
                _log.warning("the API took no notice of %s: %s", scope, answer.status)
                return
            self._remember(turn)
            await self._gate.append([record.notice_record(denied, self._gate.mode)])

    async def _send_early(self, submit: Request) -> Response:
        """Send an answer to a call that the API may tell of before it waits for it."""
        answer = await self._upstream.send(submit)
        for seconds in _EARLY_SECONDS:
            if answer.status != 400:
                break
            await asyncio.sleep(seconds)
            answer = await self._upstream.send(submit)
        return answer

    def _remember(self, turn: Round) -> None:
        self._settled[turn] = None
        trim(self._settled, _REMEMBERED)

    @asynccontextmanager
    async def continued(
        self, endpoint: Endpoint, request: Request, scope: str, denied: Sequence[Decision]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Answer a turn with notices and give the stream by which the run goes on.

        Raises UpstreamError when the API does not take them, StoreError as in `settle`.
        """
        submit = endpoint.surface.settlement(request, scope, substitutes(denied), is_streaming=True)
        await self._gate.delivered(denied, "withheld")
        async with self._upstream.open(submit) as chunks:
            await self._gate.append([record.notice_record(d, self._gate.mode) for d in denied])
            yield chunks

    async def _look(
        self, endpoint: Endpoint, request: Request, turn: Round
    ) -> dict[str, Json] | None:
        _, look = endpoint.surface.lookups(request, turn.scope)[0]
        return await self._moved(endpoint, request, turn, await self._upstream.send(look))

    async def _moved(
        self, endpoint: Endpoint, request: Request, turn: Round, answer: Response
    ) -> dict[str, Json] | None:
        """The run in an answer, None while it still waits for calls of this turn."""
        document = canonical.parse(answer.body) if answer.status < 300 else None
        if not isinstance(document, dict):
            return None
        shown = endpoint.surface.read_response(endpoint, request, document)
        waiting = [part for part in shown if part.is_waiting]
        calls = calls_of(waiting)
        if waiting and not calls:
            calls = await self._lookup.waiting(endpoint, request, turn.scope)
        return None if any(call.id in turn.ids for call in calls) else document
