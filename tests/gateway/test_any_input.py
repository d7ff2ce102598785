"""Whatever is sent with a key, each contract answers in words that its SDK can read."""

from __future__ import annotations

import json

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.gateway.front import SSN, front

TEXTS = st.sampled_from(["", "\ud800", "\x00", SSN, f"\udfff {SSN}", "é", "mcp://pay", "a" * 300])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
URLS = st.sampled_from(["mcp://", "tool://x/", "https://x.example/", ""]).flatmap(
    lambda start: (TEXTS | st.text(max_size=8)).map(lambda end: start + end)
)


def document(**known: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    named = st.fixed_dictionaries({}, optional=known)
    return named | VALUES


SCANS = document(method=TEXTS, url=URLS | VALUES, body=VALUES, headers=VALUES, agent_id=VALUES)
CALLS = document(tool=URLS | VALUES, arguments=VALUES, agent_id=VALUES)
REPORTS = document(trace_id=TEXTS, response_body=VALUES, response_status=VALUES)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


async def answered(path: str, sent: object) -> httpx.Response:
    return await front().post(path, json.dumps(sent).encode())


@FEW
@given(sent=SCANS)
@example({"method": "POST", "url": "mcp://note", "body": {"\ud800": f"\udfff {SSN}"}})
@example({"method": "POST", "url": "https://x.example/", "body": f"\udfff {SSN}"})
async def test_scan_is_one_of_four_decisions(sent: object) -> None:
    answer = await answered("/v1/scan", sent)
    told = answer.json()
    assert answer.status_code == 200
    assert told["decision"] in ("ALLOW", "DENY", "SANITIZE", "REQUIRE_APPROVAL")
    assert "SCANNER_UNAVAILABLE" not in told["reason_codes"]
    assert (told["approval_id"] is not None) is (told["decision"] == "REQUIRE_APPROVAL")


@FEW
@given(sent=CALLS)
async def test_check_is_one_of_three_actions(sent: object) -> None:
    answer = await answered("/execute", sent)
    action = answer.json()["data"]["action"]
    assert (answer.status_code == 200) is (action == "allow")
    assert action in ("allow", "deny", "escalate")


@FEW
@given(sent=REPORTS)
async def test_result_is_classified_or_said_to_be_none(sent: object) -> None:
    assert (await answered("/v1/scan/response", sent)).status_code in (200, 400)
