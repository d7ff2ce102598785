"""What the gate keeps of flows: nothing but bounded memories, however many go through."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from callgate import conversations, gate, proxy
from callgate.settings import Settings

pytestmark = pytest.mark.e2e
RUNS = "/v1/threads/thread_1/runs"
BOUND = 12
"""Of each memory, so that they are full before anything is counted."""
ROUNDS = 14
KINDS = ("plain", "known", "new", "text", "call")
EACH = 4
"""Flows of each kind in a round."""
UNCOUNTED = frozenset(("ReferenceType", "builtin_function_or_method", "TimerHandle", "Context"))
"""Python remembers which classes it has been asked about, and the event loop, for some time,
timers that nobody waits for any more."""


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """`serve` tightens the process's umask: put it back for the other tests."""
    old = os.umask(0o022)
    yield
    os.umask(old)


@pytest.fixture(autouse=True)
def small_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_SETTLED", "_SEEN"):
        monkeypatch.setattr(gate, name, BOUND)
    for name in ("_TEXTS", "_NAMES", "_MARKS"):
        monkeypatch.setattr(conversations, name, BOUND)


# -- the API -----------------------------------------------------------------------------------


def run(id: str) -> bytes:
    function = {"name": "look", "arguments": json.dumps({"at": id})}
    calls = [{"id": f"call_{id}", "type": "function", "function": function}]
    action: dict[str, Any] = {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": calls},
    }
    is_plain = id == "plain"
    document: dict[str, Any] = {
        "id": f"run_{id}",
        "object": "thread.run",
        "assistant_id": "asst_1",
        "thread_id": "thread_1",
        "status": "in_progress" if is_plain else "requires_action",
        "required_action": None if is_plain else action,
    }
    return json.dumps(document).encode()


def events(said: str) -> list[bytes]:
    """A few words, and a call if the question asks for one."""
    deltas: list[dict[str, Any]] = [{"content": f"word {n}"} for n in range(4)]
    if said.startswith("call"):
        function = {"name": "look", "arguments": json.dumps({"at": said})}
        deltas.append({"tool_calls": [{"index": 0, "id": f"c_{said}", "function": function}]})
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunks = [{"id": f"chat_{said}", "choices": [choice]} for choice in choices]
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET "):
                body = run(head.split(b" ")[1].rsplit(b"/", 1)[1].decode())
                kind = b"Content-Type: application/json\r\nContent-Length: %d" % len(body)
                writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (kind, body))
                continue
            asked = json.loads(await reader.readexactly(_length(head)))
            kind = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked"
            writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % kind)
            for event in events(asked["messages"][0]["content"]):
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the gate has left
    finally:
        writer.close()


def _length(head: bytes) -> int:
    found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    assert found, head
    return int(found[1])


# -- the app -----------------------------------------------------------------------------------


type Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class App:
    """Asks through the gate: on one connection that it keeps, and on some that it does not."""

    def __init__(self, ready: proxy.Ready, port: int) -> None:
        self._gate = urlsplit(ready.proxy)
        self._trust = ssl.create_default_context(cafile=str(ready.authority.certificate))
        self._host = f"127.0.0.1:{port}".encode()
        self._serial = itertools.count()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection(self._gate.hostname, self._gate.port)
        try:
            writer.write(b"CONNECT %b HTTP/1.1\r\n\r\n" % self._host)
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            await writer.start_tls(self._trust, server_hostname="127.0.0.1")
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()

    async def round(self, kept: Connection) -> None:
        for kind in KINDS * EACH:
            await self._ask(*kept, kind)
        async with self.connected() as passing:
            await self._ask(*passing, "known")

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str
    ) -> None:
        own = f"{kind}{next(self._serial)}"
        if kind in ("text", "call"):
            said = f"{own}: where does customer-{own}@shop.example live?"
            asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": said}]}
            method, path, body = b"POST", "/v1/chat/completions", json.dumps(asked).encode()
        else:
            method, path, body = b"GET", f"{RUNS}/{own if kind == 'new' else kind}", b""
        writer.write(
            b"%b %b HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer x\r\nContent-Length: %d\r\n\r\n%b"
            % (method, path.encode(), self._host, len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        if b"content-length" in head.lower():
            await reader.readexactly(_length(head))
        else:
            await reader.readuntil(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def objects() -> Counter[str]:
    """What is alive, by type, once nothing is on its way any more."""
    for _ in range(20):
        await asyncio.sleep(0.02)
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects())


@pytest.mark.parametrize("mode", ["enforce", "withhold"])
async def test_nothing_is_left_of_flows_but_what_bounded_memories_keep(
    mode: str, tmp_path: Path
) -> None:
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "upstream.pem")
    api = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = api.sockets[0].getsockname()[1]
    settings = Settings(
        home=tmp_path,
        mode=mode,  # type: ignore[arg-type]  # one of them
        listen="127.0.0.1:0",
        console="off",
        gate_host=(f"127.0.0.1:{port}",),
        upstream_ca=tmp_path / "upstream.pem",
    )
    ready: asyncio.Future[proxy.Ready] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.ensure_future(proxy.serve(settings, None, ready.set_result, stop))
    app = App(await ready, port)
    try:
        async with app.connected() as kept:
            for _ in range(BOUND // EACH + 3):
                await app.round(kept)
            before = await objects()
            for _ in range(ROUNDS):
                await app.round(kept)
            grown = await objects()
    finally:
        stop.set()
        await serving
        api.close()

    grown.subtract(before)
    left = {kind: count for kind, count in grown.items() if kind not in UNCOUNTED}
    assert max(left.values()) < ROUNDS * EACH / 2, grown.most_common(12)
