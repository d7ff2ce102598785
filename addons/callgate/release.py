"""What the app gets of a stream's held events, once their calls are decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

from callgate import annotation, turns
from callgate.conversations import Conversations, Followed
from callgate.errors import CallgateError, UpstreamError
from callgate.exchange import ApiError, Request
from callgate.gate import Gate
from callgate.judgement import replacement
from callgate.lookup import Lookup, calls_of
from callgate.model import Decision, Effect, Mode
from callgate.settlement import Settlement
from callgate.sources import MessageSource, Source, SseSource
from callgate.stream import KEEP_ALIVE, GatedStream, Rest
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Endpoint, Frame, Group, Turn, message
from callgate.toolbox import Toolbox

_MAX_ROUNDS = 8
"""Streams in a row that one stream is continued with when all their calls are denied."""

_KEEP_ALIVE_SECONDS = 15.0
_OPEN_SECONDS = 1.0

_RUN = Turn("", {}, is_polled=True)
"""A run whose calls only the API can tell."""


class Releases:
    """Opens streams: the API's, and those that runs go on with when their calls are denied."""

    def __init__(
        self,
        gate: Gate,
        lookup: Lookup,
        settlement: Settlement,
        conversations: Conversations,
        toolbox: Toolbox,
        max_held_bytes: int,
    ) -> None:
        """`max_held_bytes` bounds an event, and what of one stream waits for verdicts."""
        self._conversations = conversations
        self.toolbox = toolbox
        self.gate = gate
        self.lookup = lookup
        self.settlement = settlement
        self._max_held_bytes = max_held_bytes

    def open(
        self, endpoint: Endpoint, request: Request, encoding: str, rounds: int = 0
    ) -> GatedStream:
        """Begin a stream; raises BodyError for an unknown content encoding."""
        source = SseSource(encoding, self._max_held_bytes)
        return self._open(endpoint, request, source, sse.event, KEEP_ALIVE, rounds)

    def open_socket(self, endpoint: Endpoint, request: Request) -> GatedStream:
        """Begin what the API sends on a WebSocket; `request` is the upgrade."""
        return self._open(endpoint, request, MessageSource(), message, b"", 0)

    def _open(
        self,
        endpoint: Endpoint,
        request: Request,
        source: Source,
        frame: Frame,
        keep_alive: bytes,
        rounds: int,
    ) -> GatedStream:
        def refusal(error: ApiError) -> bytes:
            return endpoint.surface.error_event({**error.as_json()["error"]}, frame)

        events = endpoint.surface.open_events(endpoint, request, frame)
        if request.conversation:
            name = endpoint.surface.name
            tell = partial(self._conversations.continues, name, request)
            events = Followed(events, tell)
        return GatedStream(
            events,
            # messages of a WebSocket have no place for annotations
            _Release(self, endpoint, request, rounds, comments=bool(keep_alive)),
            refusal,
            source=source,
            max_held_bytes=self._max_held_bytes,
            observes=self.gate.mode is Mode.OBSERVE,
            keep_alive=keep_alive,
        )


