"""Where mitmproxy listens: on TCP alone, and where other processes listen as well."""

from __future__ import annotations

import asyncio
from typing import Any

from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.mode_servers import AsyncioServerInstance


def only_tcp() -> None:
    """Have reverse listeners of this process listen on TCP alone.

    For APIs that speak HTTPS mitmproxy takes UDP as well, for QUIC; it has no option for it, and
    the mode itself says so when it has been read.
    """
    mode_specs.ReverseMode.transport_protocol = property(_tcp, _pass)  # type: ignore[assignment]


def _tcp(mode: mode_specs.ReverseMode) -> str:
    return mode_specs.TCP


def _pass(mode: mode_specs.ReverseMode, told: str) -> None:
    """Nothing: whatever mitmproxy takes it for."""


def share_ports() -> None:
    """Have every listener of this process bind with SO_REUSEPORT.

    mitmproxy has no option for it, and a mode's class can not be replaced by another.
    """
    AsyncioServerInstance.listen = _listen  # type: ignore[method-assign,assignment]


async def _listen(self: AsyncioServerInstance[Any], host: str, port: int) -> list[asyncio.Server]:
    return [await asyncio.start_server(self.handle_stream, host, port, reuse_port=True)]
