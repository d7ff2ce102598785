"""Callgate's own requests to the API, with the app's credentials."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import certifi
import httpx

from callgate import bodies
from callgate.errors import BodyError, UpstreamError
from callgate.exchange import Headers, Request, Response

_NOT_FORWARDED = frozenset(
    str.split(
        "accept accept-encoding connection expect host http2-settings idempotency-key keep-alive "
        "proxy-authorization proxy-connection range te trailer transfer-encoding upgrade"
    )
)
_NOT_FORWARDED_PREFIXES = (":", "callgate-", "content-", "if-", "x-stainless-")
_OWN: Headers = (("accept", "application/json"), ("accept-encoding", "gzip"))
_OWN_STREAM: Headers = (
    ("accept", "text/event-stream"),
    ("accept-encoding", "identity"),
    ("content-type", "application/json"),
)
_STREAM_READ_SECONDS = 600.0
"""A model may think for long; runs expire after ten minutes."""


class Upstream(Protocol):
    """Where Callgate's own requests go."""

    async def send(self, request: Request) -> Response:
        """Send one request and read the whole answer; raises UpstreamError for no answer."""
        ...

    async def close(self) -> None:
        """Release connections; idempotent."""
        ...


class StreamingUpstream(Upstream, Protocol):
    """An upstream whose answers can be read as they come."""

    def open(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Send one request and read its answer as it comes, content encodings undone.

        Entering raises UpstreamError for no answer, or one that is no success.
        """
        ...


class HttpUpstream:
    """Sends over HTTP/1.1, verified TLS, reused connections; through no proxy but the given one."""

    def __init__(
        self, trust: ssl.SSLContext, timeout_seconds: float, max_bytes: int, proxy: str = ""
    ) -> None:
        """`timeout_seconds` bounds a whole exchange, `max_bytes` an answer; `proxy` is a URL."""
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        # apps share this client: a cookie that one of them was given is not for the others
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx.AsyncClient(
            verify=trust,
            proxy=_proxy(proxy, trust) if proxy else None,
            timeout=timeout_seconds,
            trust_env=False,
            follow_redirects=False,
            cookies=no_cookies,
        )

    async def send(self, request: Request) -> Response:
        """See `Upstream.send`."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(request)
        except TimeoutError as error:
            raise UpstreamError(
                f"{request.origin} gave no whole answer in {self._timeout_seconds:g} s"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, BodyError) as error:
            text = str(error) or type(error).__name__
            raise UpstreamError(f"{request.origin} gave no usable answer: {text}") from error

    async def _exchange(self, request: Request) -> Response:
        sent = (*own_headers(request.headers), *_OWN)
        if request.body:
            sent = (*sent, ("content-type", "application/json"))
        async with self._client.stream(
            request.method,
            request.url,
            headers=[(_encoded(name), _encoded(value)) for name, value in sent],
            content=request.body or None,
        ) as answer:
            raw = bytearray()
            async for chunk in answer.aiter_raw():
                raw += chunk
                if len(raw) > self._max_bytes:
                    raise UpstreamError(f"the answer of {request.origin} is too large")
            content = bodies.decode(
                bytes(raw), answer.headers.get("content-encoding", ""), self._max_bytes
            )
            return Response(answer.status_code, tuple(answer.headers.multi_items()), content)

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Upstream.open`; silence longer than the timeout ends it with an UpstreamError."""
        sent = (*own_headers(request.headers), *_OWN_STREAM)
        try:
            async with self._client.stream(
                request.method,
                request.url,
                headers=[(_encoded(name), _encoded(value)) for name, value in sent],
                content=request.body,
                timeout=httpx.Timeout(self._timeout_seconds, read=_STREAM_READ_SECONDS),
            ) as answer:
                if answer.status_code >= 300:
                    raise UpstreamError(f"{request.origin} answered {answer.status_code}")
                yield answer.aiter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            text = str(error) or type(error).__name__
            raise UpstreamError(f"{request.origin} gave no usable answer: {text}") from error

    async def close(self) -> None:
        """See `Upstream.close`."""
        await self._client.aclose()


def _proxy(url: str, trust: ssl.SSLContext) -> httpx.Proxy:
    return httpx.Proxy(url, ssl_context=trust if url.lower().startswith("https:") else None)


def own_headers(headers: Headers) -> Headers:
    """The app's headers without what belongs to its own message or connection."""
    named = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for option in value.split(",")
    }
    return tuple(
        (name, value)
        for name, value in headers
        if name.lower() not in _NOT_FORWARDED | named
        and not name.lower().startswith(_NOT_FORWARDED_PREFIXES)
    )


def _encoded(text: str) -> bytes:
    """The bytes that the app sent: what is not UTF-8 is held as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def trust(extra: str | None) -> ssl.SSLContext:
    """Trust the public roots and the PEM file `extra`; raises OSError or ssl.SSLError."""
    context = ssl.create_default_context(cafile=certifi.where())
    if extra:
        context.load_verify_locations(extra)
    return context
