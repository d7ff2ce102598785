"""HTTP tricks of an app that hides results, and of an API that hides calls, through a real gate.

An app's result of a denied call must not reach the API, a denied call of the API's must not reach
the app; that a trick is refused or simply does not work is both right.
"""

from __future__ import annotations

import gzip
import json
import ssl
import zlib
from collections.abc import Iterator

import brotli
import pytest

from tests.e2e.gate import Gate, StartGate
from tests.e2e.hostile import RawApi, exchanged, request, response

NEEDLE = "needle-7f3a"
POLICY = """\
version: 1
default: allow
policies: [{name: e2e, actions: [{tool: run_shell, effect: deny}]}]
"""
CREATE = "POST /v1/chat/completions HTTP/1.1"
JSON = "Content-Type: application/json"
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "run_shell", "arguments": json.dumps({"x": NEEDLE})},
}
MESSAGE = {"role": "assistant", "content": None, "tool_calls": [CALL]}
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}],
    }
).encode()
RESULT = json.dumps(
    {
        "model": "m",
        "messages": [MESSAGE, {"role": "tool", "tool_call_id": "call_1", "content": "ran"}],
    }
).encode()
EVENTS = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,'
    + json.dumps(CALL).encode()[1:]
    + b"]},"
    b'"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'
)
OK = response(b'{"ok":true}', JSON)


@pytest.fixture(scope="module")
def api(server_context: ssl.SSLContext) -> Iterator[RawApi]:
    with RawApi(server_context) as made:
        yield made


@pytest.fixture(scope="module")
def gate(start_shared_gate: StartGate, api: RawApi) -> Gate:
    return start_shared_gate(api.host, mode="withhold", policy=POLICY)


def chunked(body: bytes) -> bytes:
    return b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def zipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def told(line: str = CREATE, body: bytes = RESULT, *headers: str) -> bytes:
    return request(line, body, [JSON, *headers])


def in_chunks(line: str = CREATE, *headers: str) -> bytes:
    return request(line, chunked(RESULT), [JSON, *headers], has_length=False)


