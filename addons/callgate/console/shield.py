"""What stands before every page: which Host is answered, and which headers all answers have.

A page of somebody else's that gets its own name to lead to this machine (DNS rebinding) still
names itself in `Host`. Addresses can not be rebound, so any is answered.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # with `no-referrer` browsers would send forms with `Origin: null`
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Shield:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        """`names` are the hosts answered beside addresses and `localhost`."""
        self._app = app
        self._names = {name.lower() for name in names} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse what is meant for another host."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        host = Headers(scope=scope).getlist("host") if scope["type"] == "http" else []
        if len(host) == 1 and self._is_answered(host[0]):
            await self._app(scope, receive, send_marked)
        else:
            refusal = PlainTextResponse("This console does not go by that name.\n", 421)
            await refusal(scope, receive, send_marked)

    def _is_answered(self, host: str) -> bool:
        with contextlib.suppress(ValueError):
            name = urlsplit(f"//{host}").hostname or ""
            if name.removesuffix(".") in self._names:
                return True
            ipaddress.ip_address(name)
            return True
        return False
