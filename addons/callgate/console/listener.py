"""The console's own listener, in the proxy's loop."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from callgate.errors import SettingsError


class Server(uvicorn.Server):
    """uvicorn inside the proxy's loop; the proxy handles signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def server(app: Starlette, cert: Path | None = None, key: Path | None = None) -> Server:
    """A server for sockets that were bound before; raises SettingsError for unusable files."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # whoever watches live when the proxy stops is not waited for
        timeout_graceful_shutdown=2,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"console_cert, console_key: can not be used: {error}") from error
    return Server(config)


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening socket; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family)
    # asyncio leaves sockets alone that it did not make: small answers would wait 40 ms
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound
