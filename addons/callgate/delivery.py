"""What the app gets of a response: annotated, redacted, or without calls it must not see."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import replace

from callgate import annotation, canonical, turns
from callgate.canonical import Json
from callgate.conversations import Conversations
from callgate.errors import BodyError, UpstreamError
from callgate.exchange import Request
from callgate.gate import Gate
from callgate.judgement import is_undecided, replacement
from callgate.lookup import Lookup
from callgate.model import CallKey, Decision, Effect, Mode
from callgate.outcome import Forward
from callgate.settlement import Settlement
from callgate.surfaces.base import Endpoint, Hidden, Turn
from callgate.toolbox import Toolbox

_log = logging.getLogger(__name__)

_MAX_ROUNDS = 8
"""All-denied rounds that one response settles before it says `in_progress`."""

type Decisions = dict[CallKey, Decision]


class Delivery:
    """Applies decisions to a parsed response."""

    def __init__(
        self,
        gate: Gate,
        lookup: Lookup,
        settlement: Settlement,
        conversations: Conversations,
        toolbox: Toolbox,
    ) -> None:
        """`settlement` answers runs whose calls are all denied."""
        self._conversations = conversations
        self._toolbox = toolbox
        self._gate = gate
        self._lookup = lookup
        self._settlement = settlement

    async def apply(self, endpoint: Endpoint, request: Request, document: Json) -> Forward:
        """Judge every call in the document and give what the app may have of it.

        In `withhold` it comes back when a person has decided, where the app does not ask again
        by itself. Raises BodyError for malformed calls, StoreError when the memory does not
        answer and RefusedError for a denied call that nothing can stand in for.
        """
        surface = endpoint.surface
        found = surface.read_response(endpoint, request, document)
        if request.conversation:
            begun = surface.begins(endpoint, document)
            await self._conversations.continued(surface.name, request, begun)
        decisions = await self._decide(request, found)
        is_changed = False
        for turn in found:
            if self._gate.mode is Mode.WITHHOLD:
                is_changed |= await self._withhold(endpoint, request, turn, decisions)
            else:
                is_changed |= await self._show(endpoint, turn, _of(turn, decisions))
        return Forward(
            canonical.dump(document) if is_changed else None,
            annotation.headers(list(decisions.values()), self._gate.mode),
        )

    async def _decide(self, request: Request, found: Sequence[Turn]) -> Decisions:
        decided = await turns.decide(self._gate, self._toolbox, found, request)
        return {decision.call.key: decision for decision in decided}

    async def _show(self, endpoint: Endpoint, turn: Turn, shown: Sequence[Decision]) -> bool:
        """Let the app have these calls of a turn, redacted where that was decided."""
        arguments = {
            d.call.id: instead
            for d in shown
            if (instead := replacement(d, self._gate.mode)) is not None
        }
        if arguments:
            endpoint.surface.replace_arguments(turn, arguments)
        await self._gate.delivered((d for d in shown if d.call.id in arguments), "sanitized")
        await self._gate.delivered((d for d in shown if d.call.id not in arguments), "delivered")
        return bool(arguments)

    # -- withhold -------------------------------------------------------------------------

    async def _withhold(
        self, endpoint: Endpoint, request: Request, turn: Turn, decisions: Decisions
    ) -> bool:
        """Take out what the app must not see; True when the turn was changed."""
        if not turn.is_polled:
            await self._wait(request, turn, decisions)
        turns.refuse_unanswerable([turn], _of(turn, decisions))
        await self._settlement.settle_each(endpoint, request, [turn], _of(turn, decisions))
        rounds = 0
        while known := await self._with_calls(endpoint, request, turn, decisions):
            turn = known
            mine = _of(turn, decisions)
            is_denied = all(d.effect is Effect.DENY and d.is_final for d in mine)
            if not (turn.is_settleable and mine and is_denied):
                return await self._hide(endpoint, turn, mine) or rounds > 0
            if rounds == _MAX_ROUNDS:
                break
            settled = await self._settlement.settle(endpoint, request, turn.scope, mine)
            if settled is None:
                break
            rounds += 1
            turn.node.clear()
            turn.node.update(settled)
            following = endpoint.surface.read_response(endpoint, request, turn.node)
            if not following:
                return True
            if len(following) > 1:
                raise BodyError("the answer to the notices shows more than one run")
            turn = following[0]
            decisions |= await self._decide(request, [turn])
        # the next poll goes on from here
        endpoint.surface.withhold(turn, Hidden({}, {}))
        return True

    async def _wait(self, request: Request, turn: Turn, decisions: Decisions) -> None:
        """Hold what the app would not ask for again until every call is decided."""

        def again() -> Awaitable[list[Decision]]:
            return turns.decide(self._gate, self._toolbox, [turn], request)

        mine = await turns.decided(self._gate, [turn], _of(turn, decisions), again)
        decisions |= {decision.call.key: decision for decision in mine}

    async def _with_calls(
        self, endpoint: Endpoint, request: Request, turn: Turn, decisions: Decisions
    ) -> Turn | None:
        """Find the calls of a turn that names none: some servers show them elsewhere only.

        None when they can not be read now.
        """
        if turn.calls or not turn.is_settleable:
            return turn
        try:
            calls = await self._lookup.waiting(endpoint, request, turn.scope)
        except (UpstreamError, BodyError) as error:
            _log.warning("could not read the calls of %s: %s", turn.scope, error)
            return None
        decisions |= {d.call.key: d for d in await self._gate.decide(calls)}
        return replace(turn, calls=calls)

    async def _hide(self, endpoint: Endpoint, turn: Turn, mine: Sequence[Decision]) -> bool:
        """Take denied calls out; while a call is undecided, its siblings wait with it."""
        held = [d for d in mine if is_undecided(d)] if turn.is_polled else []
        denied = [d for d in mine if d.effect is Effect.DENY and d not in held]
        rest = [d for d in mine if d not in denied]
        if denied or held:
            endpoint.surface.withhold(turn, Hidden(turns.notices(denied), turns.notices(held)))
            await self._gate.delivered(denied, "withheld")
        if held:
            await self._gate.delivered(rest, "held")
            return True
        return await self._show(endpoint, turn, rest) or bool(denied)


def _of(turn: Turn, decisions: Decisions) -> list[Decision]:
    return list({call.key: decisions[call.key] for call in turn.calls}.values())
