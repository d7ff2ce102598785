"""The gateway's routes, and what they answer when something breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from callgate import __version__
from callgate.assembly import Engine
from callgate.errors import StoreError
from callgate.gateway import interven
from callgate.gateway.aegis import Aegis
from callgate.gateway.answers import JsonAnswer
from callgate.gateway.decisions import Decisions
from callgate.gateway.intake import Intake, KeysInForce
from callgate.gateway.interven import Interven
from callgate.gateway.legacy import Legacy
from callgate.gateway.status import Status
from callgate.model import Reason, SurfaceName
from callgate.store.base import Store


def application(
    engine: Engine,
    keys: KeysInForce,
    clock: Callable[[], datetime],
    seconds: Callable[[], float] = time.monotonic,
) -> Starlette:
    """Every route; all but health, the page of an approval and discovery need a key."""
    decisions = Decisions(engine, clock)
    intake = Intake(engine.gate, keys)
    scans, aegis = Interven(decisions, intake), Aegis(decisions, intake)
    legacy = Legacy(decisions, intake, clock)
    status = Status(decisions, engine.store, clock, seconds)
    keyed, signed = intake.keyed, intake.signed
    routes = [
        Route("/health", _health(engine.store)),
        Route("/v1/scan", keyed(scans.scan), methods=["POST"]),
        Route("/v1/scan/response", keyed(scans.report), methods=["POST"]),
        Route("/v1/tools/{tool}/{operation}", keyed(scans.run_tool), methods=["POST"]),
        Route("/v1/approvals/{id}/status", keyed(status.tell), methods=["GET"]),
        Route("/execute", keyed(aegis.execute), methods=["POST"]),
        Route("/invoke", signed(legacy.invoke), methods=["POST"]),
        Route("/mcp", signed(legacy.mcp), methods=["POST"]),
        Route("/approvals/{id}", status.page, methods=["GET"]),
        Route("/approvals/{id}/status", legacy.status, methods=["GET"]),
        Route("/approvals/{id}/execute", legacy.execute, methods=["POST"]),
        Route("/{rest:path}", keyed(_nothing), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    handlers = {Exception: _broken, HTTPException: _wrong, ClientDisconnect: _gone}
    return Starlette(routes=routes, exception_handlers=handlers)


def _health(store: Store) -> Callable[[Request], object]:
    async def health(_: Request) -> Response:
        try:
            await store.find(SurfaceName.GATEWAY, "", "")
        except StoreError:
            return JsonAnswer({"status": "failing", "version": __version__}, 503)
        return JsonAnswer({"status": "ok", "version": __version__})

    return health


async def _nothing(client: str, request: Request, body: bytes) -> Response:
    return JsonAnswer({"error": f"nothing is served at {request.url.path[:80]}"}, 404)


def _wrong(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JsonAnswer({"error": f"{request.method} is not served here"}, status)


def _gone(_: Request, error: Exception) -> Response:
    """Nobody reads it: the client went away before it had sent everything."""
    return Response(status_code=400)


def _broken(request: Request, error: Exception) -> Response:
    """A fault of Callgate's own; the server logs it. Scans are denied in words, see `intake`."""
    why = "Callgate failed while it answered; see its log"
    if request.url.path == "/v1/scan":
        return interven.denied(Reason.SCANNER_UNAVAILABLE, why)
    return JsonAnswer({"error": why}, 500)
