"""Upstreams that tool-calling apps talk to: the project's own strict server, and llamphouse."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import httpx
import hypercorn.asyncio
import hypercorn.config
import uvicorn
from starlette.types import ASGIApp

from callgate.demo.events import Style
from callgate.demo.script import Script, Spoken, Use
from callgate.demo.server import create_app
from callgate.demo.stream import Encoding
from tests.e2e import openai_server
from tests.e2e.gate import clean_environment
from tests.e2e.relay import Relay

OWNER = {"Authorization": "Bearer sk-" + "owner", "OpenAI-Beta": "assistants=v2"}


def wish(*calls: tuple[str, Mapping[str, object] | str]) -> str:
    """The user message that makes either server ask for these calls, all at once."""
    return json.dumps(
        [
            {"name": name, "arguments": args if isinstance(args, str) else json.dumps(args)}
            for name, args in calls
        ]
    )


def story(*rounds: str, say: str = "") -> str:
    """The message that makes the demo server ask for one `wish` after the other.

    It says the text before the first calls.
    """
    return json.dumps({"say": say, "rounds": [json.loads(calls) for calls in rounds]})


def _script(model: str, text: str) -> Script:
    """Ask for what the message lists; the final text quotes the outputs that arrived."""
    wanted = json.loads(text)
    plain = [wanted] if wanted else []
    told = wanted if isinstance(wanted, dict) else {"say": "", "rounds": plain}
    rounds = [[Use(c["name"], c["arguments"]) for c in calls] for calls in told["rounds"]]
    if not rounds:
        return Script(("nothing to do",))
    first = Spoken(str(told["say"]), rounds[0]) if told["say"] else rounds[0]
    return Script((first, *rounds[1:], "{outputs}"))


@dataclass(frozen=True, slots=True)
class Server:
    """A running upstream."""

    host: str
    """`host:port`."""
    base_url: str
    assistant: str
    received: Callable[[], str]
    """Everything that reached it so far, as text."""


class Options(TypedDict, total=False):
    """Options of `create_app` that tests use."""

    run_seconds: float
    style: Style
    chunk_bytes: int
    stream_encoding: Encoding


@contextmanager
def demo(context: ssl.SSLContext, trust: Path, **options: Unpack[Options]) -> Iterator[Server]:
    """Serve `callgate.demo.server` in a thread; TLS is the relay's."""
    with (
        _http1(create_app(_script, **options)) as port,
        Relay(context, port) as relay,
    ):
        yield Server(
            host=relay.host,
            base_url=f"https://{relay.host}/v1",
            assistant=_new_assistant(relay.host, trust),
            received=lambda: relay.received.decode("latin-1"),
        )


@contextmanager
def demo_over_http2(context: ssl.SSLContext, trust: Path) -> Iterator[Server]:
    """Serve `callgate.demo.server` by HTTP/2 alone; `context` has to offer just that."""
    with _http2(create_app(_script)) as port, Relay(context, port) as relay:
        base_url = f"https://{relay.host}/v1"
        verify = ssl.create_default_context(cafile=str(trust))
        with httpx.Client(http1=False, http2=True, verify=verify, trust_env=False) as client:
            answer = client.post(
                f"{base_url}/assistants", json={"model": "scripted"}, headers=OWNER
            )
        yield Server(relay.host, base_url, str(answer.json()["id"]), lambda: "")


@contextmanager
def calling(context: ssl.SSLContext) -> Iterator[Server]:
    """Serve `openai_server`: Chat Completions and Responses."""
    with _http1(openai_server.create_app()) as port, Relay(context, port) as relay:
        yield Server(
            host=relay.host,
            base_url=f"https://{relay.host}/v1",
            assistant="",
            received=lambda: relay.received.decode("latin-1"),
        )


@contextmanager
def _http1(app: ASGIApp) -> Iterator[int]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"
    )
    server = _Announced(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.ready.wait(10)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _http2(app: ASGIApp) -> Iterator[int]:
    config = hypercorn.config.Config()
    config.loglevel = "ERROR"
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it
    serve = hypercorn.asyncio.serve(
        app,  # type: ignore[arg-type]  # the same interface under another name
        config,
        shutdown_trigger=lambda: asyncio.to_thread(over.wait),
    )
    thread = threading.Thread(target=asyncio.run, args=(serve,))
    thread.start()
    try:
        yield port
    finally:
        over.set()
        thread.join()


class _Announced(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup()
        self.ready.set()


def _new_assistant(host: str, trust: Path) -> str:
    context = ssl.create_default_context(cafile=str(trust))
    connection = http.client.HTTPSConnection(host, context=context, timeout=10)
    connection.request(
        "POST",
        "/v1/assistants",
        json.dumps({"model": "scripted"}),
        {**OWNER, "Content-Type": "application/json"},
    )
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["id"])


@contextmanager
def llamphouse(context: ssl.SSLContext, python: Path) -> Iterator[Server]:
    """Run llamphouse in a process of its own, behind TLS."""
    program = Path(__file__).with_name("llamphouse_server.py")
    command: Sequence[str] = [str(python), "-I", "-W", "ignore", str(program)]
    environment = clean_environment(LLAMPHOUSE_TELEMETRY="0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            with Relay(context, port) as relay:
                yield Server(
                    host=relay.host,
                    base_url=f"https://{relay.host}",
                    assistant="caller",
                    received=lambda: relay.received.decode("latin-1"),
                )
        finally:
            process.kill()