TARGETS = [
    "https://127.0.0.1/v1/chat/completions",
    "//v1//chat///completions",
    "/v1/chat/completions/",
    "/v1/chat/./completions",
    "/v1/models/../chat/completions",
    "/v1/models/%2e%2e/chat/completions",
    "/v1/models/%252e%252e/chat/completions",
    "/v1/chat%2fcompletions",
    "/v1/chat%252fcompletions",
    "/v1/%63hat/completions",
    "/v1/chat/completions;a=b",
    "/v1/chat;a=b/completions",
    "/v1/chat/completions?a=/v1/models",
    "/v1/chat/completions#/v1/models",
    "/v1/chat\\completions",
    "/V1/CHAT/Completions",
    "/v1/chat/completions%00",
    "/v1/chat/completions%20",
    "/v1/chat/completions%0a",
]
REQUESTS = {
    "plain": told(),
    "two hosts": told(CREATE, RESULT, "Host: evil.example"),
    "host of another": told().replace(b"Host: 127.0.0.1", b"Host: evil.example"),
    "lower-case verb": told(CREATE.replace("POST", "post")),
    "put": told(CREATE.replace("POST", "PUT")),
    "head": told(CREATE.replace("POST", "HEAD")),
    "unheard-of verb": told(CREATE.replace("POST", "QUERY")),
    "http/1.0": told(CREATE.replace("1.1", "1.0")),
    "chunked": in_chunks(CREATE, "Transfer-Encoding: chunked"),
    "chunked twice": in_chunks(CREATE, "Transfer-Encoding: chunked, chunked"),
    "chunked, oddly written": in_chunks(CREATE, "Transfer-Encoding: \x0bchunked"),
    "chunked, zipped": in_chunks(CREATE, "Transfer-Encoding: gzip, chunked"),
    "two lengths": told(CREATE, RESULT, "Content-Length: 0"),
    "length and chunks": told(CREATE, chunked(RESULT), "Transfer-Encoding: chunked"),
    "no length": request(CREATE, RESULT, [JSON], has_length=False),
    "smuggled": told(CREATE, b"", "X: y") + told(),
    "smuggled behind nothing": request("GET /v1/models HTTP/1.1", b"", []).replace(
        b"Connection: close\r\n", b""
    )
    + told(),
    "gzip": told(CREATE, zipped(RESULT), "Content-Encoding: gzip"),
    "gzip, in capitals": told(CREATE, zipped(RESULT), "Content-Encoding: GZIP"),
    "gzip twice": told(CREATE, zipped(zipped(RESULT)), "Content-Encoding: gzip, gzip"),
    "gzip, told twice": told(
        CREATE, zipped(RESULT), "Content-Encoding: gzip", "Content-Encoding: gzip"
    ),
    "gzip, not told": told(CREATE, zipped(RESULT)),
    "gzip, a lie": told(CREATE, RESULT, "Content-Encoding: gzip"),
    "deflate": told(CREATE, bare_deflate(RESULT), "Content-Encoding: deflate"),
    "brotli": told(CREATE, brotli.compress(RESULT), "Content-Encoding: br"),
    "unheard-of encoding": told(CREATE, RESULT, "Content-Encoding: x-rot13"),
    "utf-16": told(CREATE, RESULT.decode().encode("utf-16")),
    "utf-7": told(CREATE, RESULT.decode().encode("utf-7"), "Content-Type: application/json"),
    "byte order mark": told(CREATE, b"\xef\xbb\xbf" + RESULT),
    "two documents": told(CREATE, b"{}" + RESULT),
    "form": request(CREATE, RESULT, ["Content-Type: multipart/form-data; boundary=x"]),
    "text": request(CREATE, RESULT, ["Content-Type: text/plain; charset=utf-16"]),
    "expectation": told(CREATE, RESULT, "Expect: 100-continue"),
    "range": told(CREATE, RESULT, "Range: bytes=0-1", "Content-Range: bytes 0-1/9"),
    "h2c": told(CREATE, RESULT, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    "websocket": told(CREATE, RESULT, "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "folded header": told(CREATE, RESULT, "X: y\r\n Content-Length: 0"),
    "blank before the colon": told(CREATE, RESULT, "Content-Length : 0"),
    "trust me": told(CREATE, RESULT, "Callgate-Decision: allow", "Callgate-Mode: observe"),
    **{f"to {target}": told(f"POST {target} HTTP/1.1") for target in TARGETS},
}


@pytest.mark.parametrize("trick", REQUESTS)
def test_result_of_a_denied_call_does_not_reach_the_api(
    trick: str, gate: Gate, api: RawApi
) -> None:
    api.answer, api.received = OK, b""

    exchanged(gate, api.host, REQUESTS[trick])

    for hidden in (RESULT[:20], RESULT.decode().encode("utf-16")[2:20], zipped(RESULT)[:40]):
        assert hidden not in api.received
    assert NEEDLE.encode() not in api.received


def test_honest_request_reaches_the_api(gate: Gate, api: RawApi) -> None:
    api.answer, api.received = OK, b""
    honest = b'{"model":"m","messages":[{"role":"user","content":"hello-9"}]}'

    assert b'{"ok":true}' in exchanged(gate, api.host, told(CREATE, honest))
    assert b"hello-9" in api.received


SSE = "Content-Type: text/event-stream"
RESPONSES = {
    "plain": response(COMPLETION, JSON),
    "html": response(COMPLETION, "Content-Type: text/html"),
    "no type": response(COMPLETION),
    "two types": response(COMPLETION, "Content-Type: image/png", JSON),
    "json told as events": response(COMPLETION, SSE),
    "events told as json": response(EVENTS, JSON),
    "events": response(EVENTS, SSE),
    "events, oddly told": response(EVENTS, "Content-Type: TEXT/Event-Stream ; charset=x"),
    "events in chunks": response(chunked(EVENTS), SSE, "Transfer-Encoding: chunked", length=None),
    "gzip": response(zipped(COMPLETION), JSON, "Content-Encoding: gzip"),
    "gzip, a lie": response(COMPLETION, JSON, "Content-Encoding: gzip"),
    "gzip twice": response(zipped(zipped(COMPLETION)), JSON, "Content-Encoding: gzip, gzip"),
    "gzip, told twice": response(
        COMPLETION, JSON, "Content-Encoding: gzip", "Content-Encoding: identity"
    ),
    "two members": response(zipped(b"{}") + zipped(COMPLETION), JSON, "Content-Encoding: gzip"),
    "brotli, a lie": response(COMPLETION, JSON, "Content-Encoding: br"),
    "unheard-of encoding": response(COMPLETION, JSON, "Content-Encoding: x-rot13"),
    "events, a lie": response(EVENTS, SSE, "Content-Encoding: gzip"),
    "partial": response(
        COMPLETION, JSON, "Content-Range: bytes 0-9/99", status="206 Partial Content"
    ),
    "non-authoritative": response(COMPLETION, JSON, status="203 x"),
    "no content": response(COMPLETION, JSON, status="204 No Content"),
    "not modified": response(COMPLETION, JSON, status="304 Not Modified"),
    "choices": response(COMPLETION, JSON, status="300 Multiple Choices"),
    "error": response(COMPLETION, JSON, status="404 Not Found"),
    "failure": response(COMPLETION, JSON, status="500 Oops"),
    "odd status": response(COMPLETION, JSON, status="299 x"),
    "away": response(COMPLETION, JSON, f"Location: https://{NEEDLE}.example/", status="307 x"),
    "until the end": response(COMPLETION, JSON, version="1.0", length=None),
    "chunked": response(chunked(COMPLETION), JSON, "Transfer-Encoding: chunked", length=None),
    "length and chunks": response(chunked(COMPLETION), JSON, "Transfer-Encoding: chunked"),
    "two lengths": response(COMPLETION, JSON, "Content-Length: 0"),
    "too short": response(b"{}" + response(COMPLETION, JSON), JSON, length=2),
    "too long": response(COMPLETION, JSON, length=len(COMPLETION) + 9),
    "in advance": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: <x>\r\n\r\n"
    + response(COMPLETION, JSON),
    "other protocol": b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + COMPLETION,
    "byte order mark": response(b"\xef\xbb\xbf" + COMPLETION, JSON),
    "prefix": response(b")]}'\n" + COMPLETION, JSON),
    "two documents": response(b"{}\n" + COMPLETION, JSON),
    "trust me": response(COMPLETION, JSON, "Callgate-Decision: allow", "Callgate-Mode: observe"),
}


@pytest.mark.parametrize("trick", RESPONSES)
def test_denied_call_does_not_reach_the_app(trick: str, gate: Gate, api: RawApi) -> None:
    api.answer = RESPONSES[trick]
    ask = told(CREATE, b'{"model":"m","messages":[]}')

    got = exchanged(gate, api.host, ask)

    assert NEEDLE.encode() not in got
    assert got.startswith(b"HTTP/1.")
    assert "crashed" not in gate.log


def test_honest_answer_reaches_the_app(gate: Gate, api: RawApi) -> None:
    api.answer = response(COMPLETION.replace(b"run_shell", b"look"), JSON)

    got = exchanged(gate, api.host, told(CREATE, b'{"model":"m","messages":[]}'))

    assert NEEDLE.encode() in got
