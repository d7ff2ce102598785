"""Health, metrics and approval pages on a listener of their own, loopback only.

A page tells nothing but an approval's state and the command that decides it, and metrics
count: whoever reads them may be the app itself.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from html import escape

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from callgate import __version__
from callgate.errors import StoreError
from callgate.metrics import CONTENT_TYPE, Metrics
from callgate.model import Approval, ApprovalState
from callgate.store.base import Store

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Callgate</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}}
code{{background:#8882;padding:.15em .4em;border-radius:.3em}}
:root{{color-scheme:light dark}}</style>
<h1>{title}</h1>{body}"""


def application(
    store: Store,
    is_ready: Callable[[], Awaitable[bool]],
    metrics: Metrics,
    scanner_states: Callable[[], Mapping[str, str]] = dict,
) -> Starlette:
    """`/healthz`, `/readyz`, `/metrics` and `/approvals/{id}`.

    `/readyz` tells how the scanners at gateways did last (`scanner_states`); one that fails
    leaves the proxy ready, as calls are denied then and all else goes on.
    """

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def readyz(_: Request) -> Response:
        ready = await is_ready()
        said: dict[str, object] = {"ready": ready}
        if states := scanner_states():
            said["scanners"] = dict(states)
        return JSONResponse(said, status_code=200 if ready else 503)

    async def counters(_: Request) -> Response:
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def approval(request: Request) -> Response:
        try:
            item = await store.approval(request.path_params["id"])
        except StoreError:
            return _page("Not now", "<p>The store does not answer.</p>", 503)
        if item is None:
            return _page("No such approval", "<p>It may belong to another Callgate.</p>", 404)
        return _page("A tool call awaits approval", _body(item.approval))

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", counters),
            Route("/approvals/{id}", approval),
        ]
    )


def _body(approval: Approval) -> str:
    id = escape(approval.id)
    if approval.state is not ApprovalState.PENDING:
        return f"<p>It is decided: <strong>{approval.state.value}</strong>.</p>"
    return (
        f"<p>It expires at {approval.expires_at:%Y-%m-%d %H:%M} UTC. Look at it with</p>"
        "<p><code>callgate approvals list</code></p><p>and decide with</p>"
        f"<p><code>callgate approvals approve {id}</code> or "
        f"<code>callgate approvals deny {id}</code></p>"
    )


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(
        _PAGE.format(title=title, body=body),
        status_code=status,
        headers={
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        },
    )


class Server(uvicorn.Server):
    """uvicorn inside the proxy's loop; the proxy handles signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def server(app: Starlette) -> Server:
    """A server for sockets that were bound before."""
    return Server(
        uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False)
    )


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening socket; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
