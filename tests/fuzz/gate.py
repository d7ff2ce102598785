"""An exchange through a real gate, in one mode: what leaves, and what was judged.

The whole of it but for sockets: the addon with mitmproxy's flows, surfaces, the gate and a
memory. Tools are called what they deserve.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow, tutils

from callgate import streaming
from callgate.addon import Guard
from callgate.exchange import Request, segments
from callgate.hosts import Hosts
from callgate.model import Decision, Effect, Mode, ToolCall, Verdict
from callgate.sockets import GuardedSocket
from callgate.stream import GatedStream
from callgate.surfaces import endpoint_for
from tests.deciding import KEY, Bench, bench
from tests.fuzz.case import Case

HOST = "api.openai.com"
DENIED, REDACTED = "wipe", "hush"
"""What is denied has this in its name or arguments; what is redacted, in its arguments."""

INSTEAD = '{"input":"[redacted]"}'
"""Fits functions and custom tools."""

LIMIT = 1 << 20
WAITS_SECONDS = 30.0


class Scanner:
    """Judges calls by what they are called."""

    name = "local"

    async def scan(self, call: ToolCall) -> Verdict:
        if DENIED in call.name or DENIED in call.arguments:
            return Verdict(self.name, Effect.DENY, ("POLICY_DENIED",), trace="t")
        if REDACTED in call.arguments and call.kind in ("function", "custom"):
            effect, reasons = Effect.SANITIZE, ("SECRET_DETECTED",)
            return Verdict(self.name, effect, reasons, trace="t", sanitized_arguments=INSTEAD)
        return Verdict(self.name, Effect.ALLOW, trace="t")

    async def close(self) -> None:
        pass


@dataclass
class Left:
    """What left the gate."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    """Of the answer's body, or messages to the app."""
    to_api: list[bytes] = field(default_factory=list)
    """The request's body, or messages to the API; none of a refused one."""
    judged: list[Decision] = field(default_factory=list)
    denied_by_then: list[set[str]] = field(default_factory=list)
    """For each message to the API, ids of the calls that had been denied."""

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks)


class _Failures(logging.Handler):
    """Our own exceptions become refusals; here they are what is looked for."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`: keeps the first."""
        if record.exc_info and record.exc_info[1] and not self.found:
            self.found.append(record.exc_info[1])

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[BaseException] = []


@contextmanager
def failing_loudly() -> Iterator[None]:
    """Raise what Callgate only logs."""
    handler, log = _Failures(), logging.getLogger("callgate")
    was_loud, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = was_loud
    if handler.found:
        raise handler.found[0]


class Gate:
    """One proxy with an empty memory."""

    def __init__(self, mode: Mode, *rounds: Sequence[dict[str, Any]]) -> None:
        """`rounds` are the calls that the API's run waits for, where Callgate itself asks."""
        self.bench: Bench = bench(*rounds, mode=mode, scanners=[Scanner()])
        self._judged: list[Decision] = []
        gate = self.bench.gate
        setattr(gate, "decide", self._kept(gate.decide))  # noqa: B010  overheard, not replaced
        setattr(gate, "recall", self._kept(gate.recall))  # noqa: B010
        self._guard = Guard(Hosts([HOST]), max_bytes=LIMIT)
        self._guard.arm(self.bench.enforcement)

    async def answer(self, case: Case, request: bytes = b"") -> Left:
        """What the app gets of an answer."""
        flow = self._flow(case, request)
        left = Left(judged=self._judged)
        await self._guard.requestheaders(flow)
        await self._guard.request(flow)
        if flow.response is None:
            flow.response = http.Response.make(case.status, b"", case.sent_headers)
            await self._guard.responseheaders(flow)
            if isinstance(stream := flow.response.stream, GatedStream):
                left.chunks = await self._streamed(stream, case.chunks)
            elif stream:
                left.chunks = case.chunks
            else:
                await self._whole(flow, case.sent_body)
        assert flow.response is not None
        left.status, left.headers = flow.response.status_code, dict(flow.response.headers)
        left.chunks = left.chunks or [flow.response.raw_content or b""]
        return left

    async def request(self, case: Case) -> Left:
        """What the API gets of a request."""
        flow = self._flow(case, case.sent_body, case.sent_headers)
        await self._guard.requestheaders(flow)
        await self._guard.request(flow)
        left = Left(judged=self._judged)
        if flow.response is None:
            left.headers = dict(flow.request.headers)
            left.to_api = [flow.request.raw_content or b""]
        return left

    async def talk(self, case: Case) -> Left:
        """What both sides of a WebSocket get."""
        left = Left(judged=self._judged)
        path = segments(case.target)
        endpoint = endpoint_for("GET", path)
        assert endpoint is not None
        assert endpoint.is_socket
        upgrade = Request("GET", "https", HOST, 443, case.target, (KEY,))
        socket: GuardedSocket

        def to_app(message: bytes) -> None:
            left.chunks.append(message)
            socket.passed()

        socket = GuardedSocket(self.bench.enforcement, endpoint, upgrade, to_app)
        for is_apis, message in case.messages:
            if not is_apis:
                denied = {d.call.id for d in self._judged if d.effect is Effect.DENY}
                if (passed := await socket.from_app(message)) is not None:
                    left.to_api.append(passed)
                    left.denied_by_then.append(denied)
            elif socket.from_api(message):
                left.chunks.append(message)
            async with asyncio.timeout(WAITS_SECONDS):
                if socket._pump:
                    await socket._pump
        socket.close()
        return left

    def _kept[**P](
        self, decide: Callable[P, Awaitable[list[Decision]]]
    ) -> Callable[P, Awaitable[list[Decision]]]:
        async def kept(*args: P.args, **kwargs: P.kwargs) -> list[Decision]:
            self._judged += (decided := await decide(*args, **kwargs))
            return decided

        return kept

    def _flow(
        self, case: Case, body: bytes, headers: dict[str, str] | None = None
    ) -> http.HTTPFlow:
        fields = [(key.encode(), value.encode()) for key, value in (headers or {}).items()]
        fields.append((KEY[0].encode(), KEY[1].encode()))
        request = tutils.treq(
            method=case.method.encode(),
            host=HOST,
            port=443,
            path=case.target.encode(),
            headers=http.Headers(fields),
            content=body,
        )
        flow = tflow.tflow(req=request)
        flow.request.scheme = "https"
        return flow

    async def _whole(self, flow: http.HTTPFlow, body: bytes) -> None:
        assert flow.response is not None
        flow.response.raw_content = body
        if streaming.HELD in flow.metadata:
            await self._guard.callgate_judge(flow)
        await self._guard.response(flow)

    async def _streamed(self, stream: GatedStream, chunks: Sequence[bytes]) -> list[bytes]:
        out = []
        for chunk in chunks:
            stream.feed(chunk)
            out += stream.take_events()
        stream.finish()
        out += stream.take_events()
        while stream.is_holding:
            await stream.wait(WAITS_SECONDS)
            out += stream.take_events()
        return out
