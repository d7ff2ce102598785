"""Streams that break: whoever dies, whatever comes, no call slips out and no end is silent.

The gates here wait for flows in flight for longer than the fixture waits for a gate's end: a
flow that is never forgotten fails the module when it is torn down.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import lzma
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import brotli
import openai
import pytest
import trustme
import zstandard
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived
from starlette.types import Receive, Scope, Send

from tests.e2e.gate import Gate, StartGate
from tests.e2e.origin import NOT_FOUND, Origin, Reply, Wire
from tests.e2e.reception import Reception, client_of, events_of
from tests.e2e.servers import over_http2
from tests.e2e.stories import NAME, RUNS, STORIES, Story

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: pay, effect: require_approval}
"""
MODES = ("enforce", "withhold")
LEFT_SECONDS = 50
"""More than the gate needs to hang up, less than any time limit of its own."""

EACH_API = pytest.mark.parametrize("api", STORIES)

type Play = Callable[[Wire], None]
type Gates = dict[str, Gate]

_numbers = itertools.count(1)


class Told:
    """A story with a call that occurs nowhere else."""

    def __init__(self, api: str) -> None:
        number = next(_numbers)
        self.id = f"call_{number}"
        self.arguments = json.dumps({"amount": number})
        self.story: Story = STORIES[api](self.id, self.arguments)

    def is_in(self, body: bytes) -> bool:
        return NAME.encode() in body or self.id.encode() in body

    def approval(self, gate: Gate) -> str:
        """Wait for the approval that the call is to get, and return its id."""
        for _ in range(100):
            for found in gate.lines("approvals", "list"):
                if json.loads(str(found["arguments"])) == json.loads(self.arguments):
                    assert found["state"] == "pending"
                    return str(found["id"])
            time.sleep(0.1)
        raise AssertionError(f"no approval of {self.id}; log:\n{gate.log}")


@pytest.fixture(scope="module")
def server(server_context: ssl.SSLContext) -> Iterator[Origin]:
    with Origin(server_context) as origin:
        yield origin


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, server: Origin) -> Gates:
    def start(mode: str, max_body_mib: str = "32") -> Gate:
        return start_shared_gate(
            server.host,
            mode=mode,
            policy=POLICY,
            CALLGATE_GRACE_SECONDS="100",
            CALLGATE_MAX_BODY_MIB=max_body_mib,
        )

    return {"small": start("enforce", "1"), **{mode: start(mode) for mode in MODES}}


def plays(server: Origin, play: Play, **headers: str) -> None:
    """Answer POST with a stream; nothing else is there."""
    given = (("Content-Type", "text/event-stream"), *headers.items())

    server.answer = lambda seen: (
        Reply(headers=given, play=play) if seen.method == "POST" else NOT_FOUND
    )


def asked(gate: Gate, server: Origin, story: Story) -> Reception:
    return Reception(client_of(gate), f"https://{server.host}{story.path}", story.body)


def received(gate: Gate, server: Origin, story: Story) -> Reception:
    with asked(gate, server, story) as reception:
        return reception.finish()


def ended_with(body: bytes) -> Any:
    """The error at the end of a stream, as the SDKs read it; None without one."""
    events = events_of(body)
    last = events[-1][1] if events else None
    return last.get("error") if isinstance(last, dict) else None


def works(gate: Gate, server: Origin) -> bool:
    """The gate still lets a stream through."""
    story = STORIES["chat"]("call_ok", "{}")
    plays(server, lambda wire: wire.send(story.word, b"data: [DONE]\n\n"))
    return received(gate, server, story).body == story.word + b"data: [DONE]\n\n"


# -- the app is gone ----------------------------------------------------------------------


