"""Interven's older contracts, signed with HMAC."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta

import httpx
import pytest

from callgate.errors import StoreError
from callgate.gateway.legacy import NOT_EXECUTED
from tests.gateway.front import KEY, OTHER_KEY, SSN, Front, Json, front


def signature(body: bytes, key: str = KEY) -> str:
    return base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode()


def invocation(made: Front, tool: str, age_seconds: float = 0, **more: object) -> Json:
    at = made.clock() - timedelta(seconds=age_seconds)
    return {
        "tool_name": tool,
        "upstream_request": {"method": "PUT", "url_path": "/x", **more},
        "agent_context": {"agent_id": "a-1"},
        "identity_context": {"credential_token": "ghp_" + "t" * 36},
        "ts": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


async def invoke(made: Front, document: object, key: str = KEY) -> httpx.Response:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    async with made.client(None) as client:
        signed = {"x-aif-signature": signature(body, key)}
        return await client.post("/invoke", content=body, headers=signed)


@pytest.mark.parametrize(
    ("tool", "decision"), [("look", "ALLOW"), ("wipe", "DENY"), ("pay", "REQUIRE_APPROVAL")]
)
async def test_invocation_is_judged_and_the_answer_says_that_nothing_was_sent(
    tool: str, decision: str
) -> None:
    made = front()
    answer = await invoke(made, invocation(made, tool))
    told = answer.json()
    assert (answer.status_code, told["decision"]) == (200, decision)
    assert told["error"] == NOT_EXECUTED
    assert told["upstream_response"] is None
    assert bool(told["approval_id"]) is (decision == "REQUIRE_APPROVAL")
    assert "ghp_" not in str(await made.store.records())


async def test_arguments_to_redact_are_denied() -> None:
    made = front()
    answer = await invoke(made, invocation(made, "note", body={"text": SSN}))
    assert answer.json()["decision"] == "DENY"


async def test_wrong_signature_is_refused() -> None:
    made = front()
    answer = await invoke(made, invocation(made, "look"), key="wrong")
    assert answer.status_code == 401
    assert await made.records("call") == []
    assert (await invoke(made, invocation(made, "look"), OTHER_KEY)).status_code == 200


@pytest.mark.parametrize("age", [61, -61])
async def test_old_and_future_requests_are_replays(age: float) -> None:
    made = front()
    answer = await invoke(made, invocation(made, "look", age))
    assert answer.status_code == 400
    assert "replay" in answer.json()["error"]
    for ts in ("", "yesterday", "2030-01-01T12:00:00"):
        answer = await invoke(made, {**invocation(made, "look"), "ts": ts})
        assert answer.status_code == 400
    assert (await invoke(made, invocation(made, "look", 59))).status_code == 200


async def test_garbage_and_a_failing_store_are_denied() -> None:
    made = front()
    for body in (b"{oh", json.dumps({"ts": invocation(made, "x")["ts"]}).encode()):
        assert (await invoke(made, body)).json()["decision"] == "DENY"
    made.store.failure = StoreError("gone")
    assert (await invoke(made, invocation(made, "look"))).json()["decision"] == "DENY"


async def test_status_is_told_of_approvals_that_were_asked_for_with_a_signature() -> None:
    made = front()
    id = (await invoke(made, invocation(made, "pay"))).json()["approval_id"]
    path = f"/approvals/{id}/status"
    assert (await made.get(path, key=None)).json()["status"] == "pending"
    await made.approvals.approve(id, "kim")
    assert (await made.get(path, key=None)).json()["status"] == "approved"

    keyed = (await made.scan("mcp://pay"))["approval_id"]
    assert (await made.get(f"/approvals/{keyed}/status", key=None)).status_code == 404
    made.store.failure = StoreError("gone")
    assert (await made.get(path, key=None)).status_code == 503


async def test_approved_call_is_not_executed() -> None:
    answer = await front().post("/approvals/apr_1/execute", {}, key=None)
    assert (answer.status_code, answer.json()["decision"]) == (501, "DENY")
    assert answer.json()["error"] == NOT_EXECUTED


async def mcp(made: Front, document: object, age_seconds: float = 0) -> Json:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    at = (made.clock() - timedelta(seconds=age_seconds)).isoformat()
    headers = {"x-aif-signature": signature(body), "x-aif-timestamp": at, "x-aif-agent-id": "a-1"}
    async with made.client(None) as client:
        answer = await client.post("/mcp", content=body, headers=headers)
    assert answer.status_code == 200
    return dict(answer.json())


def tools_call(name: str, **arguments: object) -> Json:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


@pytest.mark.parametrize(
    ("call", "is_error"),
    [
        (tools_call("look"), False),
        (tools_call("wipe"), True),
        (tools_call("pay"), True),
        (tools_call("note", text=SSN), True),
    ],
    ids=["allowed", "denied", "asked", "redacted"],
)
async def test_mcp_call_is_judged_and_not_run(call: Json, is_error: bool) -> None:
    made = front()
    told = await mcp(made, call)
    assert (told["id"], told["result"]["isError"]) == (7, is_error)
    text = told["result"]["content"][0]["text"]
    assert NOT_EXECUTED in text
    assert ("Approval ID: apr_" in text) is (call["params"]["name"] == "pay")
    assert [r["assistant"] for r in await made.records("call")] == ["a-1"]


async def test_mcp_messages_that_are_no_fresh_call_are_faults() -> None:
    made = front()
    for document in (
        b"{oh",
        {"id": 1, "method": "tools/list"},
        {"id": 1, "method": "tools/call"},
        {"id": 1, "method": "tools/call", "params": {"arguments": {}}},
    ):
        assert "result" not in await mcp(made, document)
    assert "replay" in (await mcp(made, tools_call("look"), 61))["error"]["message"]
