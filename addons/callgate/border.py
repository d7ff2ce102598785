"""What the guard can not refuse by itself: connections without a `CONNECT`, and a proxy behind.

The guard sees requests, and the connections that this proxy makes. A connection that the firewall
redirected is never asked for, and one that another proxy makes leads who knows where.
"""

from __future__ import annotations

import asyncio

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import TCPLayer

from callgate import flows
from callgate.exchange import ApiError


class Border:
    """An addon; runs behind `NextLayer` and before the guard, which lets its answers be."""

    name = "callgate_border"

    def __init__(self, *, only_gated: bool, is_behind_proxy: bool) -> None:
        self._only_gated = only_gated
        self._is_behind_proxy = is_behind_proxy
        self._console_port: int | None = None

    def protect(self, console_port: int) -> None:
        """Refuse requests for Callgate's own console, where another proxy would connect."""
        self._console_port = console_port

    def next_layer(self, data: layer.NextLayer) -> None:
        """Close tunnels to hosts that are not gated, where the operator wants that."""
        if self._only_gated and isinstance(data.layer, TCPLayer):
            data.layer = Closed(data.context)

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """See `protect`."""
        await self._check(flow)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """See `protect`."""
        await self._check(flow)

    async def _check(self, flow: http.HTTPFlow) -> None:
        host, port = flow.request.host, flow.request.port
        if not self._is_behind_proxy or port != self._console_port or flow.response is not None:
            return
        if await _is_here(host):
            error = ApiError("Callgate's console is not served through the proxy", "host_not_gated")
            flows.answer(flow, error, None)


class Closed(layer.Layer):
    """Hangs up, whatever comes."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


async def _is_here(host: str) -> bool:
    """A name that can not be resolved may be one that the other proxy can: it counts as here."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return True
    return any(flows.is_here(str(entry[4][0])) for entry in found)