class Left:
    """Plays a stream and then waits until the gate hangs up."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.is_noticed = False
        self.is_over = threading.Event()

    def __call__(self, wire: Wire) -> None:
        wire.send(*self.parts)
        self.is_noticed = wire.is_closed_within(LEFT_SECONDS)
        wire.is_cut = True
        self.is_over.set()


@pytest.mark.parametrize(
    ("api", "mode"),
    [
        ("assistants", "withhold"),
        ("responses", "withhold"),
        ("chat", "enforce"),
    ],
)
def test_api_is_hung_up_on_when_the_app_leaves_a_held_call(
    gates: Gates, server: Origin, api: str, mode: str
) -> None:
    told, gate = Told(api), gates[mode]
    # in enforce only a call that is not complete is held
    left = Left(told.story.word, told.story.pieces, told.story.last if mode == "withhold" else b":")
    plays(server, left)
    with asked(gate, server, told.story) as reception:
        reception.wait_for(told.story.word)
        approval = told.approval(gate) if mode == "withhold" else ""
        assert not left.is_over.is_set()
        reception.leave()
        assert left.is_over.wait(LEFT_SECONDS + 5)

    assert left.is_noticed
    assert not told.is_in(reception.body)
    assert works(gate, server)
    if approval:
        assert gate.run("approvals", "approve", approval).returncode == 0


class Http2Api:
    """Sends each request a whole story over HTTP/2, and waits until it is hung up on."""

    def __init__(self) -> None:
        self.story = STORIES["chat"]("", "{}")
        self.is_left = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in (self.story.word, self.story.call):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.is_left.set()


@pytest.fixture
def http2_api(
    upstream_ca: trustme.CA, start_gate: StartGate
) -> Iterator[tuple[Gate, str, Http2Api]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2"])
    upstream_ca.issue_cert("127.0.0.1").configure_cert(context)
    api = Http2Api()
    with over_http2(context, api) as host:
        gate = start_gate(host, mode="withhold", policy=POLICY, CALLGATE_GRACE_SECONDS="100")
        yield gate, host, api
        gate.stop()


class Http2:
    """Context manager: an HTTP/2 connection through the gate that can reset its streams."""

    def __init__(self, gate: Gate, host: str) -> None:
        self.bodies: dict[int, bytes] = {}
        proxy = urlsplit(gate.proxy)
        plain = socket.create_connection((str(proxy.hostname), int(proxy.port or 0)), 60)
        plain.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert b" 200 " in plain.recv(65536)
        context = ssl.create_default_context(cafile=gate.ca)
        context.set_alpn_protocols(["h2"])
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._host = host
        self._h2.initiate_connection()
        self._send()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def post(self, story: Story) -> int:
        """Begin a stream; returns its number."""
        number = self._h2.get_next_available_stream_id()
        pseudo = {":method": "POST", ":scheme": "https", ":authority": self._host}
        headers = {**pseudo, ":path": story.path, "content-type": "application/json"}
        self._h2.send_headers(number, list(headers.items()))
        self._h2.send_data(number, json.dumps(story.body).encode(), end_stream=True)
        self.bodies[number] = b""
        self._send()
        return number

    def reset(self, number: int) -> None:
        self._h2.reset_stream(number)
        self._send()

    def wait_for(self, number: int, needle: bytes) -> None:
        while needle not in self.bodies[number]:
            data = self._socket.recv(65536)
            assert data, "the gate has closed the connection"
            for event in self._h2.receive_data(data):
                if isinstance(event, DataReceived) and event.stream_id:
                    self.bodies[event.stream_id] += event.data or b""
            self._send()

    def _send(self) -> None:
        self._socket.sendall(self._h2.data_to_send())


def test_reset_of_one_held_stream_leaves_the_others_of_its_connection_alone(
    http2_api: tuple[Gate, str, Http2Api],
) -> None:
    gate, host, api = http2_api
    first, second = Told("chat"), Told("responses")
    with Http2(gate, host) as connection:
        api.story = first.story
        held = connection.post(first.story)
        connection.wait_for(held, first.story.word)
        approval = first.approval(gate)
        connection.reset(held)
        assert api.is_left.wait(LEFT_SECONDS)
        api.is_left.clear()

        api.story = second.story
        other = connection.post(second.story)
        connection.wait_for(other, second.story.word)

    assert api.is_left.wait(LEFT_SECONDS)
    assert not first.is_in(connection.bodies[held])
    assert gate.run("approvals", "deny", approval).returncode == 0


# -- the API dies -------------------------------------------------------------------------


DEATHS: Mapping[str, Play] = {
    "reset": Wire.reset,
    "closed": Wire.cut,
    "half an event": lambda wire: wire.send(b'data: {"half": '),
}
EACH_DEATH = pytest.mark.parametrize("death", DEATHS)


@EACH_DEATH
@pytest.mark.parametrize(
    ("api", "mode", "place"),
    [
        *itertools.product(STORIES, MODES, ["in a call"]),
        *itertools.product(STORIES, ["enforce"], ["in the text"]),
        # in enforce a complete call is delivered
        ("assistants", "withhold", "behind a call"),
    ],
)
def test_stream_whose_api_dies_ends_with_an_error_and_without_the_call(
    gates: Gates, server: Origin, api: str, mode: str, place: str, death: str
) -> None:
    told, gate = Told(api), gates[mode]
    story, is_there = told.story, threading.Event()
    parts = {
        "in the text": [story.word],
        "in a call": [story.word, story.pieces],
        "behind a call": [story.word, story.call],
    }

    def play(wire: Wire) -> None:
        wire.send(*parts[place])
        # a reset takes along what the gate has not read yet
        assert is_there.wait(60)
        DEATHS[death](wire)

    plays(server, play)
    with asked(gate, server, story) as reception:
        reception.wait_for(story.word)
        if place == "behind a call":
            told.approval(gate)
        is_there.set()
        reception.finish()

    assert reception.body.startswith(story.word)
    assert reception.error is None
    is_whole = death == "half an event"  # a body that ends as it should, in the middle
    code = "response_not_inspectable" if is_whole else "stream_broken_off"
    assert ended_with(reception.body)["code"] == code
    assert not told.is_in(reception.body)
    assert works(gate, server)


# -- the API sends what is no stream ---------------------------------------------------------


def _large_call(story: Story) -> bytes:
    """A call whose one event is larger than what may be held."""
    return story.pieces.replace(b'"pay"', b'"pay' + b"y" * (9 << 20) + b'"', 1)


GARBAGE: Mapping[str, Callable[[Story], bytes]] = {
    "not UTF-8": lambda story: b"data: \xff\xfe\n\n" + story.call,
    "NUL in JSON": lambda story: b'data: {"id": "\0"}\n\n' + story.call,
    "NUL in a call": lambda story: story.call.replace(b"pay", b"p\0y"),
    "call that is not UTF-8": lambda story: story.call.replace(b'"pay"', b'"pay\xff"'),
    "line without end": lambda story: b"data: " + b"x" * (9 << 20),
    "comment without end": lambda story: b":" + b"x" * (9 << 20),
    "event beyond the limit": _large_call,
    "call beyond the limit": lambda story: story.pieces + _padding(story) + story.last,
    "bare JSON": lambda story: story.call.replace(b"data: ", b"\n\n"),
    "two readings": lambda story: b'data: {"a":1,"a":2}\n\n' + story.call,
}


def _padding(story: Story) -> bytes:
    """Pieces of the same call, each small, that together are more than what may be held."""
    piece = story.pieces.rstrip().split(b"\n\n")[1]
    return (piece + b" " * 60_000 + b"\n\n") * 40


@pytest.mark.parametrize("case", GARBAGE)
@EACH_API
def test_stream_that_can_not_be_read_ends_with_an_error_and_without_the_call(
    gates: Gates, server: Origin, api: str, case: str
) -> None:
    told = Told(api)
    is_closed: list[bool] = []

    def play(wire: Wire) -> None:
        with contextlib.suppress(OSError):
            wire.send(told.story.word, GARBAGE[case](told.story))
        is_closed.append(wire.is_closed_within(LEFT_SECONDS))
        wire.is_cut = True

    plays(server, play)
    got = received(gates["small"], server, told.story)

    assert got.error is None
    assert got.body.startswith(told.story.word)
    assert ended_with(got.body)["code"] == "response_not_inspectable"
    assert not told.is_in(got.body)


type Encode = Callable[[bytes], bytes]


def _cut(encode: Encode) -> Encode:
    return lambda raw: encode(raw)[:-4]


ENCODINGS: Mapping[str, tuple[str, Encode]] = {
    "not gzip": ("gzip", bytes),
    "not brotli": ("br", lambda raw: b"\xff" * 64 + raw),
    "not zstd": ("zstd", bytes),
    "gzip cut off": ("gzip", _cut(gzip.compress)),
    "brotli cut off": ("br", _cut(brotli.compress)),
    "zstd cut off": ("zstd", _cut(zstandard.compress)),
    "data behind gzip": (
        "gzip",
        lambda raw: gzip.compress(raw, mtime=0) + gzip.compress(raw, mtime=0),
    ),
    "twice": ("gzip, gzip", lambda raw: gzip.compress(gzip.compress(raw, mtime=0), mtime=0)),
    "unknown": ("lzma", lzma.compress),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_stream_in_another_encoding_than_it_says_ends_with_an_error_and_without_the_call(
    gates: Gates, server: Origin, case: str
) -> None:
    told = Told("chat")
    name, encode = ENCODINGS[case]
    body = encode(told.story.word + told.story.call)
    plays(server, lambda wire: wire.send(body), **{"Content-Encoding": name})
    got = received(gates["withhold"], server, told.story)

    assert got.error is None
    assert not told.is_in(got.body)
    if got.status == 200:
        assert ended_with(got.body)["code"] == "response_not_inspectable"
    else:
        assert json.loads(got.body)["error"]["code"] == "response_not_inspectable"


# -- what an SDK makes of it -----------------------------------------------------------------


SDK: Mapping[str, Callable[[openai.OpenAI], Any]] = {
    "assistants": lambda client: client.beta.threads.runs.create(
        "thread_1", assistant_id="asst_1", stream=True
    ),
    "chat": lambda client: client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True
    ),
    "responses": lambda client: client.responses.create(model="gpt-4o", input="hi", stream=True),
}
BREAKS: Mapping[str, Play] = {
    **DEATHS,
    "not UTF-8": lambda wire: wire.send(b"data: \xff\xfe\n\n"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("broken", BREAKS)
@EACH_API
def test_sdk_raises_where_a_stream_breaks(
    gates: Gates, server: Origin, api: str, broken: str
) -> None:
    told, gate, is_there = Told(api), gates["withhold"], threading.Event()

    def play(wire: Wire) -> None:
        wire.send(told.story.word, told.story.pieces)
        assert is_there.wait(60)
        BREAKS[broken](wire)

    plays(server, play)
    context = ssl.create_default_context(cafile=gate.ca)
    heard: list[str] = []
    with openai.OpenAI(
        api_key="sk-" + "app",
        base_url=f"https://{server.host}/v1",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(proxy=gate.proxy, verify=context, trust_env=False),
    ) as client:
        stream = SDK[api](client)

        def listen() -> None:
            for event in stream:
                heard.append(event.model_dump_json())
                if "hello" in heard[-1]:
                    is_there.set()

        with pytest.raises(openai.APIError):
            listen()

    assert any("hello" in event for event in heard)
    assert not told.is_in("".join(heard).encode())


# -- the gate dies ---------------------------------------------------------------------------


def has_begun_to_stop(gate: Gate) -> bool:
    proxy = urlsplit(gate.proxy)
    try:
        socket.create_connection((str(proxy.hostname), int(proxy.port or 0)), 5).close()
    except OSError:
        return True
    return False


def stopping(gate: Gate) -> None:
    """Tell the gate to end, and return when it takes no connections any more."""
    gate.signal(signal.SIGTERM)
    while not has_begun_to_stop(gate):
        time.sleep(0.02)


def test_text_that_flows_when_the_gate_is_stopped_still_arrives(
    start_gate: StartGate, origin: Origin
) -> None:
    gate = start_gate(origin.host, CALLGATE_GRACE_SECONDS="50")
    story, is_stopping = STORIES["chat"]("", "{}"), threading.Event()

    def play(wire: Wire) -> None:
        wire.send(story.word)
        assert is_stopping.wait(60)
        wire.send(story.word, b"data: [DONE]\n\n")

    plays(origin, play)
    with asked(gate, origin, story) as reception:
        reception.wait_for(story.word)
        stopping(gate)
        is_stopping.set()
        reception.finish()

    assert (reception.error, gate.wait()) == (None, 0)
    assert reception.body == story.word * 2 + b"data: [DONE]\n\n"


@pytest.mark.parametrize("is_held", [False, True], ids=["text flows", "a call is held"])
def test_stream_that_outlives_the_gates_patience_breaks_off(
    start_gate: StartGate, origin: Origin, is_held: bool
) -> None:
    gate = start_gate(origin.host, mode="withhold", policy=POLICY, CALLGATE_GRACE_SECONDS="0.2")
    told, left = Told("assistants"), Left()
    left.parts = (told.story.word, told.story.call) if is_held else (told.story.word,)
    plays(origin, left)
    with asked(gate, origin, told.story) as reception:
        reception.wait_for(told.story.word)
        if is_held:
            told.approval(gate)
        assert gate.stop() == 0
        reception.finish()

    assert reception.error or ended_with(reception.body)
    assert not told.is_in(reception.body)
    assert left.is_over.wait(LEFT_SECONDS)
    assert left.is_noticed


@pytest.mark.parametrize("mode", MODES)
def test_held_call_is_still_held_after_kill_9(
    start_gate: StartGate, origin: Origin, mode: str
) -> None:
    gate, told = start_gate(origin.host, mode=mode, policy=POLICY), Told("assistants")
    plays(origin, Left(told.story.word, told.story.call))
    with asked(gate, origin, told.story) as reception:
        reception.wait_for(told.story.word)
        approval = told.approval(gate)
        if mode == "enforce":  # there it goes on to the app, once the approval is kept
            reception.wait_for(b"[DONE]")
        gate.kill()
        reception.finish()
    assert reception.error
    assert told.is_in(reception.body) is (mode == "enforce")
    gate.start()
    sent = len(origin.seen)

    assert submitted(gate, origin, told) == "tool_call_pending_approval"
    assert gate.run("approvals", "deny", approval).returncode == 0
    assert submitted(gate, origin, told) == "tool_call_denied"
    assert [seen for seen in origin.seen[sent:] if seen.method == "POST"] == []


def submitted(gate: Gate, origin: Origin, told: Told) -> str | None:
    """The code by which the result of the call is refused."""
    outputs = [{"tool_call_id": told.id, "output": "paid"}]
    body = json.dumps({"tool_outputs": outputs}).encode()
    answer = gate.request(origin.host, "POST", f"{RUNS}/run_1/submit_tool_outputs", body)
    assert answer.status == 403
    return answer.error["code"]
