"""Aegis' contract."""

from __future__ import annotations

import pytest

from callgate.errors import StoreError
from callgate.model import Mode
from tests.gateway.front import SSN, Front, Json, front


async def check(made: Front, tool: str, status: int, **arguments: object) -> Json:
    document = {"agent_id": "a-1", "tool": tool, "arguments": arguments}
    answer = await made.post("/execute", document)
    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is (status == 200)
    return dict(answer.json()["data"])


async def test_calls_are_allowed_denied_and_escalated() -> None:
    made = front()
    allowed = await check(made, "look", 200)
    assert (allowed["action"], allowed["risk"], allowed["findings"]) == ("allow", 0.0, [])
    denied = await check(made, "wipe", 403)
    assert (denied["action"], denied["findings"]) == ("deny", ["POLICY_DENIED"])
    asked = await check(made, "pay", 403)
    [item] = await made.approvals.pending()
    assert (asked["action"], asked["approval_id"]) == ("escalate", item.approval.id)
    assert asked["approval_url"] == item.approval.url
    assert [r["assistant"] for r in await made.records("call")] == ["a-1"] * 3


async def test_arguments_to_redact_are_denied_since_there_is_no_word_for_it() -> None:
    told = await check(front(), "note", 403, text=f"SSN {SSN}")
    assert (told["action"], told["findings"]) == ("deny", ["PII_DETECTED"])
    assert "no word for" in told["reason"]


async def test_approved_call_is_allowed_once() -> None:
    made = front()
    await check(made, "pay", 403, amount=1)
    [item] = await made.approvals.pending()
    await made.approvals.approve(item.approval.id, "kim")
    assert (await check(made, "pay", 200, amount=1))["findings"] == ["RECENT_APPROVAL_GRANT"]
    assert (await check(made, "pay", 403, amount=1))["action"] == "escalate"


@pytest.mark.parametrize(
    "body", [b"", b"{oh", b"[]", b'{"arguments":{}}', b'{"tool":7}', b'{"tool":"look"}']
)
async def test_garbage_is_denied(body: bytes) -> None:
    answer = await front().post("/execute", body)
    assert answer.status_code == 403
    assert answer.json()["data"]["action"] == "deny"


async def test_failing_store_denies() -> None:
    made = front()
    made.store.failure = StoreError("gone")
    assert (await check(made, "look", 403))["findings"] == ["STORE_UNAVAILABLE"]


async def test_observed_client_is_told_to_go_on() -> None:
    assert (await check(front(Mode.OBSERVE), "wipe", 200))["findings"] == ["POLICY_DENIED"]
