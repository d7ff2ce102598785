"""Callgate's own requests, against a real TLS server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import certifi
import pytest
import trustme

from callgate.errors import UpstreamError
from callgate.exchange import Headers, Request
from callgate.upstream import HttpUpstream, own_headers, trust

MIB = 1 << 20
KEY = "Bearer sk-" + "x" * 20
HANG = b"hang"
"""A reply that never comes."""


def reply(body: bytes = b"{}", status: int = 200, headers: Sequence[str] = ()) -> bytes:
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Origin:
    """Answers each request with the next reply; keeps heads and bodies as they came."""

    replies: list[bytes]
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                lengths = [
                    int(line.split(b":")[1])
                    for line in head.splitlines()
                    if line.lower().startswith(b"content-length:")
                ]
                self.bodies.append(await reader.readexactly(sum(lengths)))
                answer = self.replies.pop(0)
                if answer == HANG:
                    await asyncio.Event().wait()
                for start in range(0, len(answer), 1 << 16):
                    writer.write(answer[start : start + (1 << 16)])
                    await writer.drain()
        writer.close()

    def sent(self, at: int = -1) -> list[bytes]:
        """The header lines of a request, names in lower case."""
        lines = [line.partition(b": ") for line in self.heads[at].split(b"\r\n")[1:-2]]
        return [name.lower() + b": " + value for name, _, value in lines]


@dataclass(frozen=True, slots=True)
class Stage:
    origin: Origin
    upstream: HttpUpstream

    def request(
        self,
        target: str = "/v1/threads/t/runs/r",
        headers: Headers = (("Authorization", KEY),),
        body: bytes = b"",
        host: str = "localhost",
    ) -> Request:
        method = "POST" if body else "GET"
        return Request(method, "https", host, self.origin.port, target, headers, body)


type StartStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def stage(tmp_path: Path) -> StartStage:
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))

    @asynccontextmanager
    async def start(
        *replies: bytes, timeout_seconds: float = 60, max_bytes: int = MIB, extra: str = str(roots)
    ) -> AsyncIterator[Stage]:
        origin = Origin(list(replies))
        sender = HttpUpstream(trust(extra), timeout_seconds, max_bytes)
        server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, ssl=server_context)
        origin.port = server.sockets[0].getsockname()[1]
        try:
            yield Stage(origin, sender)
        finally:
            await sender.close()
            await sender.close()
            server.close()

    return start


# -- what goes out --------------------------------------------------------------------------


def test_headers_of_the_app_s_message_and_connection_stay_behind() -> None:
    kept = (
        ("Authorization", KEY),
        ("api-key", "k"),
        ("OpenAI-Beta", "assistants=v2"),
        ("OpenAI-Organization", "org"),
        ("User-Agent", "OpenAI/Python"),
        ("Cookie", "a=b"),
    )
    dropped = tuple(
        (name, "1")
        for name in (
            *("Host", "Content-Length", "Content-Type", "Content-Encoding", "Content-MD5"),
            *("Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"),
            *("Proxy-Authorization", "Proxy-Connection", "Expect", "Range", "HTTP2-Settings"),
            *("Idempotency-Key", "If-Match", "If-None-Match", "If-Modified-Since", "If-Range"),
            *("Accept", "Accept-Encoding", "Callgate-Mode", "CALLGATE-anything"),
            *("X-Stainless-Retry-Count", ":authority", ":path"),
        )
    )

    assert own_headers((*dropped, *kept, *dropped)) == kept


def test_headers_that_connection_names_stay_behind() -> None:
    headers = (("Connection", "close, X-Hop"), ("x-hop", "1"), ("x-end", "2"), ("connection", "y"))

    assert own_headers((*headers, ("Y", "3"))) == (("x-end", "2"),)


async def test_credentials_target_and_body_arrive(stage: StartStage) -> None:
    async with stage(reply(b'{"id":"run_1"}', headers=["X-Request-Id: req_1"])) as on:
        answer = await on.upstream.send(
            on.request("/v1/threads/t%20x/runs/r?api-version=1&b=%2F", body=b'{"tool_outputs":[]}')
        )

    sent = on.origin.sent()
    assert on.origin.heads[0].startswith(b"POST /v1/threads/t%20x/runs/r?api-version=1&b=%2F HTTP")
    assert on.origin.bodies == [b'{"tool_outputs":[]}']
    assert f"authorization: {KEY}".encode() in sent
    assert b"content-type: application/json" in sent
    assert f"host: localhost:{on.origin.port}".encode() in sent
    assert (answer.status, answer.body) == (200, b'{"id":"run_1"}')
    assert answer.header("x-request-id") == "req_1"


async def test_json_is_asked_for_whatever_the_app_asked_for(stage: StartStage) -> None:
    async with stage(reply()) as on:
        headers = (("Accept", "text/event-stream"), ("Accept-Encoding", "br"))
        await on.upstream.send(on.request(headers=headers))

    accepted = [line for line in on.origin.sent() if line.startswith((b"accept", b"content"))]
    assert accepted == [b"accept: application/json", b"accept-encoding: gzip"]


async def test_header_bytes_that_are_no_ascii_arrive_as_the_app_sent_them(
    stage: StartStage,
) -> None:
    raw = [b"caf\xe9", "café-検査".encode()]
    values = [value.decode("utf-8", "surrogateescape") for value in raw]

    async with stage(reply()) as on:
        await on.upstream.send(on.request(headers=(("X-One", values[0]), ("X-Two", values[1]))))

    assert {b"x-one: " + raw[0], b"x-two: " + raw[1]} <= set(on.origin.sent())


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ((("X-Bad", "a\r\nX-Injected: 1"),), "/v1"),
        ((("X-Bad", "a\x00b"),), "/v1"),
        ((("X Bad", "a"),), "/v1"),
        ((("X-Bad", "\ud800"),), "/v1"),
        ((), "/v1/\udcff"),
        ((), "/v1/\ud800?\udcff"),
        ((), "/v1/a\nb"),
        ((), "v1"),
    ],
    ids=ascii,
)
async def test_what_can_not_be_sent_is_an_upstream_error(
    stage: StartStage, headers: Headers, target: str
) -> None:
    async with stage(reply()) as on:
        with pytest.raises(UpstreamError):
            await on.upstream.send(on.request(target, headers))

    assert on.origin.heads == []


async def test_proxy_variables_are_ignored(
    stage: StartStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")

    async with stage(reply(), reply()) as on:
        assert (await on.upstream.send(on.request())).status == 200


async def test_a_connection_is_used_again(stage: StartStage) -> None:
    async with stage(reply(), reply(status=404), reply()) as on:
        for _ in range(3):
            await on.upstream.send(on.request())

    assert on.origin.connections == 1


async def test_cookies_of_one_app_are_not_sent_for_another(stage: StartStage) -> None:
    async with stage(reply(headers=["Set-Cookie: session=one; Path=/"]), reply()) as on:
        await on.upstream.send(on.request())
        await on.upstream.send(on.request(headers=(("Cookie", "session=two"),)))

    cookies = [line for line in on.origin.sent() if line.startswith(b"cookie")]
    assert cookies == [b"cookie: session=two"]


# -- what comes back ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 302, 400, 404, 429, 500])
async def test_any_status_is_an_answer_and_nothing_is_followed(
    stage: StartStage, status: int
) -> None:
    async with stage(reply(b"{}", status, ["Location: /elsewhere"]), reply()) as on:
        assert (await on.upstream.send(on.request())).status == status

    assert len(on.origin.heads) == 1


async def test_an_encoded_answer_is_decoded(stage: StartStage) -> None:
    body = gzip.compress(b'{"id":"run_1"}', mtime=0)

    async with stage(reply(body, headers=["Content-Encoding: GZip"])) as on:
        assert (await on.upstream.send(on.request())).body == b'{"id":"run_1"}'


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"x" * (MIB + 1), "identity"),
        (gzip.compress(b"x" * (MIB + 1), mtime=0), "gzip"),
        (gzip.compress(b"x", mtime=0)[:-2], "gzip"),
        (b"{}", "gzip"),
        (b"{}", "strange"),
    ],
    ids=["too large", "too large when decoded", "cut off", "not gzip", "unknown"],
)
async def test_an_answer_that_can_not_be_read_is_an_upstream_error(
    stage: StartStage, body: bytes, encoding: str
) -> None:
    async with stage(reply(body, headers=[f"Content-Encoding: {encoding}"])) as on:
        with pytest.raises(UpstreamError, match=r"localhost:\d+"):
            await on.upstream.send(on.request())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=ascii,
)
async def test_a_broken_answer_is_an_upstream_error(stage: StartStage, raw: bytes) -> None:
    async with stage(raw, timeout_seconds=0.5) as on:
        with pytest.raises(UpstreamError):
            await on.upstream.send(on.request())


@pytest.mark.parametrize("start", [HANG, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
async def test_an_answer_that_does_not_come_whole_in_time_is_an_upstream_error(
    stage: StartStage, start: bytes
) -> None:
    async with stage(start, timeout_seconds=0.2) as on:
        with pytest.raises(UpstreamError, match=r"localhost:\d+ gave"):
            await on.upstream.send(on.request())


async def test_an_answer_that_drips_is_bounded_as_a_whole() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sender = HttpUpstream(trust(None), 0.3, MIB)
    try:
        with pytest.raises(UpstreamError, match=r"no whole answer in 0\.3 s"):
            await sender.send(Request("GET", "http", "127.0.0.1", port, "/"))
    finally:
        await sender.close()
        server.close()


async def test_nobody_listening_is_an_upstream_error(stage: StartStage) -> None:
    async with stage() as on:
        silent = Request("GET", "https", "127.0.0.1", 1, "/v1")
        with pytest.raises(UpstreamError, match=r"127\.0\.0\.1:1 gave no usable answer"):
            await on.upstream.send(silent)


# -- trust ----------------------------------------------------------------------------------


async def test_an_origin_of_an_unknown_ca_is_not_spoken_to(
    stage: StartStage, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))

    async with stage(reply(), extra=str(other)) as on:
        with pytest.raises(UpstreamError, match="certificate"):
            await on.upstream.send(on.request())

    assert on.origin.heads == []


async def test_an_origin_with_another_name_is_not_spoken_to(stage: StartStage) -> None:
    async with stage(reply()) as on:
        with pytest.raises(UpstreamError, match="certificate"):
            await on.upstream.send(on.request(host="127.0.0.1"))

    assert on.origin.heads == []


def test_trust_holds_the_public_roots_and_the_extra(tmp_path: Path) -> None:
    extra = tmp_path / "extra.pem"
    trustme.CA().cert_pem.write_to_path(str(extra))
    public = ssl.create_default_context(cafile=certifi.where())

    assert len(trust(None).get_ca_certs()) == len(public.get_ca_certs())
    assert len(trust(str(extra)).get_ca_certs()) == len(public.get_ca_certs()) + 1
    assert trust(None).verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(OSError, match="No such file"):
        trust(str(tmp_path / "missing.pem"))
    extra.write_bytes(b"not PEM")
    with pytest.raises(ssl.SSLError):
        trust(str(extra))


async def test_answer_is_read_as_it_comes(stage: StartStage) -> None:
    raw = b"data: 1\n\ndata: 2\n\n"
    async with stage(reply(raw, headers=["Content-Type: text/event-stream"])) as made:
        async with made.upstream.open(made.request(body=b"{}")) as chunks:
            assert b"".join([chunk async for chunk in chunks]) == raw
        assert b"accept: text/event-stream" in made.origin.sent()
        assert b"accept-encoding: identity" in made.origin.sent()


@pytest.mark.parametrize("answer", [reply(status=400), b"no http\r\n\r\n"])
async def test_stream_that_does_not_begin_is_an_upstream_error(
    stage: StartStage, answer: bytes
) -> None:
    async with stage(answer) as made:
        with pytest.raises(UpstreamError):
            async with made.upstream.open(made.request(body=b"{}")):
                pass
