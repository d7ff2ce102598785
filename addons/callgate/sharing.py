"""Lets mitmproxy listen where other processes listen as well."""

from __future__ import annotations

import asyncio
from typing import Any

from mitmproxy.proxy.mode_servers import AsyncioServerInstance


def share_ports() -> None:
    """Have every listener of this process bind with SO_REUSEPORT, for TCP only.

    mitmproxy has no option for it, and a mode's class can not be replaced by another.
    """
    AsyncioServerInstance.listen = _listen  # type: ignore[method-assign,assignment]


async def _listen(self: AsyncioServerInstance[Any], host: str, port: int) -> list[asyncio.Server]:
    return [await asyncio.start_server(self.handle_stream, host, port, reuse_port=True)]
