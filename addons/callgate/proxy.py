"""The proxy process: a mitmproxy master with just the addons that a gate needs.

mitmproxy's own tools watch and reload scripts and keep serving when one fails to load; here
nothing is reloaded, and no port is opened before the gate is assembled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mitmproxy import ctx, options
from mitmproxy.addons import (
    core,
    disable_h2c,
    next_layer,
    proxyauth,
    proxyserver,
    upstream_auth,
)
from mitmproxy.exceptions import OptionsError
from mitmproxy.master import Master
from mitmproxy.utils import asyncio_utils
from mitmproxy.utils.htpasswd import HtpasswdFile

from callgate import assembly, bounds, ca, frames, reloading, sharing, streaming
from callgate.addon import Guard
from callgate.border import Border
from callgate.console.listener import bind
from callgate.console.opening import Console, answers
from callgate.crowd import Crowd, Shortage, most_connections
from callgate.dispatch import Dispatch
from callgate.errors import SettingsError, StoreError
from callgate.forms import split_address
from callgate.front import Front
from callgate.hosts import Hosts
from callgate.listeners import UpstreamProxy, why_not
from callgate.metrics import Metrics
from callgate.policy import PolicyFile
from callgate.settings import Settings, load
from callgate.store.base import Record
from callgate.tasks import keep
from callgate.tls import ShortLived
from callgate.witness import Witness

_log = logging.getLogger(__name__)
_servers_log = logging.getLogger(proxyserver.__name__)

_FLUSH_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a started proxy listens."""

    proxy: str
    console: str
    """URL, or `off`."""
    authority: ca.Authority
    reverse: tuple[str, ...] = ()
    """URLs of the reverse listeners."""
    token: str = field(default="", repr=False)
    """What people sign in with, where it was made for this start."""

    @property
    def line(self) -> str:
        """The one line that scripts wait for."""
        return (
            f"callgate ready proxy={self.proxy} console={self.console}"
            f" ca={self.authority.certificate}"
        )


