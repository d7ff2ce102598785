"""Upstreams that tool-calling apps talk to: the project's own strict server, and other people's."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from tests.e2e import agents_server, openai_server
from tests.e2e.gate import clean_environment
from tests.e2e.relay import Relay

HERE = Path(__file__).parent
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
        with httpx.Client(
            http1=False, http2=True, verify=verify, trust_env=False, timeout=60
        ) as client:
            answer = client.post(
                f"{base_url}/assistants", json={"model": "scripted"}, headers=OWNER
            )
        yield Server(relay.host, base_url, str(answer.json()["id"]), lambda: "")


@contextmanager
def over_http2(context: ssl.SSLContext, app: ASGIApp) -> Iterator[str]:
    """Serve an app of a test's own by HTTP/2 alone; yields `host:port`."""
    with _http2(app) as port, Relay(context, port) as relay:
        yield relay.host


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
def agents(context: ssl.SSLContext, api: agents_server.Api) -> Iterator[Server]:
    """Serve `agents_server`."""
    with _http1(agents_server.create_app(api)) as port, Relay(context, port) as relay:
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
        assert server.ready.wait(30)
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
    connection = http.client.HTTPSConnection(host, context=context, timeout=60)
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
    program = HERE / "llamphouse_server.py"
    command: Sequence[str | Path] = [python, "-I", "-W", "ignore", program]
    with _program(command, LLAMPHOUSE_TELEMETRY="0") as port, Relay(context, port) as relay:
        yield Server(
            host=relay.host,
            base_url=f"https://{relay.host}",
            assistant="caller",
            received=lambda: relay.received.decode("latin-1"),
        )


@contextmanager
def aimock(folder: Path) -> Iterator[str]:
    """Run aimock, installed in that folder; the address of its API, without TLS."""
    with _program(["node", HERE / "aimock_server.mjs"], folder=folder) as port:
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def aimock_in_tls(context: ssl.SSLContext, base_url: str) -> Iterator[Server]:
    """aimock behind TLS; it says itself what it received, also as messages of WebSockets."""
    address = httpx.URL(base_url)
    assert address.port
    with Relay(context, address.port) as relay:
        yield replace(_recorded(relay), received=lambda: _journal(address))


def _journal(address: httpx.URL) -> str:
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.get(address.join("/__aimock/journal")).raise_for_status().text


@contextmanager
def ogx(context: ssl.SSLContext, python: Path, model_url: str, folder: Path) -> Iterator[Server]:
    """Run OGX behind TLS; its models are those at the address, its memory lies in the folder."""
    config = folder / "ogx.yaml"
    config.write_text(json.dumps(_ogx_config(model_url, folder)))
    serving = _asgi(
        python,
        "ogx.core.server.server:create_app",
        "--factory",
        OGX_CONFIG=str(config),
        HOME=str(folder),
        OTEL_SDK_DISABLED="true",
    )
    with serving as port, Relay(context, port) as relay:
        yield _recorded(relay)


@contextmanager
def litellm(
    context: ssl.SSLContext, python: Path, model_url: str, folder: Path
) -> Iterator[Server]:
    """Run LiteLLM's proxy behind TLS.

    `gpt-x` is the model at the address; `bridged` is the same, but asked by Chat Completions only.
    """
    config = folder / "litellm.yaml"
    config.write_text(json.dumps(_litellm_config(model_url)))
    serving = _asgi(
        python,
        "litellm.proxy.proxy_server:app",
        CONFIG_FILE_PATH=str(config),
        HOME=str(folder),
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_MASTER_KEY="sk-" + "app",
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
    )
    with serving as port, Relay(context, port) as relay:
        yield _recorded(relay)


def _recorded(relay: Relay) -> Server:
    return Server(
        host=relay.host,
        base_url=f"https://{relay.host}/v1",
        assistant="",
        received=lambda: relay.received.decode("latin-1"),
    )


def _ogx_config(model_url: str, folder: Path) -> dict[str, object]:
    kept = {"backend": "sql"}
    model = {"api_key": "none", "base_url": model_url, "allowed_models": ["gpt-4o"]}
    responses = {"persistence": {"responses": {"table_name": "responses", **kept}}}
    files = {"storage_dir": str(folder), "metadata_store": {"table_name": "files", **kept}}

    def only(id: str, kind: str, config: object) -> list[object]:
        return [{"provider_id": id, "provider_type": kind, "config": config}]

    return {
        "version": 2,
        "distro_name": "callgate",
        "apis": ["inference", "responses", "files", "tool_runtime", "vector_io"],
        "providers": {
            "inference": only("openai", "remote::openai", model),
            "responses": only("builtin", "inline::builtin", responses),
            "files": only("local", "inline::localfs", files),
        },
        "storage": {
            "backends": {
                "kv": {"type": "kv_sqlite", "db_path": str(folder / "kv.db")},
                "sql": {"type": "sql_sqlite", "db_path": str(folder / "sql.db")},
            },
            "stores": {
                "metadata": {"namespace": "registry", "backend": "kv"},
                **{
                    name: {"table_name": name, **kept}
                    for name in ("inference", "conversations", "prompts", "connectors")
                },
            },
        },
        "server": {"insecure": True},
    }


def _litellm_config(model_url: str) -> dict[str, object]:
    model = {"model": "openai/gpt-x", "api_base": model_url, "api_key": "none"}
    bridged = {**model, "use_chat_completions_api": True}
    return {
        "model_list": [
            {"model_name": "gpt-x", "litellm_params": model},
            {"model_name": "bridged", "litellm_params": bridged},
        ],
        "litellm_settings": {"telemetry": False},
    }


@contextmanager
def _asgi(python: Path, app: str, *options: str, **environment: str) -> Iterator[int]:
    program = HERE / "asgi_server.py"
    command: Sequence[str | Path] = [python, "-I", "-W", "ignore", program, app, *options]
    with _program(command, folder=None, **environment) as port:
        yield port


@contextmanager
def _program(
    command: Sequence[str | Path], *, folder: Path | None = None, **environment: str
) -> Iterator[int]:
    """Run a server in a process of its own; it prints its port when it is ready."""
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env=clean_environment(**environment),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            log.seek(0)
            assert port, log.read()
            yield int(port)
        finally:
            process.kill()
