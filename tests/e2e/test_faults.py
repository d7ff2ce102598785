"""A real gate while something fails in each phase of an exchange; see docs/faults.md.

After each fault the gate answers the next request, and of a call that nobody judged no byte came.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import socket
import sqlite3
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import openai
import pytest

from tests.e2e.gate import Answer, Gate, StartGate
from tests.e2e.reception import client_of
from tests.standins.interven import KEY, IntervenGateway

POLICY = """\
version: 1
default: allow
policies:
  - name: faults
    actions:
      - {tool: wipe, effect: deny}
"""
SECONDS = 60
"""More than the gate needs, less than any time limit of mitmproxy's own."""

type Act = Callable[[ssl.SSLSocket], None]


def run(id: str, tool: str = "") -> bytes:
    call = {"id": f"call_{id}", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    return json.dumps(
        {
            "id": id,
            "object": "thread.run",
            "thread_id": "t",
            "assistant_id": "a",
            "status": "requires_action" if tool else "queued",
            "required_action": action if tool else None,
            "tools": [],
        }
    ).encode()


def answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


DENIED = answer(run("wiped", "wipe"))
"""Ends behind the call, so that any part of it that went on would be seen."""


def says(data: bytes) -> Act:
    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(data)
        connection.unwrap()

    return act


def breaks(data: bytes) -> Act:
    """Say this, and reset the connection."""

    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(data)
        time.sleep(0.05)  # a reset takes along what has not been read
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return act


class Upstream:
    """An API at the socket; `act` answers each request, and the connection ends with it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.act: Act = says(answer(run("plain")))
        self.asked = threading.Event()
        """Somebody was told all that `stalls` says."""
        self.left = threading.Event()
        """Somebody hung up while nothing was said."""
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._server.close()

    def stalls(self, data: bytes) -> Act:
        """Say this, and nothing more until the other side hangs up."""
        self.asked.clear()
        self.left.clear()

        def act(connection: ssl.SSLSocket) -> None:
            connection.sendall(data)
            self.asked.set()
            connection.settimeout(SECONDS)
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                connection.recv(1)
            self.left.set()

        return act

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, ValueError),
            self._context.wrap_socket(connection, server_side=True) as secured,
        ):
            if secured.recv(65536):
                self.act(secured)


@pytest.fixture(scope="module")
def upstream(server_context: ssl.SSLContext) -> Iterator[Upstream]:
    made = Upstream(server_context)
    yield made
    made.close()


@pytest.fixture(scope="module")
def gate(start_shared_gate: StartGate, upstream: Upstream) -> Gate:
    return start_shared_gate(
        upstream.host,
        "nowhere.invalid",
        mode="withhold",
        policy=POLICY,
        CALLGATE_CONSOLE="off",
        CALLGATE_UPSTREAM_TIMEOUT_SECONDS="2",
        CALLGATE_SCAN_TIMEOUT_SECONDS="2",
    )


def asked(gate: Gate, upstream: Upstream, id: str) -> Answer:
    return gate.request(upstream.host, "GET", f"/v1/threads/t/runs/{id}")


def works(gate: Gate, upstream: Upstream, id: str = "plain") -> bool:
    """The next request is answered, a call judged as ever."""
    upstream.act = says(answer(run(id, "look")))
    for _ in range(SECONDS * 5):
        with contextlib.suppress(OSError):
            got = asked(gate, upstream, id)
            if got.status == 200 and f"call_{id}" in got.calls:
                return True
        time.sleep(0.2)
    return False


# -- the API ------------------------------------------------------------------------------

BROKEN = {
    "closes": says(b""),
    "resets": breaks(b""),
    "garbage": says(b"\x00\x01 nothing that anybody knows\r\n\r\n"),
    "closes in the head": says(DENIED[:40]),
    "resets in the head": breaks(DENIED[:40]),
    "closes in the body": says(DENIED[:-3]),
    "resets in the body": breaks(DENIED[:-3]),
    "head without end": says(b"HTTP/1.1 200 OK\r\nx: " + b"a" * (1 << 18)),
    "broken chunk": says(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n5\r\n{wipe\r\nzz\r\n"
    ),
    "not compressed": says(
        answer(run("wiped", "wipe")).replace(b"\r\n\r\n", b"\r\ncontent-encoding: br\r\n\r\n", 1)
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_api_that_breaks_gives_an_error_that_the_sdk_raises(
    gate: Gate, upstream: Upstream, fault: str
) -> None:
    upstream.act = BROKEN[fault]
    with (
        openai.OpenAI(
            http_client=client_of(gate),  # type: ignore[arg-type]  # typed for the SDK's own fork of httpx
            base_url=f"https://{upstream.host}/v1",
            api_key="x",
            max_retries=0,
        ) as client,
        pytest.raises(openai.InternalServerError) as raised,
    ):
        client.get("/threads/t/runs/wiped", cast_to=object)
    error = raised.value
    assert error.status_code == 502
    assert error.code in ("upstream_failed", "response_not_inspectable")
    assert "call_wiped" not in str(error)
    assert works(gate, upstream)


@pytest.mark.parametrize(
    "data", [b"", DENIED[:40], DENIED[:-3]], ids=["at once", "in the head", "in the body"]
)
def test_api_that_stalls_is_hung_up_on_when_the_app_gives_up(
    gate: Gate, upstream: Upstream, data: bytes
) -> None:
    upstream.act = upstream.stalls(data)
    connection = gate.connect(upstream.host)
    connection.request("GET", "/v1/threads/t/runs/wiped")
    assert upstream.asked.wait(SECONDS)
    assert connection.sock
    connection.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert upstream.left.wait(SECONDS)
    assert works(gate, upstream)


def test_stream_that_can_not_be_decoded_is_refused_before_it_ends(
    gate: Gate, upstream: Upstream
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: x-odd\r\n\r\n"
    upstream.act = upstream.stalls(head + b"data: ")
    got = asked(gate, upstream, "wiped")
    assert (got.status, got.error["code"]) == (502, "response_not_inspectable")
    assert upstream.left.wait(SECONDS)


def test_api_that_refuses_or_has_no_name_can_not_be_reached(gate: Gate, upstream: Upstream) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody else gets it meanwhile, and nobody listens
        nobody = f"127.0.0.1:{silent.getsockname()[1]}"
        for host in (nobody, "nowhere.invalid:443"):
            with pytest.raises(OSError, match="502"):
                gate.request(host, "GET", "/v1/models")
    assert works(gate, upstream)


# -- the app ------------------------------------------------------------------------------

GET = b"GET /v1/threads/t/runs/wiped HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n"
POST = (
    b"POST /v1/threads/t/runs/r/submit_tool_outputs HTTP/1.1\r\nhost: api\r\n"
    b'content-type: application/json\r\ncontent-length: 100\r\n\r\n{"tool_outputs": ['
)


def tunnel(gate: Gate, upstream: Upstream) -> ssl.SSLSocket:
    connection = gate.connect(upstream.host)
    connection.connect()
    assert isinstance(connection.sock, ssl.SSLSocket)
    return connection.sock


@pytest.mark.parametrize("sent", [b"", GET[:9], GET, POST], ids=["-", "head", "wait", "body"])
@pytest.mark.parametrize("how", ["closes", "resets", "half-closes"])
def test_app_that_goes_in_any_phase_leaves_nothing_behind(
    gate: Gate, upstream: Upstream, sent: bytes, how: str
) -> None:
    assert works(gate, upstream)
    before = files(gate)
    upstream.act = upstream.stalls(b"")
    with tunnel(gate, upstream) as app:
        app.sendall(sent)
        if how == "resets":
            app.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "half-closes":
            app.shutdown(socket.SHUT_WR)
            app.settimeout(SECONDS)
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                while app.recv(65536):
                    pass  # the gate ends the connection: nobody waits for ever
    eventually(lambda: files(gate) <= before)
    assert works(gate, upstream)


def test_head_byte_by_byte_is_one_request(gate: Gate, upstream: Upstream) -> None:
    upstream.act = says(DENIED)
    with tunnel(gate, upstream) as app:
        for byte in GET:
            app.sendall(bytes([byte]))
        got = b"".join(iter(lambda: app.recv(65536), b""))
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"call_wiped" not in body
    assert works(gate, upstream)


def test_slow_reader_does_not_hold_up_others(gate: Gate, upstream: Upstream) -> None:
    huge = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: %d\r\n\r\n" % (64 << 20)
    pushed = threading.Event()

    def pushes(connection: ssl.SSLSocket) -> None:
        connection.sendall(huge)
        connection.settimeout(2)
        try:
            for _ in range(64):
                connection.sendall(b"x" * (1 << 20))
        except OSError:
            pushed.set()  # not read any more: nothing piles up in the gate
            raise

    upstream.act = pushes
    with tunnel(gate, upstream) as app:
        app.sendall(GET.replace(b"threads/t/runs/wiped", b"audio/speech"))
        assert app.recv(1) == b"H"
        assert works(gate, upstream)
        assert pushed.wait(SECONDS)


# -- the scanner --------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stop_does_not_wait_for_a_scanner_that_hangs(
    start_gate: StartGate, upstream: Upstream, workers: str
) -> None:
    upstream.act = says(answer(run("wiped", "look")))
    with IntervenGateway() as scanner:
        scanner.http.is_silent = True
        gate = start_gate(
            upstream.host,
            CALLGATE_WORKERS=workers,
            CALLGATE_SCANNER="interven",
            INTERVEN_API_KEY=KEY,
            INTERVEN_GATEWAY_URL=scanner.url,
            CALLGATE_SCAN_TIMEOUT_SECONDS="120",  # more than a gate is waited for
            CALLGATE_GRACE_SECONDS="0.1",
        )
        with tunnel(gate, upstream) as app:
            app.sendall(GET)
            eventually(lambda: bool(scanner.scans))
            assert gate.stop() == 0
            app.settimeout(SECONDS)
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                assert app.recv(65536) == b""


# -- the machine --------------------------------------------------------------------------


def files(gate: Gate) -> int:
    return len(os.listdir(f"/proc/{gate.pid}/fd"))


def eventually(is_true: Callable[[], bool]) -> None:
    for _ in range(SECONDS * 10):
        if is_true():
            return
        time.sleep(0.1)
    assert is_true()


@contextlib.contextmanager
def limited(gate: Gate, kind: int, soft: int) -> Iterator[None]:
    before = resource.prlimit(gate.pid, kind)
    resource.prlimit(gate.pid, kind, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(gate.pid, kind, before)


@contextlib.contextmanager
def full_disk(gate: Gate) -> Iterator[None]:
    with limited(gate, resource.RLIMIT_FSIZE, 1):
        yield


@contextlib.contextmanager
def locked_store(gate: Gate) -> Iterator[None]:
    holder = sqlite3.connect(gate.home / "callgate.db", isolation_level=None)
    with contextlib.closing(holder):
        holder.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("fault", [full_disk, locked_store])
def test_call_is_withheld_while_its_verdict_can_not_be_kept(
    gate: Gate,
    upstream: Upstream,
    fault: Callable[[Gate], contextlib.AbstractContextManager[None]],
) -> None:
    id = f"kept-{fault.__name__}"
    with fault(gate):
        upstream.act = says(answer(run(id, "look")))
        got = asked(gate, upstream, id)
        assert f"call_{id}".encode() not in got.body
        assert got.status in (200, 503)
    assert works(gate, upstream, id)


def test_gate_without_descriptors_goes_on_when_there_are_some(
    gate: Gate, upstream: Upstream
) -> None:
    assert works(gate, upstream)
    said = len(gate.log)
    proxy = urlsplit(gate.proxy)
    address = (str(proxy.hostname), int(proxy.port or 0))
    room = files(gate) + 20
    with limited(gate, resource.RLIMIT_NOFILE, room), contextlib.ExitStack() as idle:
        for _ in range(60):
            idle.enter_context(socket.create_connection(address))
        eventually(lambda: "connections can not be served now" in gate.log[said:])
    assert works(gate, upstream)
    assert gate.log[said:].count("\n") < 50


def test_idle_connections_beyond_the_limit_get_503_and_the_gate_works_beside_them(
    start_gate: StartGate, upstream: Upstream
) -> None:
    gate = start_gate(upstream.host, mode="withhold", CALLGATE_MAX_CONNECTIONS="300")
    proxy = urlsplit(gate.proxy)
    address = (str(proxy.hostname), int(proxy.port or 0))
    with contextlib.ExitStack() as stack:
        for _ in range(299):
            stack.enter_context(socket.create_connection(address))
        assert works(gate, upstream)
        # which of them is one too many depends on how soon that of before is forgotten
        more = [stack.enter_context(socket.create_connection(address)) for _ in range(5)]
        answered, _, _ = select.select(more, [], [], SECONDS)
        assert answered
        assert answered[0].recv(65536).startswith(b"HTTP/1.1 503 ")
    assert works(gate, upstream)
