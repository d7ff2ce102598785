"""Guard: mitmproxy's hooks ↔ the enforcement.

mitmproxy logs an exception in a hook and lets the flow go on. So every hook here is wrapped:
whatever goes wrong, the flow is refused (but in `observe`). Until `arm` was called there is
no enforcement, and all traffic is refused.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import layer as proxy_layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from callgate import annotation, bodies, flows, streaming
from callgate.enforcement import Enforcement
from callgate.errors import BodyError
from callgate.exchange import ApiError
from callgate.hosts import Hosts
from callgate.outcome import Outcome, Refuse, not_deliverable, out_of_order
from callgate.surfaces.base import Endpoint
from callgate.websockets import WebSockets

_log = logging.getLogger(__name__)

_OWN = "callgate_own"
"""The response was made here (or by proxy authentication): nothing to inspect."""
_OF_OLD_BYTES = (
    "content-encoding",
    "etag",
    "last-modified",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "signature",
    "signature-input",
)
_KEEP_ALIVE_SECONDS = 15.0
_ENDPOINT = "callgate_endpoint"
_OUTCOME = "callgate_outcome"


def fails_closed[G: "Guard"](
    hook: Callable[[G, http.HTTPFlow], Awaitable[None]],
) -> Callable[[G, http.HTTPFlow], Awaitable[None]]:
    """Turn any exception of a flow's hook into a refusal."""

    @functools.wraps(hook)
    async def closed(guard: G, flow: http.HTTPFlow) -> None:
        try:
            await hook(guard, flow)
        except Exception as error:  # noqa: BLE001  the one border: nothing may pass on an error
            guard.shut(flow, error, has_body=hook.__name__ != "responseheaders")

    return closed


