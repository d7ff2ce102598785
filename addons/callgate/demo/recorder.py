"""What reached the server, so that tests can prove what a proxy let through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import MutableSequence
from dataclasses import asdict, dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callgate.canonical import Json

_CREDENTIALS = {"authorization", "api-key", "cookie", "proxy-authorization"}


@dataclass(slots=True)
class Received:
    """One request; credentials are left out."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Json = None
    """Parsed when it is JSON, else its size and hash; None while there was none."""

    def json(self) -> dict[str, Json]:
        """Return all fields as a JSON object."""
        return asdict(self)


@dataclass(slots=True)
class Recorder:
    """ASGI middleware that notes every HTTP request whose path does not begin with `/_`."""

    app: ASGIApp
    received: MutableSequence[Received] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the request, pass everything on unchanged."""
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        noted = Received(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers={k: v for k, v in headers.items() if k not in _CREDENTIALS},
        )
        self.received.append(noted)
        body = _Body(keeps_text="json" in headers.get("content-type", ""))

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body.feed(message.get("body", b""))
                noted.body = body.noted() if not message.get("more_body") else None
            return message

        await self.app(scope, listen, send)


class _Body:
    """Collects JSON; of anything else keeps only size and hash, for it may be large."""

    def __init__(self, *, keeps_text: bool) -> None:
        self._keeps_text = keeps_text
        self._text = bytearray()
        self._size = 0
        self._hash = hashlib.sha256()

    def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._hash.update(chunk)
        if self._keeps_text:
            self._text += chunk

    def noted(self) -> Json:
        if not self._size:
            return None
        if self._keeps_text:
            try:
                parsed: Json = json.loads(self._text)
            except (ValueError, RecursionError):
                return self._text.decode("utf-8", "backslashreplace")
            return parsed
        return {"bytes": self._size, "sha256": self._hash.hexdigest()}
