"""mitmproxy's flows as plain values."""

from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from callgate import flows
from callgate.hosts import Hosts


def flow_to(host: str) -> http.HTTPFlow:
    flow = tflow.tflow(req=tutils.treq(host=host, port=443, path=b"/v1/x?y=1", content=b"{}"))
    flow.request.scheme = "https"
    return flow


@pytest.mark.parametrize(
    ("host", "sni", "seen"),
    [
        ("api.openai.com", None, "api.openai.com"),
        ("api.openai.com", "other.test", "api.openai.com"),
        ("203.0.113.5", "api.openai.com", "api.openai.com"),
        ("203.0.113.5", None, "203.0.113.5"),
    ],
)
def test_name_of_the_handshake_counts_where_the_app_dialled_an_address(
    host: str, sni: str | None, seen: str
) -> None:
    flow = flow_to(host)
    flow.client_conn.sni = sni
    request = flows.request_of(flow)
    assert (request.host, request.target, request.body) == (seen, "/v1/x?y=1", b"{}")
    assert request.agent == ""


def test_proxy_user_is_the_agent() -> None:
    flow = flow_to("h")
    flow.metadata["proxyauth"] = ("kim", "pw")
    assert flows.request_of(flow).agent == "kim"


def test_bytes_of_headers_are_kept_as_they_are() -> None:
    flow = flow_to("h")
    flow.response = http.Response.make(200, b"raw", http.Headers([(b"x", b"\xff\xc3\xa9")]))
    response = flows.response_of(flow)
    value = dict(response.headers)["x"]
    assert value.encode("utf-8", "surrogateescape") == b"\xff\xc3\xa9"
    assert (response.status, response.body) == (200, b"raw")


def test_own_headers_are_stripped_in_any_case_and_set_once() -> None:
    headers = http.Headers([(b"CALLGATE-x", b"1"), (b"callgate-mode", b"2"), (b"a", b"3")])
    headers["X-HTTP-Method-Override"] = "POST"
    headers["Alt-Svc"] = 'h3=":443"'
    flows.strip(headers)
    assert list(headers.items()) == [("a", "3")]
    flows.add(headers, (("Callgate-Mode", "enforce"), ("a", "4")))
    assert headers.get_all("a") == ["4"]


@pytest.mark.parametrize(
    "name",
    ["X_HTTP_Method_Override", "x-http-method", "X-Original-URL", "x_rewrite-url", "Callgate_Mode"],
)
def test_headers_that_some_servers_take_for_another_request_are_stripped(name: str) -> None:
    headers = http.Headers([(name.encode(), b"DELETE"), (name.encode(), b"/v1"), (b"a", b"3")])
    flows.strip(headers)
    assert list(headers.items()) == [("a", "3")]


@pytest.mark.parametrize(
    ("status", "location", "says"),
    [
        (101, "", "another protocol"),
        (302, "https://evil.example/", "not gated"),
        (307, "//evil.example/", "not gated"),
        (308, "/v1/responses", ""),
        (307, "https://api.openai.com/v1", ""),
        (302, "", ""),
        (201, "https://evil.example/", ""),
        (304, "https://evil.example/", ""),
    ],
)
def test_what_goes_on_where_nobody_reads_is_told(status: int, location: str, says: str) -> None:
    flow = flow_to("api.openai.com")
    flow.response = http.Response.make(status, b"", {"location": location} if location else {})
    said = flows.goes_on_unread(flow, Hosts(["api.openai.com"]))
    assert says in said
    assert bool(said) is bool(says)
