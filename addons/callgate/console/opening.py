"""Settings → a console that serves, and notifications that are sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from urllib.parse import urlsplit

from callgate.approvals import Approvals
from callgate.console.app import application
from callgate.console.feed import Feed
from callgate.console.listener import bind, server
from callgate.console.messages import key_of, slack, webhook
from callgate.console.notifications import Notifications, Receiver
from callgate.console.operators import Guesses, Operators, new_token
from callgate.console.parts import Parts
from callgate.console.sessions import Sessions
from callgate.console.tally import Tally
from callgate.errors import SettingsError, StoreError
from callgate.forms import split_address
from callgate.front import approval_url
from callgate.listeners import why_not
from callgate.metrics import Metrics
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store.base import Record, Store


class Console:
    """See `Front`, in this process: bound first, opened when the gate is assembled."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        """Bind the console's address; raises SettingsError."""
        self._settings = settings
        self._clock = clock
        self._bound = None if settings.console == "off" else _bind(settings.console)
        self.port = self._bound.getsockname()[1] if self._bound else None
        """The console's port; None where it is off."""
        self.address = _url(self._bound, is_tls=settings.console_cert is not None)
        """The console's URL, or `off`."""
        self.token = "" if settings.operators or self._bound is None else new_token()
        """The token made for this start; empty where operators have their own."""
        self._notifications = Notifications(
            _receivers(settings), settings.notify, self.links, clock
        )
        self._feed: Feed | None = None

    @property
    def links(self) -> str:
        """What links to the console begin with; empty where there is none."""
        return self._settings.console_url or ("" if self._bound is None else self.address)

    def approval_url(self, id: str) -> str:
        """See `front.approval_url`."""
        return approval_url(self.links, id)

    def tell(self, record: Record) -> None:
        """Let those who watch, and those to be notified, know of a stored record."""
        self._notifications.tell(record)
        if self._feed:
            self._feed.stir()

    async def open(
        self,
        parts: AsyncExitStack,
        store: Store,
        policy: PolicyFile | None,
        metrics: Metrics,
        is_ready: Callable[[], Awaitable[bool]],
        scanner_states: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Serve until the stack is left, send notifications until `close`.

        Raises SettingsError.
        """
        self._notifications.start()
        if self._bound is None:
            return
        settings, clock = self._settings, self._clock
        feed = self._feed = Feed(store.latest)
        made = Parts(
            store=store,
            approvals=Approvals(store, clock, settings.approval_ttl_seconds, url=self.approval_url),
            policy=policy,
            mode=settings.mode,
            metrics=metrics,
            operators=Operators(settings.operators or {"operator": self.token}),
            is_ready=is_ready,
            scanner_states=scanner_states,
            clock=clock,
            guesses=Guesses(),
            sessions=Sessions(clock),
            tally=Tally(store, clock),
            feed=feed,
            names=_names(settings),
            is_tls=settings.console_cert is not None,
            port=self.port or 0,
        )
        listening = server(application(made), settings.console_cert, settings.console_key)
        task = asyncio.ensure_future(listening.serve([self._bound]))

        async def end() -> None:
            await feed.close()
            listening.should_exit = True
            await task

        parts.push_async_callback(end)

    async def close(self) -> None:
        """Send what waits, and give the address back."""
        await self._notifications.close()
        if self._bound:
            self._bound.close()


async def answers(store: Store) -> bool:
    """Tell whether the store can be read."""
    try:
        await store.latest()
    except StoreError:
        return False
    return True


def _bind(address: str) -> socket.socket:
    try:
        return bind(*split_address(address))
    except OSError as error:
        raise SettingsError(
            f"console: can not listen on {address}: {why_not(error)}; "
            "choose another --console, or off"
        ) from error


def _url(bound: socket.socket | None, *, is_tls: bool) -> str:
    if bound is None:
        return "off"
    host, port, *_ = bound.getsockname()
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{'https' if is_tls else 'http'}://{name}"


def _names(settings: Settings) -> set[str]:
    """Hosts that the console goes by, as people write them."""
    known = {split_address(settings.console)[0], urlsplit(settings.console_url).hostname or ""}
    return known - {""}


def _receivers(settings: Settings) -> list[Receiver]:
    receivers = []
    if settings.webhook_url:
        key = key_of(settings.webhook_secret)
        receivers.append(
            Receiver("webhook", settings.webhook_url, lambda told, at: webhook(told, key, at))
        )
    if settings.slack_url:
        receivers.append(Receiver("slack", settings.slack_url, lambda told, _: slack(told)))
    return receivers
