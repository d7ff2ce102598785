"""mitmproxy listening where others listen as well."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from mitmproxy.proxy.mode_servers import AsyncioServerInstance, ServerInstance

from callgate.sharing import share_ports


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
