"""One WebSocket through the gate: messages both ways, in order, calls held until decided."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import replace

from callgate.enforcement import Enforcement
from callgate.exchange import ApiError, Request
from callgate.outcome import Refuse
from callgate.stream import GatedStream
from callgate.surfaces.base import Endpoint, message

_LOOK_SECONDS = 60.0


class GuardedSocket:
    """Decides on each message; what was held goes out by `send` as soon as it may."""

    def __init__(
        self,
        enforcement: Enforcement,
        endpoint: Endpoint,
        upgrade: Request,
        send: Callable[[bytes], None],
    ) -> None:
        """`send` sends a message to the app; `passed` is to be told when it has gone out."""
        self._enforcement = enforcement
        self._endpoint = endpoint
        # what is said on a connection belongs together, whatever its messages name
        self._upgrade = upgrade = replace(upgrade, conversation=f"sockets/{uuid.uuid4().hex}")
        self._send_out = send
        self._gated: GatedStream = enforcement.open_socket(endpoint, upgrade)
        self._on_its_way = 0
        self._pump: asyncio.Task[None] | None = None

    async def from_app(self, content: bytes) -> bytes | None:
        """Return what goes on to the API; None where nothing does, and the app is told why."""
        if self._gated.is_aborted:
            # the API could not be understood: nobody knows what its connection is at
            self._refuse(content, _ENDED)
            return None
        scope = self._gated.scope or self._endpoint.scope
        outcome = await self._enforcement.check_message(
            self._endpoint, self._upgrade, content, scope
        )
        if isinstance(outcome, Refuse):
            self._refuse(content, outcome.error)
            return None
        return content if outcome.body is None else outcome.body

    def from_api(self, content: bytes) -> bool:
        """Take a message; True when it may go on as it is, else it has been taken over."""
        self._gated.feed(content)
        ready = self._gated.take_events()
        if ready == [content] and not self._on_its_way:
            return True
        for event in ready:
            self._send(event)
        if self._gated.is_holding and self._pump is None:
            self._pump = asyncio.ensure_future(self._release())
        return False

    def passed(self) -> None:
        """A message given to `send` has gone out."""
        self._on_its_way -= 1

    def close(self) -> None:
        """The connection is gone: stop judging, what is held is never sent."""
        self._gated.cancel()
        if self._pump:
            self._pump.cancel()

    async def _release(self) -> None:
        while self._gated.is_holding:
            await self._gated.wait(_LOOK_SECONDS)
            for event in self._gated.take_events():
                self._send(event)
        self._pump = None

    def _send(self, event: bytes) -> None:
        self._on_its_way += 1
        self._send_out(event)

    def _refuse(self, content: bytes, error: ApiError) -> None:
        try:
            cause = json.loads(content)
        except ValueError:
            cause = None
        surface = self._endpoint.surface
        self._send(surface.error_event({**error.as_json()["error"]}, message, cause))


_ENDED = ApiError(
    "Callgate has ended this connection because it could not inspect what the API sent. "
    "Open a new one.",
    "response_not_inspectable",
    status=502,
    type="api_error",
)
