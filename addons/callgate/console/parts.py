"""What the console is made of, and how its pages get at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from callgate.approvals import Approvals
from callgate.console.feed import Feed
from callgate.console.operators import Guesses, Operators
from callgate.console.sessions import Sessions
from callgate.console.tally import Tally
from callgate.metrics import Metrics
from callgate.model import Mode
from callgate.policy import PolicyFile
from callgate.store.base import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that pages and the API use."""

    store: Store
    approvals: Approvals
    policy: PolicyFile | None
    mode: Mode
    metrics: Metrics
    operators: Operators
    is_ready: Callable[[], Awaitable[bool]]
    clock: Callable[[], datetime]
    guesses: Guesses
    sessions: Sessions
    tally: Tally
    feed: Feed
    scanner_states: Callable[[], Mapping[str, str]] = dict
    """How the scanners at gateways did last; see `scanners.base.Gateway.state`."""
    names: Collection[str] = ()
    """Hosts that the console goes by, beside `localhost` and addresses."""
    is_tls: bool = False
    port: int = 0
    """Browsers keep cookies of all ports of a host together."""

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; over TLS no other host can set it."""
        return f"{'__Host-' if self.is_tls else ''}callgate_{self.port}"


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves a request."""
    parts: Parts = request.app.state.parts
    return parts


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""
