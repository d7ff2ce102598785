"""Upstreams that tool-calling apps talk to: the project's own strict server, and llamphouse."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from callgate.demo.script import Script, Use
from callgate.demo.server import create_app
from tests.e2e.gate import clean_environment
from tests.e2e.relay import Relay


def wish(*calls: tuple[str, Mapping[str, object] | str]) -> str:
    """The user message that makes either server ask for these calls, all at once."""
    return json.dumps(
        [
            {"name": name, "arguments": args if isinstance(args, str) else json.dumps(args)}
            for name, args in calls
        ]
    )


def _script(model: str, text: str) -> Script:
    """Ask for what the message lists; the final text quotes the outputs that arrived."""
    wanted = [Use(call["name"], call["arguments"]) for call in json.loads(text)]
    return Script((wanted, "{outputs}")) if wanted else Script(("nothing to do",))


@dataclass(frozen=True, slots=True)
class Server:
    """A running upstream."""

    host: str
    """`host:port`."""
    base_url: str
    assistant: str
    received: Callable[[], str]
    """Everything that reached it so far, as text."""


@contextmanager
def demo(context: ssl.SSLContext, trust: Path) -> Iterator[Server]:
    """Serve `callgate.demo.server` in a thread; TLS is the relay's."""
    config = uvicorn.Config(
        create_app(_script), host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"
    )
    server = _Announced(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.ready.wait(10)
        port = server.servers[0].sockets[0].getsockname()[1]
        with Relay(context, port) as relay:
            yield Server(
                host=relay.host,
                base_url=f"https://{relay.host}/v1",
                assistant=_new_assistant(relay.host, trust),
                received=lambda: relay.received.decode("latin-1"),
            )
    finally:
        server.should_exit = True
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
        {
            "Authorization": "Bearer sk-" + "owner",
            "OpenAI-Beta": "assistants=v2",
            "Content-Type": "application/json",
        },
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
