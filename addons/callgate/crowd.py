"""How many connections there may be at once: further ones are told so and closed.

Without descriptors nothing works any more: no connection to the API, no file of the store.
"""

from __future__ import annotations

import errno
import json
import logging
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

from mitmproxy import connection
from mitmproxy.proxy import server

from callgate.exchange import ApiError

_ENOUGH = 1 << 20
_OWN = 100
"""For the store, the console, questions to scanners and to the API."""

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SILENCE_SECONDS = 10.0

_log = logging.getLogger(__name__)

_FULL = json.dumps(
    ApiError(
        "Callgate has as many connections as it takes; try again in a moment, or see "
        "`max_connections`.",
        "callgate_unavailable",
        type="api_error",
    ).as_json()
).encode()
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(_FULL), _FULL)
)


class Crowd:
    """An addon; closes what comes beyond `most` connections of apps."""

    name = "callgate_crowd"

    def __init__(self, handlers: Mapping[Any, server.ConnectionHandler], most: int) -> None:
        """`handlers` are those of the connections that there are, the new one among them."""
        self._handlers = handlers
        self._most = most
        self._is_full = False

    def client_connected(self, client: connection.Client) -> None:
        """Answer 503 in the clear, as the first thing that anybody says here is in the clear."""
        is_full = len(self._handlers) > self._most
        if is_full and not self._is_full:
            _log.error("more than %d connections: further ones get 503", self._most)
        self._is_full = is_full
        if not is_full:
            return
        client.error = "too many connections"
        handler = self._handlers.get(client.id)
        io = handler.transports.get(client) if handler else None
        if io and io.writer:
            io.writer.write(_ANSWER)


class Shortage:
    """Says now and then what is short; asyncio says it a thousand times a second.

    It tries again after a second, so nothing but the log needs care.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._next = 0.0

    def is_told(self, error: object) -> bool:
        """Tell whether that is what the error says; then it needs no further word."""
        is_memory = isinstance(error, MemoryError)
        if not is_memory and not (isinstance(error, OSError) and error.errno in _SHORTAGES):
            return False
        if self._clock() >= self._next:
            self._next = self._clock() + _SILENCE_SECONDS
            why = error.strerror if isinstance(error, OSError) else "no memory"
            _log.error("connections can not be served now: %s", why)
        return True


def raise_limit() -> None:
    """Let this process have as many descriptors as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # macOS allows less than it says
            _log.warning("only %d files and connections can be open: %s", soft, error)


def most_connections(wanted: int) -> int:
    """`wanted`, or fewer where there are not descriptors enough: a connection takes two."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(min(wanted, (soft - _OWN) // 2), 1)
