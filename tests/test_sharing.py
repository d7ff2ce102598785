"""mitmproxy listening on TCP alone, and where others listen as well."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.mode_servers import AsyncioServerInstance, ServerInstance

from callgate.sharing import only_tcp, share_ports


async def test_two_listeners_of_mitmproxy_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    # put back after the test: it counts for the whole process
    monkeypatch.setattr(AsyncioServerInstance, "listen", AsyncioServerInstance.listen)
    share_ports()
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        instances: list[Any] = [ServerInstance.make("regular", manager=None) for _ in range(2)]  # type: ignore[arg-type]  # only for connections
        instances.append(ServerInstance.make("reverse:https://127.0.0.1", manager=None))  # type: ignore[arg-type]

        servers: list[asyncio.Server] = []
        for instance in instances:
            servers += await instance.listen("127.0.0.1", port)

        found = [bound.getsockname() for server in servers for bound in server.sockets]
        assert found == [("127.0.0.1", port)] * 3
        for server in servers:
            server.close()


async def test_reverse_listener_for_https_takes_no_udp_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # put back after the test, as above
    monkeypatch.setattr(mode_specs.ReverseMode, "transport_protocol", mode_specs.TCP)
    instance: Any = ServerInstance.make("reverse:https://api.test", manager=None)  # type: ignore[arg-type]
    assert instance.mode.transport_protocol == "both"
    only_tcp()

    servers = await instance.listen("127.0.0.1", 0)

    assert [type(server) for server in servers] == [asyncio.Server]
    servers[0].close()
