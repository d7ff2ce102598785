"""Interven's contract for clients with a key."""

from __future__ import annotations

import json

import pytest

from callgate.errors import StoreError
from callgate.gateway.decisions import Decisions
from callgate.model import Effect, Mode, Verdict
from tests.deciding import ScriptedScanner
from tests.gateway.front import SSN, Front, front


@pytest.fixture
def made() -> Front:
    return front()


async def test_answer_has_every_field_that_the_sdk_reads(made: Front) -> None:
    told = await made.scan("mcp://look")
    assert told["decision"] == "ALLOW"
    assert told["reason_codes"] == []
    assert (told["risk_score"], told["risk_band"]) == (0.0, "LOW")
    assert (told["sanitized_body"], told["approval_id"]) == (None, None)
    assert told["trace_id"] == (await made.records("call"))[0]["trace"]


async def test_policy_by_tool_and_by_claimed_agent_counts(made: Front) -> None:
    assert (await made.scan("mcp://wipe"))["reason_codes"] == ["POLICY_DENIED"]
    strict = await made.scan("mcp://look", agent_id="agent-strict")
    assert strict["decision"] == "DENY"


async def test_body_is_given_back_redacted(made: Front) -> None:
    told = await made.scan("tool://openai-assistants/note", {"text": f"SSN {SSN}"})
    assert told["decision"] == "SANITIZE"
    assert told["sanitized_body"] == {"text": "SSN [REDACTED:SSN]"}
    told = await made.scan("https://slack.com/api/chat.postMessage", {"text": f"SSN {SSN}"})
    assert told["sanitized_body"] == {"text": "SSN [REDACTED:SSN]"}


@pytest.mark.parametrize(
    "more",
    [
        {"url": f"https://x.example/{SSN}"},
        {"url": "https://x.example/", "headers": {"X-Note": SSN}},
    ],
    ids=["url", "headers"],
)
async def test_what_cannot_be_taken_out_of_the_body_is_denied(
    made: Front, more: dict[str, object]
) -> None:
    answer = await made.post("/v1/scan", {"method": "POST", "body": {"a": 1}, **more})
    told = answer.json()
    assert (told["decision"], told["decided"]) == ("DENY", "SANITIZE")
    assert told["sanitized_body"] is None
    assert [r["delivery"] for r in await made.records("delivery")] == ["withheld"]


async def test_denial_that_cannot_be_recorded_is_one_all_the_same(
    made: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(self: Decisions, decision: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(Decisions, "withheld", failing)
    told = await made.scan(f"https://x.example/{SSN}")
    assert told["decision"] == "DENY"
    assert told["reason_codes"] == ["PII_DETECTED", "STORE_UNAVAILABLE"]


async def test_redaction_that_leaves_no_request_is_denied() -> None:
    verdict = Verdict("odd", Effect.SANITIZE, risk=0.5, trace="t", sanitized_arguments="[]")
    made = front(scanners=[ScriptedScanner(verdict)])
    assert (await made.scan("https://x.example/"))["decision"] == "DENY"
    assert (await made.scan("mcp://look"))["sanitized_body"] == []


async def test_approval_is_told_with_its_address(made: Front) -> None:
    told = await made.scan("mcp://pay")
    [item] = await made.approvals.pending()
    assert told["decision"] == "REQUIRE_APPROVAL"
    assert (told["approval_id"], told["approval_url"]) == (item.approval.id, item.approval.url)


@pytest.mark.parametrize(
    "body", [b"", b"{oh", b"[]", b'{"url":"mcp://look"}', b'{"method":"GET","method":"PUT"}']
)
async def test_garbage_is_denied_in_words_that_gate_does_not_go_ahead_on(
    made: Front, body: bytes
) -> None:
    answer = await made.post("/v1/scan", body)
    assert answer.status_code == 200
    assert answer.json()["decision"] == "DENY"
    assert answer.json()["reason_codes"] == ["MALFORMED_ARGUMENTS"]
    assert [r["code"] for r in await made.records("refusal")] == ["request_not_inspectable"]


async def test_failing_store_denies_in_words(made: Front) -> None:
    made.store.failure = StoreError("gone")
    assert (await made.scan("mcp://look"))["reason_codes"] == ["STORE_UNAVAILABLE"]
    garbage = await made.post("/v1/scan", b"{oh")
    assert garbage.json()["decision"] == "DENY"


async def test_observed_client_is_told_to_go_on_and_what_was_decided() -> None:
    made = front(Mode.OBSERVE)
    told = await made.scan("mcp://wipe")
    assert (told["decision"], told["decided"]) == ("ALLOW", "DENY")
    assert told["reason_codes"] == ["POLICY_DENIED"]
    told = await made.scan("mcp://pay")
    assert (told["decision"], told["approval_id"]) == ("ALLOW", None)


async def test_result_is_classified(made: Front) -> None:
    trace = (await made.scan("mcp://look"))["trace_id"]
    answer = await made.post("/v1/scan/response", {"trace_id": trace, "response_body": SSN})
    told = answer.json()
    assert (told["data_classes"], told["fields_redacted_count"]) == (["SSN"], 0)
    assert told["content_fingerprint"].startswith("sha256:")
    assert told["is_known"] is True


async def test_result_that_cannot_be_read_or_recorded_is_an_error(made: Front) -> None:
    assert (await made.post("/v1/scan/response", b"{oh")).status_code == 400
    made.store.failure = StoreError("gone")
    answer = await made.post("/v1/scan/response", {"trace_id": "t", "response_body": 1})
    assert answer.status_code == 503


async def test_tools_are_not_run_for_anybody(made: Front) -> None:
    answer = await made.post("/v1/tools/slack/post_message", {"text": "x"})
    assert answer.status_code == 403
    assert json.loads(answer.content)["decision"] == "DENY"
    assert answer.json()["reason_codes"] == ["NOT_EXECUTED"]
