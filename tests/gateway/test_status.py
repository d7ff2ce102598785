"""How an approval stands, in both contracts' words."""

from __future__ import annotations

import pytest

from callgate.errors import StoreError
from callgate.gateway import status
from tests.gateway.front import OTHER_KEY, SSN, TTL_SECONDS, Front, front


async def asked(made: Front, url: str = "mcp://pay", body: object = None) -> str:
    return str((await made.scan(url, body))["approval_id"])


async def test_pending_approval_says_for_how_long() -> None:
    made = front()
    id = await asked(made)
    made.clock.advance(100)
    told = (await made.get(f"/v1/approvals/{id}/status")).json()
    assert (told["approval_id"], told["status"], told["decision"]) == (id, "pending", None)
    assert told["remaining_seconds"] == TTL_SECONDS - 100
    assert told["poll_guidance"]
    assert told["data"]["status"] == "pending"


@pytest.mark.parametrize(
    ("end", "state", "aegis", "reason"),
    [
        ("approve", "approved", "approved", "fine"),
        ("deny", "denied", "rejected", "fine"),
        ("expire", "expired", "rejected", "nobody decided in time"),
    ],
)
async def test_decided_approval_says_how(end: str, state: str, aegis: str, reason: str) -> None:
    made = front()
    id = await asked(made)
    if end == "approve":
        await made.approvals.approve(id, "kim", "fine")
    elif end == "deny":
        await made.approvals.deny(id, "kim", "fine")
    else:
        made.clock.advance(TTL_SECONDS)
    told = (await made.get(f"/v1/approvals/{id}/status")).json()
    assert (told["status"], told["decision"], told["remaining_seconds"]) == (state, state, 0)
    assert told["data"] == {"status": aegis, "reason": reason}
    assert bool(told["decided_at"]) is (end != "expire")
    assert bool(told["retry_guidance"]) is (end == "approve")


async def test_approval_of_arguments_to_redact_is_never_plainly_approved() -> None:
    made = front()
    body = {"note": f"SSN {SSN}"}
    id = await asked(made, "https://bank.example/pay", body)
    await made.approvals.approve(id, "kim")
    told = (await made.get(f"/v1/approvals/{id}/status")).json()
    assert told["status"] == "approved_sanitized"
    assert told["data"]["status"] == "rejected"
    assert "scan the same request again" in told["retry_guidance"]

    again = await made.scan("https://bank.example/pay", body)
    assert again["decision"] == "SANITIZE"
    assert again["sanitized_body"] == {"note": "SSN [REDACTED:SSN]"}


async def test_approval_may_be_asked_for_once_in_two_seconds_by_each_client() -> None:
    made = front()
    id = await asked(made)
    async with made.client() as client, made.client(OTHER_KEY) as other:
        path = f"/v1/approvals/{id}/status"
        assert (await client.get(path)).status_code == 200
        made.seconds.now += 0.5
        limited = await client.get(path)
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "2")
        assert limited.json()["status"] == "unknown"
        assert (await client.get("/v1/approvals/apr_x/status")).status_code == 404
        assert (await other.get(path)).status_code == 404
        made.seconds.now += 1.5
        assert (await client.get(path)).status_code == 200


async def test_memory_of_who_asked_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_REMEMBERED", 1)
    async with front().client() as client:
        for id, code in (("a", 404), ("a", 429), ("b", 404), ("a", 404)):
            assert (await client.get(f"/v1/approvals/{id}/status")).status_code == code


async def test_approval_that_cannot_be_told_of_is_unknown() -> None:
    made = front()
    id = await asked(made)
    answer = await made.get(f"/v1/approvals/{id}/status", OTHER_KEY)
    assert (answer.status_code, answer.json()["status"]) == (404, "unknown")
    made.store.failure = StoreError("gone")
    answer = await made.get(f"/v1/approvals/{id}/status")
    assert (answer.status_code, answer.json()["status"]) == (503, "unknown")


async def test_page_tells_people_how_to_decide_and_nothing_of_the_call() -> None:
    made = front()
    id = await asked(made)
    page = await made.get(f"/approvals/{id}", key=None)
    assert page.headers["content-type"].startswith("text/plain")
    assert f"callgate approvals approve {id}" in page.text
    assert "pay" not in page.text
    await made.approvals.deny(id, "kim")
    assert "denied" in (await made.get(f"/approvals/{id}", key=None)).text
    assert (await made.get("/approvals/apr_none", key=None)).status_code == 404
    made.store.failure = StoreError("gone")
    assert (await made.get(f"/approvals/{id}", key=None)).status_code == 503
