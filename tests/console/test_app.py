"""Routes: what anybody may see, what only operators may."""

from __future__ import annotations

import httpx
import pytest
from starlette.routing import Route

from callgate.console.app import _ROUTES, application
from callgate.console.parts import Parts
from callgate.errors import StoreError
from tests.console.seat import TOKEN, made
from tests.fakes import FakeClock, MemoryStore

OPEN = {"/sign-in", "/api/openapi.json"}


async def test_health_and_readiness(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json()["status"] == "ok"
    assert (await client.get("/readyz")).json() == {"ready": True}


async def test_console_that_is_not_ready_says_so(store: MemoryStore, clock: FakeClock) -> None:
    async def is_ready() -> bool:
        return False

    transport = httpx.ASGITransport(application(made(store, clock, is_ready=is_ready)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/readyz")).status_code == 503


async def test_readiness_tells_how_scanners_do(store: MemoryStore, clock: FakeClock) -> None:
    states = {"interven": "SCANNER_TIMEOUT"}
    app = application(made(store, clock, scanner_states=lambda: states))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "scanners": states}


async def test_counters_are_told_in_prometheus_format(
    client: httpx.AsyncClient, parts: Parts
) -> None:
    parts.metrics.count({"kind": "coverage", "cause": "channel"})
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'callgate_not_inspected_total{cause="channel"} 1.0' in answer.text


async def test_counters_need_a_token_from_elsewhere(parts: Parts) -> None:
    transport = httpx.ASGITransport(application(parts), client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/metrics")).status_code == 401
        token = {"authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/metrics", headers=token)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "route",
    [r for r in _ROUTES if r.path not in OPEN],
    ids=lambda r: f"{'+'.join(sorted(r.methods or ()))} {r.path}",
)
async def test_nothing_else_is_told_or_done_without_signing_in(
    client: httpx.AsyncClient, store: MemoryStore, route: Route
) -> None:
    store.failure = StoreError("nobody should have asked")
    path = route.path.replace("{trace}", "t").replace("{id}", "apr_1")
    method = "POST" if "POST" in (route.methods or ()) else "GET"

    answer = await client.request(method, path, data={"answer": "approve"})

    if path.startswith("/api/"):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    elif method == "GET" and path != "/events":
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=%2F")
    else:
        assert answer.status_code == 403
