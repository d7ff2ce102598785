"""The gateway's process: an engine, a listener, and no proxy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from callgate import reloading
from callgate.assembly import running_engine
from callgate.errors import SettingsError
from callgate.forms import is_loopback, split_address
from callgate.gateway.app import application
from callgate.gateway.keys import KeyFile
from callgate.listeners import why_not
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store.base import Store

DEFAULT_LISTEN = "127.0.0.1:4000"


@dataclass(frozen=True, slots=True)
class Front:
    """Where and how the gateway listens."""

    listen: str = DEFAULT_LISTEN
    certificate: Path | None = None
    """PEM; with `private_key` the gateway speaks TLS."""
    private_key: Path | None = None

    def check(self) -> None:
        """Raise SettingsError for an address that keys should not travel to in the clear."""
        try:
            host, _ = split_address(self.listen)
        except ValueError as error:
            raise SettingsError(f"gateway listen: {error} (got {self.listen!r})") from error
        if (self.certificate is None) != (self.private_key is None):
            raise SettingsError("gateway: --tls-cert and --tls-key go together")
        if not self.certificate and not is_loopback(host):
            raise SettingsError(
                f"gateway listen: {host} is reachable from other machines; give --tls-cert PEM "
                "and --tls-key PEM, or listen on loopback behind a proxy that speaks TLS"
            )

    def bind(self) -> socket.socket:
        """Open the listener; raises SettingsError."""
        host, port = split_address(self.listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            bound = socket.create_server((host, port), family=family)
        except OSError as error:
            raise SettingsError(
                f"gateway listen: can not listen on {self.listen}: {why_not(error)}; "
                "choose another --listen"
            ) from error
        # connections have what their listener has; without it answers on one that is used
        # again wait 40 ms for the client's acknowledgement
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound

    def url(self, bound: socket.socket) -> str:
        """What clients are given."""
        host, port, *_ = bound.getsockname()
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, but for signals: those are this module's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(
    settings: Settings,
    policy: PolicyFile | None,
    front: Front,
    keys: KeyFile,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads policy and keys again.

    Raises SettingsError, PolicyError or StoreError when it can not start; nothing listens then.
    """
    os.umask(0o077)
    front.check()
    with contextlib.closing(front.bind()) as bound:
        url = front.url(bound)
        async with running_engine(settings, policy, lambda id: f"{url}/approvals/{id}") as engine:
            app = application(engine, lambda: keys.current, lambda: datetime.now(UTC))
            server = _Server(
                uvicorn.Config(
                    app,
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    ssl_certfile=front.certificate,
                    ssl_keyfile=front.private_key,
                    timeout_graceful_shutdown=int(settings.grace_seconds),
                )
            )
            _load(server, front)
            async with _reloading(policy, settings, engine.store, keys):
                _on_signals(server)
                on_ready(url)
                await server.serve([bound])


def _load(server: uvicorn.Server, front: Front) -> None:
    try:
        server.config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"gateway: {front.certificate} and {front.private_key} can not be used: {error}"
        ) from error


def _on_signals(server: uvicorn.Server) -> None:
    def stop() -> None:
        server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)


@contextlib.asynccontextmanager
async def _reloading(
    policy: PolicyFile | None, settings: Settings, store: Store, keys: KeyFile
) -> AsyncIterator[None]:
    wanted = asyncio.Event()

    def reload() -> None:
        keys.reload()
        wanted.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    if policy is None:
        yield
        return
    watching = asyncio.ensure_future(reloading.watch(policy, settings, store, wanted))
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
