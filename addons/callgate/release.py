"""What the app gets of a stream's held events, once their calls are decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from callgate import annotation
from callgate.bodies import Decoder
from callgate.delivery import is_undecided
from callgate.errors import CallgateError, UpstreamError
from callgate.exchange import Request
from callgate.gate import Gate
from callgate.lookup import Lookup, calls_of
from callgate.model import Decision, Effect, Mode, ToolCall
from callgate.settlement import Settlement
from callgate.stream import GatedStream, Rest
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Endpoint, Group, Turn

_MAX_ROUNDS = 8
"""Streams in a row that one stream is continued with when all their calls are denied."""

_KEEP_ALIVE_SECONDS = 15.0


class Releases:
    """Opens streams: the API's, and those that runs go on with when their calls are denied."""

    def __init__(
        self, gate: Gate, lookup: Lookup, settlement: Settlement, max_held_bytes: int
    ) -> None:
        """`max_held_bytes` bounds what of one stream waits for verdicts."""
        self.gate = gate
        self.lookup = lookup
        self.settlement = settlement
        self._max_held_bytes = max_held_bytes

    def open(
        self, endpoint: Endpoint, request: Request, encoding: str, rounds: int = 0
    ) -> GatedStream:
        """Begin a stream; raises BodyError for an unknown content encoding."""
        return GatedStream(
            endpoint.surface.open_events(endpoint, request),
            _Release(self, endpoint, request, rounds),
            lambda error: endpoint.surface.error_event(error.as_json()["error"]),
            decoder=Decoder(encoding),
            max_held_bytes=self._max_held_bytes,
            observes=self.gate.mode is Mode.OBSERVE,
        )


class _Release:
    """The judge of one stream (see `stream.Judge`)."""

    def __init__(
        self, releases: Releases, endpoint: Endpoint, request: Request, rounds: int
    ) -> None:
        self.endpoint = endpoint
        self.request = request
        self._releases = releases
        self._gate = releases.gate
        self._lookup = releases.lookup
        self._rounds = rounds
        """How many streams this one continues."""
        self._scope = endpoint.scope
        """Of the run that this stream tells, as far as it is known."""

    async def __call__(self, group: Group, rest: Rest) -> AsyncIterator[bytes]:
        """See `Judge`."""
        self._scope = next((turn.scope for turn in group.turns), self._scope)
        calls = await self._calls(group)
        decisions = await self._gate.decide(calls)
        if self._gate.mode is Mode.WITHHOLD:
            decisions = await self._decided(group, calls, decisions)
            if self._is_all_denied(group, decisions):
                rest.is_replaced = True
                async for chunk in self._continued(decisions):
                    yield chunk
                return
        yield await self._render(group, decisions)

    async def _calls(self, group: Group) -> list[ToolCall]:
        """The calls of a group; where the run waits but names none, the API is asked."""
        calls = calls_of(group.turns)
        waits = not group.turns or group.turns[0].is_settleable
        if self._gate.mode is Mode.WITHHOLD and not calls and waits and self._scope:
            return await self._lookup.waiting(self.endpoint, self.request, self._scope)
        return calls

    async def _decided(
        self, group: Group, calls: Sequence[ToolCall], decisions: list[Decision]
    ) -> list[Decision]:
        """Wait until every call is decided; raises CallgateError when the run ends before."""
        await self._gate.delivered(filter(is_undecided, decisions), "held")
        expires_at = next((turn.expires_at for turn in group.turns if turn.expires_at), None)
        while undecided := [d for d in decisions if is_undecided(d)]:
            left = expires_at - time.time() if expires_at else None  # noqa: TID251  the API's clock
            try:
                await asyncio.wait_for(
                    self._gate.reconsidered(undecided), None if left is None else max(left, 0)
                )
            except TimeoutError as error:
                raise CallgateError(
                    "the run expired while a tool call waited for its decision"
                ) from error
            decisions = await self._gate.decide(calls)
        return decisions

    def _is_all_denied(self, group: Group, decisions: Sequence[Decision]) -> bool:
        waits = not group.turns or group.turns[0].is_settleable
        return waits and bool(decisions) and all(d.effect is Effect.DENY for d in decisions)

    async def _continued(self, denied: Sequence[Decision]) -> AsyncIterator[bytes]:
        """Submit the notices, and give the app the events by which the run goes on."""
        if self._rounds >= _MAX_ROUNDS:
            raise CallgateError(f"{_MAX_ROUNDS} rounds of denied tool calls in a row")
        following = self._releases.open(self.endpoint, self.request, "", self._rounds + 1)
        try:
            async with self._releases.settlement.continued(
                self.endpoint, self.request, self._scope, denied
            ) as chunks:
                async for chunk in chunks:
                    following.feed(chunk)
                    async for out in _flow(following):
                        yield out
                following.finish()
                async for out in _flow(following):
                    yield out
        except UpstreamError as error:
            raise CallgateError(f"the notices could not be submitted: {error}") from error
        finally:
            following.cancel()

    async def _render(self, group: Group, decisions: Sequence[Decision]) -> bytes:
        observes, withholds = (self._gate.mode is m for m in (Mode.OBSERVE, Mode.WITHHOLD))
        hidden = [d for d in decisions if d.effect is Effect.DENY] if withholds else []
        shown = [d for d in decisions if d not in hidden]
        arguments = {
            d.call.id: d.sanitized_arguments
            for d in shown
            if not observes and d.effect is not Effect.ALLOW and d.sanitized_arguments is not None
        }
        await self._gate.delivered(hidden, "withheld")
        await self._gate.delivered((d for d in shown if d.call.id in arguments), "sanitized")
        await self._gate.delivered((d for d in shown if d.call.id not in arguments), "delivered")
        change = Change(arguments, frozenset(d.call.id for d in hidden))
        return group.render(change, _comment(group.turns, decisions))


def _comment(turns: Sequence[Turn], decisions: Sequence[Decision]) -> bytes:
    """The annotation of calls that the API waits for; told calls were annotated before."""
    if not decisions or not any(turn.is_waiting for turn in turns):
        return b""
    return sse.comment(f"callgate {annotation.calls_field(decisions)}")


async def _flow(stream: GatedStream) -> AsyncIterator[bytes]:
    """Take what is ready, and wait for what is held."""
    while True:
        if out := stream.take():
            yield out
        if not stream.is_holding:
            return
        await stream.wait(_KEEP_ALIVE_SECONDS)
