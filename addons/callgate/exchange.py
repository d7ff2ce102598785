"""Requests and responses as plain values, so that nothing but the proxy knows mitmproxy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

type Headers = tuple[tuple[str, str], ...]


def header(headers: Headers, name: str) -> str:
    """All values of a header joined by `, ` (RFC 9110 5.3), or an empty string."""
    name = name.lower()
    return ", ".join(value for key, value in headers if key.lower() == name)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of the app, or one of Callgate's own."""

    method: str
    scheme: str
    host: str
    port: int
    target: str
    """Path and query as sent."""
    headers: Headers = ()
    body: bytes = b""
    """Content decoded from its Content-Encoding."""
    agent: str = ""
    """Proxy user name, where the proxy asks for one."""
    conversation: str = ""
    """What its conversation is called, once what it tells was heard."""

    @property
    def origin(self) -> str:
        """`host:port`, host in lower case without a trailing dot."""
        return f"{self.host.lower().rstrip('.')}:{self.port}"

    @property
    def url(self) -> str:
        """Absolute URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.target}"

    @property
    def query(self) -> str:
        """Query as sent, without the question mark."""
        return self.target.partition("?")[2].partition("#")[0]

    def header(self, name: str) -> str:
        """See `header`."""
        return header(self.headers, name)

    def caller(self, assistant: str = "") -> str:
        """Who is calling: proxy user, else assistant id, else a fingerprint of the API key."""
        if self.agent or assistant:
            return self.agent or assistant
        credential = self.header("authorization") or self.header("api-key")
        if not credential:
            return "anonymous"
        return "key:" + hashlib.sha256(credential.encode("utf-8", "replace")).hexdigest()[:12]

    def with_target(self, method: str, target: str, body: bytes = b"") -> Request:
        """Another request to the same origin with the same headers."""
        return replace(self, method=method, target=target, body=body)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    """Content decoded from its Content-Encoding."""

    def header(self, name: str) -> str:
        """See `header`."""
        return header(self.headers, name)


def segments(target: str) -> tuple[str, ...]:
    """Split a request target's path the way the most lenient server would read it.

    Percent-encoding is undone, backslashes count as slashes, empty and `.` segments and
    `;parameters` are dropped, `..` goes up. Letters keep their case: compare folded.
    """
    path = unquote(target.split("?", 1)[0].split("#", 1)[0]).replace("\\", "/")
    found: list[str] = []
    for raw in path.split("/"):
        part = raw.split(";", 1)[0]
        if part == "..":
            del found[-1:]
        elif part not in ("", "."):
            found.append(part)
    return tuple(found)


def is_ambiguous(target: str) -> bool:
    """Tell whether servers may read a path differently: then nobody knows what it means.

    Letters in any case, `//`, a trailing slash and needless percent-encoding have one meaning.
    """
    path = target.split("?", 1)[0].split("#", 1)[0]
    parts = [unquote(raw) for raw in path.split("/")]
    return any(
        part in (".", "..")
        or any(c in "/\\;%?#" or c.isspace() or not c.isprintable() for c in part)
        for part in parts
    )


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error in the form that OpenAI's SDKs raise (`{"error": {...}}`)."""

    message: str
    code: str
    status: int = 403
    type: str = "permission_error"
    param: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    is_retryable: bool = False
    """The same request may succeed in a moment: SDKs are let to try again."""

    def as_json(self) -> dict[str, dict[str, str | None]]:
        """The body, before serialisation."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                **self.extra,
            }
        }
