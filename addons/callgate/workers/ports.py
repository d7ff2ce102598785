"""Ports that belong to one parent, and that its workers listen on."""

from __future__ import annotations

import errno
import socket

from callgate.errors import SettingsError
from callgate.forms import split_address
from callgate.listeners import why_not

_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a name's IPv6 address may well be."""


class Port:
    """An address that is bound and not listened on, so that only workers get its connections.

    Linux shares out connections between sockets that bind to one port with SO_REUSEPORT, all of
    the same user (socket(7)).
    """

    def __init__(self, address: str) -> None:
        """Bind `HOST:PORT`; port 0 takes a free one. Raises SettingsError."""
        host, port = split_address(address)
        self._bound: list[socket.socket] = []
        try:
            self._bind(host, port)
        except OSError as error:
            self.close()
            raise SettingsError(
                f"listen: can not listen on {address}: {why_not(error)}; choose another --listen"
            ) from error
        name = f"[{host}]" if ":" in host else host
        self.address = f"{name}:{self._number}"
        """`HOST:PORT`, never with port 0."""

    def close(self) -> None:
        """Leave it to others; idempotent."""
        for bound in self._bound:
            bound.close()

    @property
    def _number(self) -> int:
        return int(self._bound[0].getsockname()[1])

    def _bind(self, host: str, port: int) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        failed = None
        for family, place in dict.fromkeys((family, place) for family, *_, place in found):
            at = (place[0], port or (self._number if self._bound else 0), *place[2:])
            try:
                self._bound.append(_bound(family, at))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                failed = error
        if failed and not self._bound:
            raise failed


def _bound(family: int, place: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # connections of a gate that has just ended must not be in the way
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        # Shared only once it is ours: otherwise a second gate of this user could bind as well,
        # and each would get some of the other's connections.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        made.close()
        raise
    return made
