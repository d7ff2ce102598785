"""The health and approval pages, over a real listener."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from callgate import console
from callgate.errors import StoreError
from callgate.metrics import Metrics
from callgate.model import Approval, ApprovalState, Decision, Effect
from callgate.store.base import ApprovalItem
from tests.fakes import MemoryStore
from tests.samples import tool_call

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
APPROVAL = Approval(
    "apr_1", ApprovalState.PENDING, NOW, NOW + timedelta(hours=1), "http://x/approvals/apr_1"
)

METRICS = Metrics()


class OneApproval(MemoryStore):
    def __init__(self, approval: Approval | Exception) -> None:
        super().__init__()
        self._approval = approval

    async def approval(self, id: str) -> ApprovalItem | None:
        if isinstance(self._approval, Exception):
            raise self._approval
        if id != self._approval.id:
            return None
        return ApprovalItem(self._approval, Decision(tool_call(), Effect.REQUIRE_APPROVAL))


@pytest.fixture
def approval() -> Approval | Exception:
    return APPROVAL


@pytest.fixture
async def client(approval: Approval | Exception) -> AsyncIterator[httpx.AsyncClient]:
    bound = console.bind("127.0.0.1", 0)

    async def is_ready() -> bool:
        return not isinstance(approval, Exception)

    server = console.server(console.application(OneApproval(approval), is_ready, METRICS))
    task = asyncio.ensure_future(server.serve([bound]))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as made:
        yield made
    server.should_exit = True
    await task


async def test_health_and_readiness(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json()["status"] == "ok"
    assert (await client.get("/readyz")).json() == {"ready": True}


async def test_readiness_tells_how_scanners_do() -> None:
    async def is_ready() -> bool:
        return True

    states = {"interven": "SCANNER_TIMEOUT"}
    app = console.application(MemoryStore(), is_ready, METRICS, lambda: states)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "scanners": {"interven": "SCANNER_TIMEOUT"}}


async def test_counters_are_told_in_prometheus_format(client: httpx.AsyncClient) -> None:
    METRICS.count({"kind": "coverage", "cause": "channel"})
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'callgate_not_inspected_total{cause="channel"} 1.0' in answer.text


@pytest.mark.parametrize("approval", [StoreError("gone")])
async def test_failing_store_shows(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/approvals/apr_1")).status_code == 503


async def test_pending_approval_says_how_to_decide_and_nothing_of_the_call(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/approvals/apr_1")
    assert answer.status_code == 200
    assert "callgate approvals approve apr_1" in answer.text
    assert "2026-03-01 13:00" in answer.text
    assert tool_call().name not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("approval", [replace(APPROVAL, state=ApprovalState.DENIED)])
async def test_decided_approval_says_so(client: httpx.AsyncClient) -> None:
    text = (await client.get("/approvals/apr_1")).text
    assert "denied" in text
    assert "approvals approve" not in text


async def test_unknown_approval_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/approvals/%3Cscript%3E")
    assert answer.status_code == 404
    assert "script" not in answer.text


async def test_nothing_can_be_decided_over_http(client: httpx.AsyncClient) -> None:
    assert (await client.post("/approvals/apr_1")).status_code == 405
