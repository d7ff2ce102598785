"""Where people reach a gate, as the proxy sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Protocol

from callgate.metrics import Metrics
from callgate.policy import PolicyFile
from callgate.store.base import Record, Store


class Front(Protocol):
    """The console and whoever is to be told of records, in this process or in another."""

    @property
    def port(self) -> int | None:
        """The console's port, which is not served through the proxy; None where it is off."""
        ...

    @property
    def address(self) -> str:
        """The console's URL, or `off`."""
        ...

    @property
    def token(self) -> str:
        """What people sign in with, where it was made for this start."""
        ...

    def approval_url(self, id: str) -> str:
        """See `approval_url`."""
        ...

    def tell(self, record: Record) -> None:
        """Let those who watch, and those to be notified, know of a stored record."""
        ...

    async def open(
        self,
        parts: AsyncExitStack,
        store: Store,
        policy: PolicyFile | None,
        metrics: Metrics,
        is_ready: Callable[[], Awaitable[bool]],
        scanner_states: Callable[[], Mapping[str, str]],
    ) -> None:
        """Serve until the stack is left; raises SettingsError."""
        ...

    async def close(self) -> None:
        """End what is left when nothing is served any more."""
        ...


def approval_url(console: str, id: str) -> str:
    """Where people find an approval; without a console the id says what to decide on."""
    return f"{console}/approvals/{id}" if console else f"callgate:approvals/{id}"
