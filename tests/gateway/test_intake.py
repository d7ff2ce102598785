"""Bodies within their limit, from clients with a key."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from callgate.errors import StoreError
from callgate.gateway.intake import MAX_BYTES
from tests.gateway.front import KEY, front

PATHS = ["/v1/scan", "/v1/scan/response", "/execute", "/v1/tools/a/b", "/invoke", "/mcp", "/other"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", [None, "", "wrong", KEY[:-1]])
async def test_without_a_good_key_nothing_is_answered(path: str, key: str | None) -> None:
    made = front()
    answer = await made.post(path, {"method": "GET", "url": "mcp://look"}, key)
    assert answer.status_code == 401
    assert answer.json() == {"error": "API key invalid, revoked, or missing"}
    assert await made.store.records() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"x-api-key": KEY},
    ],
)
async def test_key_is_read_from_either_header(headers: dict[str, str]) -> None:
    async with front().client(None) as client:
        answer = await client.post(
            "/execute", json={"tool": "look", "arguments": {}}, headers=headers
        )
    assert answer.status_code == 200


async def test_key_in_another_scheme_is_none() -> None:
    async with front().client(None) as client:
        answer = await client.post("/execute", headers={"authorization": f"Basic {KEY}"})
    assert answer.status_code == 401


def scan_of(size: int) -> bytes:
    frame = b'{"method":"GET","url":"mcp://look","body":{"a":"%s"}}'
    return frame % (b"x" * (size - len(frame) + 2))


async def test_body_may_be_as_large_as_the_limit_and_not_larger() -> None:
    made = front()
    assert (await made.post("/v1/scan", scan_of(MAX_BYTES))).status_code == 200
    answer = await made.post("/v1/scan", scan_of(MAX_BYTES + 1))
    assert (answer.status_code, answer.json()["decision"]) == (413, "DENY")
    assert answer.json()["reason_codes"] == ["ARGUMENTS_TOO_LARGE"]
    assert [r["status"] for r in await made.records("refusal")] == [413]
    made.store.failure = StoreError("gone")
    assert (await made.post("/v1/scan", scan_of(MAX_BYTES + 1))).status_code == 413


async def test_too_large_a_body_is_not_looked_at_for_its_signature() -> None:
    made = front()
    answer = await made.post("/invoke", b"x" * (MAX_BYTES + 1), key=None)
    assert answer.status_code == 413
    assert await made.records("refusal") == []
    assert (await made.post("/invoke", b"x" * MAX_BYTES, key=None)).status_code == 401


@pytest.mark.parametrize("key", [KEY, "wrong"])
async def test_body_is_read_to_its_end_before_it_is_refused(key: str) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(40):
            sent += 1
            yield b"x" * 65536

    async with front().client(key) as client:
        answer = await client.post("/v1/scan", content=chunks())
    assert answer.status_code == (413 if key == KEY else 401)
    assert sent == 40
