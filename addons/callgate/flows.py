"""mitmproxy's flows ↔ plain values."""

from __future__ import annotations

import ipaddress
import json

from mitmproxy import http

from callgate import annotation
from callgate.exchange import ApiError, Headers, Request, Response
from callgate.hosts import Hosts
from callgate.model import Mode

_LEADING_AROUND = frozenset(
    (
        "alt-svc",
        *("x-http-method", "x-http-method-override", "x-method-override"),
        *("x-original-url", "x-rewrite-url"),
    )
)

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
"""Statuses that clients follow by themselves."""

_WITHOUT_BODY = frozenset((204, 304))
"""Statuses behind which clients read the next response, whatever the headers say."""

CONVERSATION = "callgate_conversation"
"""What the request's conversation is called, from when it was heard."""


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
        conversation=flow.metadata.get(CONVERSATION, ""),
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
    """Take out headers that only Callgate writes, and those that lead around it.

    `Alt-Svc` names other addresses and HTTP/3 (RFC 7838), which go past redirected connections;
    by the others some servers take a request for one of another verb or path. To servers that
    speak WSGI or CGI an underscore is a hyphen (RFC 3875 4.1.18).
    """
    for name in list(headers):
        meant = name.lower().replace("_", "-")
        if meant.startswith(annotation.PREFIX) or meant in _LEADING_AROUND:
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


def is_event_stream(flow: http.HTTPFlow) -> bool:
    """The API says that it streams, and has a body to do it in."""
    assert flow.response is not None  # noqa: S101  for the type checker
    if flow.response.status_code in _WITHOUT_BODY:
        return False
    kind: str = flow.response.headers.get("content-type", "")
    return kind.strip().lower().startswith("text/event-stream")


def goes_on_unread(flow: http.HTTPFlow, hosts: Hosts) -> str:
    """Why the exchange would go on where nobody reads it; empty where it would not."""
    response = flow.response
    assert response is not None  # noqa: S101  for the type checker
    if response.status_code == 101:
        return "the API would go on in another protocol, which nobody reads"
    if response.status_code in _REDIRECTS and not hosts.leads_inside(
        response.headers.get("location", "")
    ):
        return "the API sends the app on to a host that is not gated"
    return ""


def not_gated(host: str) -> ApiError:
    """The refusal of a host that is not gated."""
    return ApiError(
        f"Callgate lets only gated hosts through, and {host[:200]!r} is not one; "
        "start it with --gate-host, or without --only-openai.",
        "host_not_gated",
    )


def is_here(address: str) -> bool:
    """An address of this machine."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return bool(mapped.is_loopback or mapped.is_unspecified)


def answer(flow: http.HTTPFlow, error: ApiError, mode: Mode | None) -> None:
    """Give the app an error in the API's own form instead of whatever there is."""
    headers = {"content-type": "application/json"}
    if not error.is_retryable:
        headers["x-should-retry"] = "false"
    if mode:
        headers["Callgate-Mode"] = mode.value
    if flow.response is not None and (id := flow.response.headers.get("x-request-id")):
        headers["x-request-id"] = id
    flow.request.stream = False
    flow.response = http.Response.make(error.status, json.dumps(error.as_json()), headers)
