"""mitmproxy's flows ↔ plain values."""

from __future__ import annotations

import ipaddress

from mitmproxy import http

from callgate import annotation
from callgate.exchange import Headers, Request, Response


def request_of(flow: http.HTTPFlow) -> Request:
    """The request as plain values; the name of the handshake where the app dialled an address."""
    proxy_user = flow.metadata.get("proxyauth")
    host, sni = flow.request.host, flow.client_conn.sni
    return Request(
        method=flow.request.method,
        scheme=flow.request.scheme,
        host=sni if sni and _is_address(host) else host,
        port=flow.request.port,
        target=flow.request.path,
        headers=_headers(flow.request.headers),
        body=flow.request.raw_content or b"",
        agent=proxy_user[0] if proxy_user else "",
    )


def response_of(flow: http.HTTPFlow) -> Response:
    """The response as plain values; its body as on the wire."""
    response = flow.response
    assert response is not None  # noqa: S101  for the type checker
    return Response(response.status_code, _headers(response.headers), response.raw_content or b"")


def _headers(headers: http.Headers) -> Headers:
    return tuple(
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in headers.fields
    )


def strip(headers: http.Headers) -> None:
    """Take out headers that only Callgate writes."""
    for name in list(headers):
        if name.lower().startswith(annotation.PREFIX):
            headers.pop(name, None)


def add(headers: http.Headers, added: Headers) -> None:
    """Set headers, instead of any of the same name."""
    for name, value in added:
        headers[name] = value


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