class Guard:
    """The addon; one instance a process."""

    name = "callgate"

    def __init__(
        self,
        hosts: Hosts,
        *,
        max_bytes: int,
        only_gated: bool = False,
        console_port: int | None = None,
        servers: Proxyserver | None = None,
    ) -> None:
        """`max_bytes` bounds what is buffered of one body; `servers` has the connections."""
        self._hosts = hosts
        self._max_bytes = max_bytes
        self._only_gated = only_gated
        self._console_port = console_port
        self._servers = servers or Proxyserver()
        self._sockets = WebSockets(self._servers)
        self._enforcement: Enforcement | None = None
        self._active: set[str] = set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def arm(self, enforcement: Enforcement) -> None:
        """Start to let judged traffic through."""
        self._enforcement = enforcement

    def protect(self, console_port: int) -> None:
        """Refuse connections through the proxy to Callgate's own console."""
        self._console_port = console_port

    def use(self, servers: Proxyserver) -> None:
        """Reach live connections through another addon than the one given at first."""
        self._servers = servers
        self._sockets = WebSockets(servers)

    async def idle(self) -> None:
        """Wait until every request has its response."""
        await self._is_idle.wait()

    def _begin(self, flow: http.HTTPFlow) -> None:
        self._active.add(flow.id)
        self._is_idle.clear()

    def _end(self, flow: http.HTTPFlow) -> None:
        self._active.discard(flow.id)
        if not self._active:
            self._is_idle.set()

    # -- connections ----------------------------------------------------------------------

    def next_layer(self, data: proxy_layer.NextLayer) -> None:
        """Guard every HTTP layer; `observe` streams large bodies instead of dropping them."""
        observes = self._enforcement is not None and self._enforcement.observes
        if isinstance(data.layer, HttpLayer):
            streaming.guard(data.layer, sys.maxsize if observes else self._max_bytes)

    async def callgate_wait(self, wait: streaming.Wait) -> None:
        """Let a stream that holds something know when to look again."""
        if wait.gated.is_crowded:
            with streaming.paused(self._servers.connections, wait.client, wait.server):
                await wait.gated.wait(_KEEP_ALIVE_SECONDS)
        else:
            await wait.gated.wait(_KEEP_ALIVE_SECONDS)

    async def callgate_judge(self, flow: http.HTTPFlow) -> None:
        """Find out what becomes of a whole body, or return while it is being found out."""
        endpoint = _endpoint(flow)
        if endpoint is None or not self._has_calls(flow, endpoint):
            return
        await streaming.patiently(flow, partial(self._judge, flow, endpoint))

    async def _judge(self, flow: http.HTTPFlow, endpoint: Endpoint) -> None:
        try:
            flow.metadata[_OUTCOME] = await self._outcome(flow, endpoint)
        except Exception as error:  # noqa: BLE001  the one border: nothing may pass on an error
            self.shut(flow, error, has_body=True)

    @fails_closed
    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse tunnels to hosts that are not gated, where the operator wants that."""
        if flow.response is None and self._only_gated and not self._is_gated(flow):
            self._answer(flow, flows.not_gated(flow.request.host))

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Refuse connections to the console: apps must not approve their own calls."""
        host, port, *_ = data.server.address or ("", 0)
        if self._console_port is None or port != self._console_port:
            return
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port)
        except OSError as error:
            data.server.error = f"{host}: {error}"
            return
        addresses = [entry[4][0] for entry in found]
        if any(flows.is_here(str(address)) for address in addresses):
            data.server.error = "Callgate's console is not served through the proxy"
        else:
            # the name may resolve differently a moment later: connect to what was checked
            data.server.address = (str(addresses[0]), port)

    async def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """See `streaming.hang_up`."""
        streaming.hang_up(self._servers.connections, data.client, data.server)

    # -- requests -------------------------------------------------------------------------

    @fails_closed
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Stream what is not read; strip headers that only Callgate writes."""
        if flow.response is not None:
            flow.metadata[_OWN] = True
            return
        if not self._is_gated(flow):
            self._pass_by(flow)
            return
        enforcement = self._armed()
        self._begin(flow)
        flows.strip(flow.request.headers)
        endpoint = enforcement.endpoint(flow.request.method, flow.request.path)
        flow.metadata[_ENDPOINT] = endpoint
        request = flows.request_of(flow)
        for check in (enforcement.check_path, enforcement.check_setup):
            outcome = await check(endpoint, request)
            if isinstance(outcome, Refuse):
                self._answer(flow, outcome.error)
                return
        if endpoint is None:
            await enforcement.passes_unread(request)
            flow.metadata[_ENDPOINT] = enforcement.elsewhere(request)
        if endpoint is None or not endpoint.reads_request:
            flow.request.stream = True

    @fails_closed
    async def request(self, flow: http.HTTPFlow) -> None:
        """Check results and hosted tools before anything is sent on."""
        endpoint = _endpoint(flow)
        if flow.response is not None or endpoint is None or not endpoint.reads_request:
            return
        enforcement = self._armed()
        request = flows.request_of(flow)
        if streaming.REQUEST_TOO_LARGE in flow.metadata or flow.request.raw_content is None:
            outcome = await enforcement.refuse_body(
                request, f"its body is larger than {self._max_bytes >> 20} MiB", is_request=True
            )
        else:
            outcome = await enforcement.check_request(endpoint, request)
        if isinstance(outcome, Refuse):
            self._answer(flow, outcome.error)
            return
        flow.metadata[flows.CONVERSATION] = outcome.conversation
        if outcome.body is not None:
            flow.request.headers.pop("content-encoding", None)
            flow.request.content = outcome.body

    # -- responses ------------------------------------------------------------------------

    @fails_closed
    async def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream what is not read; the rest waits for its verdicts."""
        if _OWN in flow.metadata or flow.response is None or not self._is_gated(flow):
            if flow.response is not None and _OWN not in flow.metadata:
                flow.response.stream = True
            return
        enforcement = self._armed()
        flows.strip(flow.response.headers)
        endpoint = _endpoint(flow)
        if endpoint is None or not endpoint.reads_response or not self._can_be_read(flow, endpoint):
            flows.add(flow.response.headers, annotation.headers((), enforcement.mode))
            flow.response.stream = True
            if flow.response.status_code == 101:
                await enforcement.passes_upgraded(flows.request_of(flow))
        elif flow.response.status_code == 101 and endpoint.is_socket:
            flows.add(flow.response.headers, annotation.headers((), enforcement.mode))
        elif why := flows.goes_on_unread(flow, self._hosts):
            outcome = await enforcement.refuse_body(flows.request_of(flow), why, is_request=False)
            if isinstance(outcome, Refuse):
                flow.metadata[streaming.REFUSED] = outcome.error
        elif flows.is_event_stream(flow):
            self._open_stream(flow, endpoint, enforcement)
        elif enforcement.holds:
            flow.metadata[streaming.HELD] = True

    def _can_be_read(self, flow: http.HTTPFlow, endpoint: Endpoint) -> bool:
        """On paths that nobody knows, only what is JSON or a stream of events can hold calls."""
        if endpoint.operation != "unknown":
            return True
        kind = flow.response.headers.get("content-type", "") if flow.response else ""
        return "json" in kind.lower() or flows.is_event_stream(flow)

    def _open_stream(
        self, flow: http.HTTPFlow, endpoint: Endpoint, enforcement: Enforcement
    ) -> None:
        assert flow.response is not None  # noqa: S101  for the type checker
        headers = flow.response.headers
        encoding = ",".join(headers.get_all("content-encoding"))
        try:
            bodies.refuse_charset(headers.get("content-type", ""))
            gated = enforcement.open_stream(endpoint, flows.request_of(flow), encoding)
        except BodyError as error:
            if not enforcement.observes:
                flow.metadata[streaming.REFUSED] = not_deliverable(str(error)).error
                return
            flow.response.stream = True
        else:
            # not called by mitmproxy: `streaming.GuardedStream` takes it for what it is
            flow.response.stream = gated  # type: ignore[assignment]
            # events leave as they are told, whatever the API made of them on the way
            for name in ("content-encoding", "content-length", "etag"):
                headers.pop(name, None)
            if flow.request.is_http11 and "transfer-encoding" not in headers:
                headers["transfer-encoding"] = "chunked"
        flows.add(headers, annotation.headers((), enforcement.mode))

    @fails_closed
    async def response(self, flow: http.HTTPFlow) -> None:
        """Annotate, redact or withhold, when the body has come whole."""
        try:
            endpoint = _endpoint(flow)
            if error := flow.metadata.get(streaming.REFUSED):
                self._answer(flow, error)
            elif self._has_calls(flow, endpoint):
                assert endpoint is not None  # noqa: S101  for the type checker
                await self._deliver(flow, endpoint)
        finally:
            self._end(flow)

    def _has_calls(self, flow: http.HTTPFlow, endpoint: Endpoint | None) -> bool:
        return (
            _OWN not in flow.metadata
            and flow.response is not None
            and not flow.response.stream
            and endpoint is not None
            and endpoint.reads_response
        )

    async def _outcome(self, flow: http.HTTPFlow, endpoint: Endpoint) -> Outcome:
        enforcement = self._armed()
        if streaming.RESPONSE_TOO_LARGE in flow.metadata:
            why = f"its body is larger than {self._max_bytes >> 20} MiB"
            return await enforcement.refuse_body(flows.request_of(flow), why, is_request=False)
        return await enforcement.check_response(
            endpoint, flows.request_of(flow), flows.response_of(flow)
        )

    async def _deliver(self, flow: http.HTTPFlow, endpoint: Endpoint) -> None:
        outcome = flow.metadata.pop(_OUTCOME, None) or await self._outcome(flow, endpoint)
        if isinstance(outcome, Refuse):
            self._answer(flow, outcome.error)
            return
        assert flow.response is not None  # noqa: S101  for the type checker
        flows.add(flow.response.headers, outcome.headers)
        if outcome.body is not None:
            # the API's checks of its own bytes do not fit the new ones
            for name in _OF_OLD_BYTES:
                flow.response.headers.pop(name, None)
            # what is held or hidden now may be shown at the next look
            flow.response.headers["cache-control"] = "no-store"
            flow.response.content = outcome.body

    async def error(self, flow: http.HTTPFlow) -> None:
        """A flow has ended without a response, or a WebSocket without a farewell."""
        self._end(flow)
        self._sockets.close(flow)

    # -- WebSockets -----------------------------------------------------------------------

    async def websocket_start(self, flow: http.HTTPFlow) -> None:
        """Guard the connection, where calls travel on it."""
        endpoint = _endpoint(flow)
        if endpoint is not None and endpoint.is_socket:
            self._sockets.open(flow, self._armed(), endpoint, flows.request_of(flow))

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        """Let a message go on, changed or not, or drop it."""
        try:
            await self._sockets.message(flow)
        except Exception as error:  # noqa: BLE001  the one border: nothing may pass on an error
            _log.error("a hook failed", exc_info=error)
            if not (self._enforcement and self._enforcement.observes) and flow.websocket:
                flow.websocket.messages[-1].drop()

    async def websocket_end(self, flow: http.HTTPFlow) -> None:
        """The connection is closed."""
        self._sockets.close(flow)

    # -- the border -----------------------------------------------------------------------

    def shut(self, flow: http.HTTPFlow, error: Exception, *, has_body: bool) -> None:
        """Refuse a flow because of an error of our own; `observe` alone lets it pass.

        Without the body, `response` answers: mitmproxy would put the body into our answer.
        """
        _log.error("a hook failed", exc_info=error)
        if self._enforcement is not None and self._enforcement.observes:
            return
        refusal = out_of_order(f"{type(error).__name__} in the proxy, see its log").error
        if has_body or flow.response is None:
            self._answer(flow, refusal)
        else:
            flow.response.stream = False
            flow.metadata[streaming.REFUSED] = refusal

    def _armed(self) -> Enforcement:
        if self._enforcement is None:
            raise RuntimeError("the gate is not assembled")
        return self._enforcement

    def _is_gated(self, flow: http.HTTPFlow) -> bool:
        port = flow.request.port
        names = (flow.request.host, flow.client_conn.sni, flow.request.pretty_host)
        return any(self._hosts.match(name, port) for name in names)

    def _pass_by(self, flow: http.HTTPFlow) -> None:
        """Plain HTTP to a host that is not gated."""
        if self._only_gated:
            self._answer(flow, flows.not_gated(flow.request.host))
        else:
            flow.request.stream = True

    def _answer(self, flow: http.HTTPFlow, error: ApiError) -> None:
        flow.metadata[_OWN] = True
        flows.answer(flow, error, self._enforcement.mode if self._enforcement else None)


def _endpoint(flow: http.HTTPFlow) -> Endpoint | None:
    endpoint = flow.metadata.get(_ENDPOINT)
    return endpoint if isinstance(endpoint, Endpoint) else None
