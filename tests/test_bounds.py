"""Connections whose heads never end, and what an app is told of an API that fails."""

from __future__ import annotations

import json

import h2.connection
import h2.events
import pytest
from mitmproxy import connection
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _http1

from callgate import bounds
from tests.test_streaming import Wire

GET = b"GET / HTTP/1.1\r\nhost: api.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
FLOOD = b"x" * (bounds.HEAD_BYTES + 1)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in (
        (layers, "Http1Server"),
        (layers, "Http1Client"),
        (layers, "Http2Server"),
        (_http1, "make_error_response"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    bounds.install()


def got(wire: Wire) -> bytes:
    return wire.sent.get(wire.context.client, b"")


def error_of(response: bytes) -> dict[str, str]:
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    error: dict[str, str] = json.loads(body)["error"]
    return error


def gone(wire: Wire, peer: connection.Connection) -> None:
    peer.state = connection.ConnectionState.CLOSED
    wire.feed(events.ConnectionClosed(peer))


def is_closed(wire: Wire) -> bool:
    return wire.context.client in wire.closed


def test_request_head_without_end_is_refused() -> None:
    wire = Wire()
    wire.from_client(b"GET / HTTP/1.1\r\nhost: api.test\r\nx: " + FLOOD)
    assert got(wire).startswith(b"HTTP/1.1 431 ")
    assert error_of(got(wire))["type"] == "invalid_request_error"
    assert is_closed(wire)
    wire.from_client(b"\r\n\r\n")
    assert wire.flows == []


def test_request_head_that_drips_is_not_waited_for() -> None:
    wire = Wire()
    wire.from_client(GET[:9])
    wire.from_client(GET[9:-3])
    (patience,) = wire.wakeups
    assert patience.delay == bounds.HEAD_SECONDS
    wire.feed(events.Wakeup(patience))
    assert got(wire).startswith(b"HTTP/1.1 408 ")
    assert is_closed(wire)
    assert wire.flows == []


@pytest.mark.parametrize("step", [1, 1000])
def test_empty_line_before_a_request_is_passed_over(step: int) -> None:
    wire = Wire()
    for whole in (b"\r\n" + GET, b"\r\n" + GET):
        for start in range(0, len(whole), step):
            wire.from_client(whole[start : start + step])
        wire.from_server(OK)
    assert got(wire) == OK * 2


def test_request_head_that_has_come_in_pieces_is_forgotten() -> None:
    wire = Wire()
    wire.from_client(GET[:9])
    wire.from_client(GET[9:])
    wire.from_server(OK)
    wire.from_client(GET[:9])
    early, late = wire.wakeups
    wire.feed(events.Wakeup(early))
    assert not is_closed(wire)
    wire.feed(events.Wakeup(late))
    assert is_closed(wire)


def test_request_head_in_one_piece_needs_no_patience() -> None:
    wire = Wire()
    wire.from_client(GET)
    wire.from_server(OK)
    assert wire.wakeups == []
    assert got(wire) == OK


@pytest.mark.parametrize(
    "request_bytes",
    [GET, b"POST / HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n\r\n1;"],
    ids=["ahead of the answer", "in a chunk's line"],
)
def test_what_is_no_body_is_bounded_behind_the_head(request_bytes: bytes) -> None:
    wire = Wire()
    wire.from_client(request_bytes)
    assert not is_closed(wire)
    wire.from_client(FLOOD)
    assert is_closed(wire)
    wire.from_server(OK) if wire.flows else None
    assert got(wire) == b""


def test_body_is_longer_than_a_head_may_be() -> None:
    wire = Wire()
    wire.from_client(GET)
    wire.from_server(
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(FLOOD), b"y" * len(FLOOD))
    )
    assert got(wire).startswith(b"HTTP/1.1 502 ")  # beyond the limit of this test's wire
    assert wire.server not in wire.closed


def test_response_head_without_end_is_an_error() -> None:
    wire = Wire()
    wire.from_client(GET)
    wire.from_server(b"HTTP/1.1 200 OK\r\nx: " + FLOOD)
    assert wire.server in wire.closed
    assert error_of(got(wire))["code"] == "upstream_failed"


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_interim_responses_are_passed_over(interim: bytes, step: int) -> None:
    wire = Wire()
    wire.from_client(GET)
    whole = interim + OK
    for start in range(0, len(whole), step):
        wire.from_server(whole[start : start + step])
    assert got(wire) == OK


def test_trailers_are_dropped_both_ways() -> None:
    wire = Wire()
    chunked = b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"
    wire.from_client(b"POST / HTTP/1.1\r\nhost: api.test\r\n" + chunked)
    wire.from_server(b"HTTP/1.1 200 OK\r\n" + chunked)
    assert b"x-sum" not in wire.sent[wire.server] + got(wire)
    assert got(wire).endswith(b"2\r\nok\r\n0\r\n\r\n")
    wire.from_client(GET)
    assert len(wire.flows) == 2


def test_chunked_body_that_is_cut_off_is_still_an_error() -> None:
    wire = Wire()
    wire.from_client(GET)
    wire.from_server(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
    gone(wire, wire.server)
    assert got(wire).startswith(b"HTTP/1.1 502 ")


def test_failed_api_is_told_in_its_own_form_and_not_at_length() -> None:
    wire = Wire()
    wire.from_client(GET)
    wire.from_server(b"HTTP/1.1 \r\n" + b"z" * 4000 + b"\r\n\r\n")
    assert got(wire).startswith(b"HTTP/1.1 502 ")
    assert error_of(got(wire))["type"] == "api_error"
    assert len(error_of(got(wire))["message"]) < 400
    assert is_closed(wire)


def test_failed_api_is_told_behind_an_interim_answer_of_our_own() -> None:
    wire = Wire()
    wire.from_client(
        b"POST / HTTP/1.1\r\nhost: api.test\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    )
    assert got(wire) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.from_client(b"ok")
    gone(wire, wire.server)
    assert got(wire).partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 502 ")


def test_response_that_has_begun_just_ends() -> None:
    wire = Wire()
    wire.from_client(GET)
    wire.from_server(OK)
    before = got(wire)
    wire.from_client(GET)
    gone(wire, wire.server)
    assert got(wire).startswith(before + b"HTTP/1.1 502 ")


def test_failed_api_is_told_over_http2() -> None:
    wire = Wire(alpn=b"h2")
    client = h2.connection.H2Connection()
    client.initiate_connection()
    heads = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "api.test")]
    client.send_headers(1, heads, end_stream=True)
    wire.from_client(client.data_to_send())
    gone(wire, wire.server)

    happened = client.receive_data(got(wire))
    (response,) = [e for e in happened if isinstance(e, h2.events.ResponseReceived)]
    headers = dict(response.headers or ())
    assert (headers[b":status"], headers[b"content-type"]) == (b"502", b"application/json")
    body = b"".join(e.data or b"" for e in happened if isinstance(e, h2.events.DataReceived))
    assert json.loads(body)["error"]["code"] == "upstream_failed"
    assert any(isinstance(e, h2.events.StreamEnded) for e in happened)


def test_mitmproxy_without_these_parts_is_said_to_be_incompatible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(layers, "Http1Server")
    with pytest.raises(RuntimeError, match="lacks Http1Server"):
        bounds.install()


def test_certificate_that_nobody_trusts_is_told_with_the_fix() -> None:
    why = "Certificate verify failed: unable to get local issuer certificate"

    told = bounds.error_response(502, why).get_text() or ""

    assert f"{why}; --upstream-ca" in told
    assert "--upstream-ca" not in (bounds.error_response(502, "peer closed").get_text() or "")
