"""`callgate serve --workers N`: everything that there is once, and the workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from callgate import assembly, ca, reloading
from callgate.console.opening import Console, answers
from callgate.errors import SettingsError
from callgate.metrics import Metrics
from callgate.policy import PolicyFile
from callgate.proxy import Ready
from callgate.scanners.breaker import UNTRIED, WELL
from callgate.settings import Settings
from callgate.store.base import Record
from callgate.tasks import keep
from callgate.workers.order import Order
from callgate.workers.ports import Port
from callgate.workers.process import WorkerProcess
from callgate.workers.supervisor import Supervisor

_MARGIN_SECONDS = 15.0
"""What a worker may need at its end, beside the flows that it lets finish."""

_WAKE_SECONDS = 1.0

type Team = Supervisor[WorkerProcess]


async def serve(
    settings: Settings, policy: PolicyFile | None, on_ready: Callable[[Ready], None]
) -> None:
    """Run workers until SIGTERM or SIGINT; `on_ready` is told when all of them listen.

    Raises SettingsError, PolicyError, StoreError or WorkerError when they can not start; nothing
    listens then.
    """
    if not sys.platform.startswith("linux"):
        raise SettingsError("workers: only Linux shares out connections; leave it at 1 here")
    os.umask(0o077)
    console = Console(settings, lambda: datetime.now(UTC))
    try:
        async with AsyncExitStack() as parts:
            await _serve(_held(settings, parts), policy, console, on_ready, parts)
    finally:
        await console.close()


def _held(settings: Settings, parts: AsyncExitStack) -> Settings:
    """The settings with ports that are ours until the stack is left; raises SettingsError."""

    def held(address: str) -> str:
        port = Port(address)
        parts.callback(port.close)
        return port.address

    update: dict[str, object] = {"listen": held(settings.listen)}
    if settings.transparent:
        update["transparent"] = held(settings.transparent)
    if settings.reverse:
        reverses = [f"{held(one.listen)}={one.upstream}" for one in settings.reverses]
        update["reverse"] = tuple(reverses)
    return settings.model_copy(update=update)


async def _serve(
    settings: Settings,
    policy: PolicyFile | None,
    console: Console,
    on_ready: Callable[[Ready], None],
    parts: AsyncExitStack,
) -> None:
    # what workers find there is made once, before they look for it
    authority = ca.ensure(settings.home.expanduser(), settings.gated_hosts)
    books = await parts.enter_async_context(assembly.open_books(settings, policy))
    metrics = Metrics()

    def tell(record: Record) -> None:
        metrics.count(record)
        console.tell(record)
        books.wake()

    async def launch(number: int) -> WorkerProcess:
        path = policy.path if policy else None
        order = Order.to(number, settings, path, console.port, console.links)
        return await WorkerProcess.launch(order, tell)

    team: Team = Supervisor(launch, settings.workers, settings.grace_seconds + _MARGIN_SECONDS)

    async def is_ready() -> bool:
        return team.is_whole and await answers(books.store)

    def states() -> Mapping[str, str]:
        return worst(worker.states for worker in team.workers.values())

    await console.open(parts, books.store, policy, metrics, is_ready, states)
    wanted = asyncio.Event()
    _handle_signals(team, wanted)
    if settings.audit_file or settings.audit_syslog:
        keep(parts, _wake(books))
    if policy:
        keep(parts, reloading.watch(policy, settings, None, wanted))

    def ready() -> None:
        first = team.workers[1]
        on_ready(Ready(first.proxy, console.address, authority, first.reverse, console.token))

    await team.run(ready)


async def _wake(books: assembly.Books) -> None:
    """Mirror also what workers do not tell of: that they start, and by which policy."""
    while True:
        await asyncio.sleep(_WAKE_SECONDS)
        books.wake()


def worst(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """How each gateway did last, as the worker knows it that fared worst."""
    found: dict[str, str] = {}
    for states in each:
        for name, state in states.items():
            found[name] = max(found.get(name, UNTRIED), state, key=_badness)
    return found


def _badness(state: str) -> int:
    return {UNTRIED: 0, WELL: 1}.get(state, 2)


def _handle_signals(team: Team, reload: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, team.stop)

    def again() -> None:
        reload.set()
        team.reload()

    loop.add_signal_handler(signal.SIGHUP, again)
