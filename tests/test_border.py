"""What the guard can not refuse by itself."""

from __future__ import annotations

import pytest
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import TCPLayer
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.test import taddons, tflow, tutils

from callgate.border import Border, Closed


def border(*, only_gated: bool = False, is_behind_proxy: bool = True) -> Border:
    made = Border(only_gated=only_gated, is_behind_proxy=is_behind_proxy)
    made.protect(8081)
    return made


@pytest.mark.parametrize("only_gated", [True, False])
def test_tunnel_without_connect_is_closed_where_only_gated_hosts_pass(only_gated: bool) -> None:
    with taddons.context() as context:
        data = layer.NextLayer(a_context(context))
        data.layer = TCPLayer(data.context, ignore=True)
        border(only_gated=only_gated).next_layer(data)

        assert isinstance(data.layer, Closed) == only_gated
        http = layer.NextLayer(data.context)
        http.layer = HttpLayer(data.context, HTTPMode.transparent)
        border(only_gated=only_gated).next_layer(http)
        assert isinstance(http.layer, HttpLayer)


def a_context(context: taddons.context) -> Context:
    return Context(tflow.tclient_conn(), context.options)


def test_closed_layer_hangs_up_and_sends_nothing() -> None:
    with taddons.context() as context:
        closed = Closed(a_context(context))
        done = list(closed.handle_event(events.Start()))
        rest = list(closed.handle_event(events.DataReceived(closed.context.client, b"x")))

    assert [type(command) for command in done] == [commands.CloseConnection]
    assert rest == []


@pytest.mark.parametrize("hook", ["http_connect", "requestheaders"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "no-such-host.invalid"])
async def test_console_is_refused_where_another_proxy_would_connect(host: str, hook: str) -> None:
    flow = tflow.tflow(req=tutils.treq(host=host, port=8081))

    await getattr(border(), hook)(flow)

    assert flow.response is not None
    assert flow.response.status_code == 403


@pytest.mark.parametrize(
    ("host", "port", "is_behind_proxy"),
    [("127.0.0.1", 8082, True), ("192.0.2.1", 8081, True), ("127.0.0.1", 8081, False)],
)
async def test_everything_else_is_left_alone(host: str, port: int, is_behind_proxy: bool) -> None:
    flow = tflow.tflow(req=tutils.treq(host=host, port=port))

    await border(is_behind_proxy=is_behind_proxy).http_connect(flow)

    assert flow.response is None
