from __future__ import annotations

import httpx
import pytest

from callgate.console.shield import SECURITY_HEADERS


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8081", "[::1]:9000", "localhost:1", "LOCALHOST", "gate.example", "192.0.2.1:80"],
)
async def test_addresses_and_own_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "x@evil", "localhost.evil.example", "[::1"],
)
async def test_rebound_names_are_refused(client: httpx.AsyncClient, host: str) -> None:
    answer = await client.get("/healthz", headers={"host": host})

    assert answer.status_code == 421
    assert "status" not in answer.text


async def test_every_answer_forbids_what_pages_do_not_need(client: httpx.AsyncClient) -> None:
    for path in ("/", "/sign-in", "/healthz", "/nothing", "/static/style.css", "/api/calls"):
        answer = await client.get(path)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value, path
    policy = SECURITY_HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


async def test_pages_are_not_kept_by_caches(client: httpx.AsyncClient) -> None:
    assert (await client.get("/sign-in")).headers["cache-control"] == "no-store"