class _Release:
    """The judge of one stream (see `stream.Judge`)."""

    def __init__(
        self,
        releases: Releases,
        endpoint: Endpoint,
        request: Request,
        rounds: int,
        *,
        comments: bool,
    ) -> None:
        """With `comments` annotations are written between the events."""
        self.endpoint = endpoint
        self.request = request
        self._releases = releases
        self._gate = releases.gate
        self._lookup = releases.lookup
        self._toolbox = releases.toolbox
        self._rounds = rounds
        """How many streams this one continues."""
        self._withholds = releases.gate.mode is Mode.WITHHOLD
        self._comments = comments
        self._scope = endpoint.scope
        """Of the run that this stream tells, as far as it is known."""

    async def __call__(self, group: Group, rest: Rest) -> AsyncIterator[bytes]:
        """See `Judge`."""
        self._scope = next((turn.scope for turn in group.turns), self._scope)
        decisions = await self._decide(group)
        if self._withholds:
            decisions = await self._decided(group, decisions)
            if self._is_all_denied(group, decisions):
                rest.is_replaced = True
                async for event in self._continued(decisions):
                    yield event
                return
        for event in await self._render(group, decisions):
            yield event
        if self._withholds:
            await self._answer_step(group, decisions, rest)

    async def _answer_step(self, group: Group, decisions: Sequence[Decision], rest: Rest) -> None:
        """Answer a step whose calls are all denied, where its stream stays open for the results.

        Most servers end the stream with the run that waits, which is answered then.
        """
        steps = [turn for turn in group.turns if turn.is_waiting and turn.is_polled]
        is_denied = decisions and all(d.effect is Effect.DENY for d in decisions)
        if not steps or steps[0].is_settleable or not is_denied:
            return
        try:
            await asyncio.wait_for(rest.moved.wait(), _OPEN_SECONDS)
        except TimeoutError:
            await self._releases.settlement.settle(
                self.endpoint, self.request, steps[0].scope, decisions
            )

    async def _decide(self, group: Group) -> list[Decision]:
        """Decide on a group; where the run waits but names no call, the API is asked."""
        waits = not group.turns or group.turns[0].is_settleable
        if calls_of(group.turns) or not (waits and self._scope and self._withholds):
            return await turns.decide(self._gate, self._toolbox, group.turns, self.request)
        calls = await self._lookup.waiting(self.endpoint, self.request, self._scope)
        return await self._gate.decide(calls)

    async def _again(self, group: Group, decisions: Sequence[Decision]) -> list[Decision]:
        if calls_of(group.turns):
            return await turns.decide(self._gate, self._toolbox, group.turns, self.request)
        return await self._gate.decide([decision.call for decision in decisions])

    async def _decided(self, group: Group, decisions: list[Decision]) -> list[Decision]:
        """Wait until every call is decided; denied ones are answered where that is done singly.

        Raises CallgateError when the run ends before, RefusedError for a denied call that
        nothing can stand in for.
        """
        polled = group.turns or [_RUN]
        decisions = await turns.decided(
            self._gate, polled, decisions, lambda: self._again(group, decisions)
        )
        turns.refuse_unanswerable(group.turns, decisions)
        await self._releases.settlement.settle_each(
            self.endpoint, self.request, group.turns, decisions
        )
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
                    async for event in _flow(following):
                        yield event
                following.finish()
                async for event in _flow(following):
                    yield event
        except UpstreamError as error:
            raise CallgateError(f"the notices could not be submitted: {error}") from error
        finally:
            following.cancel()

    async def _render(self, group: Group, decisions: Sequence[Decision]) -> list[bytes]:
        hidden = [d for d in decisions if d.effect is Effect.DENY] if self._withholds else []
        shown = [d for d in decisions if d not in hidden]
        arguments = {
            d.call.id: instead
            for d in shown
            if (instead := replacement(d, self._gate.mode)) is not None
        }
        await self._gate.delivered(hidden, "withheld")
        await self._gate.delivered((d for d in shown if d.call.id in arguments), "sanitized")
        await self._gate.delivered((d for d in shown if d.call.id not in arguments), "delivered")
        comment = _comment(group.turns, decisions) if self._comments else b""
        return group.render(Change(arguments, turns.notices(hidden)), comment)


def _comment(told: Sequence[Turn], decisions: Sequence[Decision]) -> bytes:
    """The annotation of calls that the API waits for; told calls were annotated before."""
    if not decisions or not any(turn.is_waiting for turn in told):
        return b""
    return sse.comment(f"callgate {annotation.calls_field(decisions)}")


async def _flow(stream: GatedStream) -> AsyncIterator[bytes]:
    """Take what is ready, and wait for what is held."""
    while True:
        for event in stream.take_events():
            yield event
        if not stream.is_holding:
            return
        await stream.wait(_KEEP_ALIVE_SECONDS)