class Proxy(Master):
    """One proxy; `serve` runs it until it is told to stop."""

    def __init__(self, settings: Settings, authority: ca.Authority) -> None:
        """Prepare the addons; raises SettingsError for what mitmproxy does not accept."""
        streaming.check_compatible()
        streaming.without_debug_checks()
        bounds.install()
        frames.install(_most_bytes(settings))
        sharing.only_tcp()
        hosts = Hosts(settings.gated_hosts)
        behind = UpstreamProxy.parse(settings.upstream_proxy) if settings.upstream_proxy else None
        super().__init__(options.Options(), with_termlog=False)
        self.addons = Dispatch(self)
        self._settings = settings
        self._shortage = Shortage()
        self._servers = proxyserver.Proxyserver()
        self.guard = Guard(
            hosts,
            max_bytes=settings.max_body_mib << 20,
            only_gated=settings.only_openai,
            servers=self._servers,
        )
        self.border = Border(only_gated=settings.only_openai, is_behind_proxy=behind is not None)
        self.addons.add(  # type: ignore[no-untyped-call]
            core.Core(),
            disable_h2c.DisableH2C(),
            proxyauth.ProxyAuth(),
            upstream_auth.UpstreamAuth(),
            self._servers,
            Crowd(self._servers.connections, most_connections(settings.max_connections)),
            next_layer.NextLayer(),
            ShortLived(lambda: datetime.now(UTC)),
            self.border,
            self.guard,
        )
        observes = settings.mode == "observe"
        self._set(
            mode=_modes(settings, behind),
            upstream_auth=behind.credentials if behind and behind.credentials else None,
            confdir=str(authority.folder),
            allow_hosts=list(hosts.expressions),
            show_ignored_hosts=False,
            # on a gated host everything is HTTP: bytes that look odd must not go by unread
            rawtcp=False,
            ssl_verify_upstream_trusted_ca=str(ca.upstream_bundle(authority, settings.upstream_ca)),
            proxyauth=_users(settings.proxy_auth),
            stream_large_bodies=f"{settings.max_body_mib}m" if observes else None,
        )

    def _asyncio_exception_handler(
        self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        if not self._shortage.is_told(context.get("exception")):
            super()._asyncio_exception_handler(loop, context)

    def _set(self, **values: object) -> None:
        try:
            self.options.update(**values)
        except OptionsError as error:
            raise SettingsError(f"listen: {error}") from error

    async def listen(self) -> str:
        """Open the port; returns the URL, raises SettingsError when it can not be had."""
        _servers_log.disabled = True  # it would say the same as the error below
        try:
            is_listening = await self._servers.setup_servers()
        finally:
            _servers_log.disabled = False
        if not is_listening:
            failed = [server.last_exception for server in self._servers.servers]
            raise SettingsError(
                f"listen: can not listen on {self._listeners()}: "
                f"{_why(next(filter(None, failed), None))}; choose another --listen"
            )
        return self._addresses("regular", "upstream")[0]

    @property
    def reverse(self) -> tuple[str, ...]:
        """URLs of the reverse listeners, in the order of the setting."""
        return tuple(self._addresses("reverse"))

    def _addresses(self, *kinds: str) -> list[str]:
        # mitmproxy keeps its servers in the order of the modes
        servers = [server for server in self._servers.servers if server.mode.type_name in kinds]
        return [f"http://{_name(server.listen_addrs[0])}" for server in servers]

    def _listeners(self) -> str:
        addresses = (self._settings.listen, self._settings.transparent)
        reverses = (one.listen for one in self._settings.reverses)
        return ", ".join(filter(None, (*addresses, *reverses)))

    async def serve(self, on_listening: Callable[[str], None]) -> None:
        """Serve until `shutdown`, then let flows in flight finish."""
        with (
            asyncio_utils.install_exception_handler(self._asyncio_exception_handler),
            asyncio_utils.set_eager_task_factory(),
        ):
            url = await self.listen()
            await self.running()
            on_listening(url)
            try:
                await self.should_exit.wait()
                await self._drain()
            finally:
                await self.done()

    async def _drain(self) -> None:
        for server in self._servers.servers:
            await server.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.guard.idle(), self._settings.grace_seconds)
        # the last hook runs before its bytes are written
        await asyncio.sleep(_FLUSH_SECONDS)


def _why(failed: Exception | None) -> str:
    """What the system says; of some errors mitmproxy keeps the number, of others the cause."""
    if isinstance(failed, OSError) and failed.errno and failed.errno > 0:
        return why_not(failed)
    cause = failed.__cause__ if failed else None
    return why_not(cause) if isinstance(cause, OSError) else str(cause)


def _most_bytes(settings: Settings) -> int:
    """Of one message; `observe` ends nothing."""
    return sys.maxsize if settings.mode == "observe" else settings.max_body_mib << 20


def _modes(settings: Settings, behind: UpstreamProxy | None) -> list[str]:
    """What mitmproxy shall listen for, in its own words; raises SettingsError where it may not."""
    modes = [f"{f'upstream:{behind.url}' if behind else 'regular'}@{_at(settings.listen)}"]
    if settings.transparent:
        if not sys.platform.startswith("linux"):
            raise SettingsError("transparent: only Linux tells where a redirected connection led")
        modes.append(f"transparent@{_at(_free(settings.transparent))}")
    return modes + [f"reverse:{one.upstream}@{_at(_free(one.listen))}" for one in settings.reverses]


def _free(address: str) -> str:
    """The address with a port that is free now for port 0, which mitmproxy takes only once."""
    if split_address(address)[1] == 0:
        try:
            with bind(*split_address(address)) as bound:
                return _name(bound.getsockname())
        except OSError as error:
            raise SettingsError(f"listen: can not listen on {address}: {error}") from error
    return address


def _users(file: Path | None) -> str | None:
    """mitmproxy's name for a file of users; raises SettingsError where it could not read it."""
    if file is None:
        return None
    path = file.expanduser()
    try:
        HtpasswdFile.from_file(path)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"proxy_auth: {path} is not a file of USER:HASH lines with bcrypt or SHA-1: "
            f"write them with htpasswd -B"
        ) from error
    return f"@{path}"


