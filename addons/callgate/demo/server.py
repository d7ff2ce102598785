"""A small local server that speaks OpenAI's Assistants API, as strict as the original.

Starlette behind TLS; everything is in memory. `create_app` is for tests in the same process;
`python -m callgate.demo.server` runs it alone.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import socket
import string
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.demo.api import Api
from callgate.demo.errors import ApiError
from callgate.demo.events import Style
from callgate.demo.front import Front, answer, receive_file, refuse, refuse_url
from callgate.demo.recorder import Received, Recorder
from callgate.demo.runs import NewId, World
from callgate.demo.script import Choice, Script, choice
from callgate.demo.story import SCRIPTS
from callgate.demo.stream import Encoding, Stream

_ID_CHARACTERS = string.ascii_letters + string.digits


def wall_clock() -> float:
    """Return seconds since 1970."""
    return datetime.now(UTC).timestamp()


def random_id(kind: str) -> str:
    """Return an id like OpenAI's: `run_` and 24 letters and digits."""
    return f"{kind}_" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(24))


def create_app(
    scripts: Mapping[str, Script] | Choice = SCRIPTS,
    *,
    run_seconds: float = 600,
    think_seconds: float = 0.02,
    event_seconds: float = 0,
    poll_after_ms: int = 50,
    style: Style = "openai",
    chunk_bytes: int | None = None,
    stream_encoding: Encoding | None = None,
    prefix: str = "/v1",
    clock: Callable[[], float] = wall_clock,
    new_id: NewId = random_id,
) -> Starlette:
    """Build the server.

    `scripts` is a mapping (see `script.choice`) or a function of model name and last user
    message. A run expires `run_seconds` after its creation and spends `think_seconds` of the
    clock in each of `queued` and `in_progress`. `style` chooses whose peculiarities it has (see
    `events.Style`).

    Streams: what follows takes `event_seconds` of the clock for each event. Each event is one
    HTTP chunk, or chunks of `chunk_bytes` are cut with no regard to events, lines or characters.
    `stream_encoding` compresses for clients that accept it, flushing behind each event.

    `app.state.received` lists every request, as
    `Received`, in order of arrival; `GET /_received` shows the same as JSON.
    """
    world = World(
        clock=clock,
        new_id=new_id,
        choose=choice(scripts),
        run_seconds=run_seconds,
        think_seconds=think_seconds,
        event_seconds=event_seconds,
        style=style,
    )
    api = Api(world, list(scripts) if isinstance(scripts, Mapping) else ["demo"])
    front = Front(poll_after_ms, Stream(clock, chunk_bytes, stream_encoding))
    received: list[Received] = []

    async def show_received(request: Request) -> Response:
        return answer({"requests": [item.json() for item in received]})

    async def upload(request: Request) -> Response:
        return await receive_file(request, new_id("file"), int(clock()))

    app = Starlette(
        routes=[
            *(
                Route(prefix + path, front.endpoint(operation), methods=[method])
                for (method, path), operation in api.operations().items()
            ),
            Route(f"{prefix}/files", upload, methods=["POST"]),
            Route("/_received", show_received, methods=["GET"]),
        ],
        middleware=[
            Middleware(Recorder, received=received),
            Middleware(GZipMiddleware, minimum_size=500),  # api.openai.com compresses, too
        ],
        exception_handlers={ApiError: refuse, HTTPException: refuse_url},
    )
    app.router.redirect_slashes = False
    app.state.received = received
    return app


def configure(app: Starlette, cert: Path, key: Path) -> uvicorn.Config:
    """Return a quiet uvicorn configuration with TLS."""
    return uvicorn.Config(
        app,
        ssl_certfile=cert,
        ssl_keyfile=key,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
    )


class _Server(uvicorn.Server):
    """Says on standard output where it can be reached, once it can be."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            print(f"demo server ready url=https://{host}:{port}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then return."""
    parser = argparse.ArgumentParser(prog="python -m callgate.demo.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--cert", type=Path, required=True, help="PEM file of the certificate")
    parser.add_argument("--key", type=Path, required=True, help="PEM file of its private key")
    parser.add_argument("--script", choices=sorted(SCRIPTS), help="play this for every run")
    parser.add_argument("--run-seconds", type=float, default=600, help="until a run expires")
    parser.add_argument("--think-seconds", type=float, default=0.02, help="per state of a run")
    parser.add_argument("--event-seconds", type=float, default=0, help="per event of a stream")
    parser.add_argument("--style", choices=get_args(Style.__value__), default="openai")
    parser.add_argument("--chunk-bytes", type=int, help="cut streams into chunks of this size")
    parser.add_argument("--stream-encoding", choices=get_args(Encoding.__value__))
    options = parser.parse_args(arguments)
    scripts = {"default": SCRIPTS[options.script]} if options.script else SCRIPTS
    app = create_app(
        scripts,
        run_seconds=options.run_seconds,
        think_seconds=options.think_seconds,
        event_seconds=options.event_seconds,
        style=options.style,
        chunk_bytes=options.chunk_bytes,
        stream_encoding=options.stream_encoding,
    )
    # uvicorn raises the signal once more when it has shut down: that would be exit code -15
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with socket.create_server((options.host, options.port), backlog=512) as listener:
        _Server(configure(app, options.cert, options.key)).run(sockets=[listener])


if __name__ == "__main__":
    main()
