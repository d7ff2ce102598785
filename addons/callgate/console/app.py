"""The console as an application: every route, and what stands before them.

`/healthz` and `/readyz` answer anybody, `/metrics` anybody on this machine: they tell nothing
of any call. Everything else is for operators.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from callgate import __version__
from callgate.console import answering, api, pages, ruling, signing
from callgate.console.parts import Parts, address_of, parts_of
from callgate.console.rendering import FOLDER
from callgate.console.shield import Shield
from callgate.forms import is_loopback
from callgate.metrics import CONTENT_TYPE

_ROUTES = [
    Route("/", pages.activity),
    Route("/calls/{trace}", pages.call),
    Route("/approvals", answering.queue),
    Route("/approvals/{id}", answering.one),
    Route("/approvals/{id}", answering.answer, methods=["POST"]),
    Route("/policy", ruling.policy),
    Route("/policy", ruling.trial, methods=["POST"]),
    Route("/coverage", pages.coverage),
    Route("/agents", pages.agents),
    Route("/events", pages.events),
    Route("/sign-in", signing.ask),
    Route("/sign-in", signing.sign_in, methods=["POST"]),
    Route("/sign-out", signing.sign_out, methods=["POST"]),
    Route("/theme", signing.choose_theme, methods=["POST"]),
    Route("/api/openapi.json", api.description),
    Route("/api/calls", api.calls),
    Route("/api/calls/{trace}", api.call),
    Route("/api/approvals", api.approvals),
    Route("/api/approvals/{id}", api.approval),
    Route("/api/approvals/{id}", api.answer, methods=["POST"]),
]


def application(parts: Parts) -> Starlette:
    """Pages, API, health and metrics."""
    app = Starlette(
        routes=[
            Route("/healthz", _healthz),
            Route("/readyz", _readyz),
            Route("/metrics", _metrics),
            *_ROUTES,
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            Route("/api/{rest:path}", api.elsewhere),
            Route("/{rest:path}", pages.elsewhere),
        ],
        middleware=[Middleware(Shield, names=parts.names)],
    )
    app.state.parts = parts
    return app


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


async def _readyz(request: Request) -> Response:
    """Not ready without a store; a scanner that fails at its gateway is only told of.

    Calls are denied then, and all else goes on.
    """
    ready = await parts_of(request).is_ready()
    said: dict[str, object] = {"ready": ready}
    if states := parts_of(request).scanner_states():
        said["scanners"] = dict(states)
    return JSONResponse(said, status_code=200 if ready else 503)


async def _metrics(request: Request) -> Response:
    if not is_loopback(address_of(request)) and (refusal := api.refused(request)):
        return refusal
    return PlainTextResponse(
        parts_of(request).metrics.text(), headers={"content-type": CONTENT_TYPE}
    )