def _name(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    host, port, *_ = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _at(address: str) -> str:
    host, port = split_address(address)  # mitmproxy wants an IPv6 address without brackets
    return f"{host}:{port}"


class ScriptGuard(Guard):
    """A Guard for `mitmdump -s`: assembles itself when the script is loaded."""

    @classmethod
    def from_environment(cls) -> ScriptGuard:
        """Read `CALLGATE_*`; raises SettingsError, PolicyError."""
        settings = load({}, os.environ, {})
        guard = cls(
            Hosts(settings.gated_hosts),
            max_bytes=settings.max_body_mib << 20,
            only_gated=settings.only_openai,
        )
        guard._settings = settings
        guard._policy = PolicyFile(settings.policy) if settings.policy else None
        return guard

    _settings: Settings
    _policy: PolicyFile | None
    _assembled: assembly.Assembled | None = None

    async def running(self) -> None:
        """Assemble; until then, and if it fails, all traffic to gated hosts is refused."""
        os.umask(0o077)
        bounds.install()
        frames.install(_most_bytes(self._settings))
        self.use(ctx.master.addons.get("proxyserver"))
        authority = ca.ensure(self._settings.home.expanduser(), self._settings.gated_hosts)
        roots = ca.upstream_bundle(authority, self._settings.upstream_ca)
        self._assembled = await assembly.assemble(
            self._settings, self._policy, lambda id: f"callgate:approvals/{id}", roots
        )
        self.arm(self._assembled.enforcement)

    async def done(self) -> None:
        """Close the store."""
        if self._assembled:
            await self._assembled.close()


async def serve(
    settings: Settings,
    policy: PolicyFile | None,
    on_ready: Callable[[Ready], None],
    stop: asyncio.Event | None = None,
    on_record: Callable[[Record], None] | None = None,
    witness: Witness | None = None,
    front: Front | None = None,
) -> None:
    """Run a proxy until SIGTERM, SIGINT or `stop`; `on_record` is told of every record.

    `witness` notes which hosts are asked for. Without a `front` this process has the console.

    Raises SettingsError, PolicyError or StoreError when it can not start; nothing listens then.
    """
    os.umask(0o077)  # mitmproxy and SQLite write files of their own
    front = front or Console(settings, lambda: datetime.now(UTC))
    try:
        await _serve(settings, policy, front, on_ready, stop, on_record, witness)
    finally:
        await front.close()


async def _serve(
    settings: Settings,
    policy: PolicyFile | None,
    front: Front,
    on_ready: Callable[[Ready], None],
    stop: asyncio.Event | None,
    on_record: Callable[[Record], None] | None,
    witness: Witness | None,
) -> None:
    authority = ca.ensure(settings.home.expanduser(), settings.gated_hosts)
    roots = ca.upstream_bundle(authority, settings.upstream_ca)
    proxy = Proxy(settings, authority)
    if witness:
        proxy.addons.add(witness)
    metrics = Metrics()

    def tell(made: Record) -> None:
        metrics.count(made)
        front.tell(made)
        if on_record:
            on_record(made)

    assembled = await assembly.assemble(settings, policy, front.approval_url, roots, tell)
    try:
        proxy.guard.arm(assembled.enforcement)
        if front.port is not None:
            proxy.guard.protect(front.port)
            proxy.border.protect(front.port)
        wanted = asyncio.Event()
        _handle_signals(proxy, wanted)
        async with contextlib.AsyncExitStack() as tasks:
            store = assembled.store
            await front.open(
                tasks, store, policy, metrics, lambda: answers(store), assembled.scanner_states
            )
            if policy:
                keep(tasks, reloading.watch(policy, settings, assembled.store, wanted))
            if stop:
                keep(tasks, _stop_on(stop, proxy))
            await proxy.serve(
                lambda url: on_ready(
                    Ready(url, front.address, authority, proxy.reverse, front.token)
                )
            )
    finally:
        with contextlib.suppress(StoreError):
            await assembled.close()


async def _stop_on(stop: asyncio.Event, proxy: Proxy) -> None:
    await stop.wait()
    proxy.should_exit.set()


def _handle_signals(proxy: Proxy, reload: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, proxy.should_exit.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
