"""The scanner `interven` in the real proxy: a gateway that stands in, and an unmodified app."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.clients import Client, Told
from tests.e2e.gate import Gate, StartGate
from tests.e2e.servers import Server, wish
from tests.standins.gateway import Reply
from tests.standins.interven import KEY, IntervenGateway

DENIED = {
    "decision": "DENY",
    "risk_score": 0.97,
    "risk_band": "CRITICAL",
    "reason_codes": ["THREAT_INTEL_HIT"],
}
ASKED = {"decision": "REQUIRE_APPROVAL", "risk_score": 0.7, "reason_codes": ["HIGH_AMOUNT"]}
SANITIZED = {
    "decision": "SANITIZE",
    "risk_score": 0.4,
    "reason_codes": ["PII_DETECTED"],
    "sanitized_body": {"text": "call [PHONE]"},
}
LOOK = ("get_weather", {"city": "Oslo"})
WIPE = ("wipe_disk", {"disk": "sda"})
FEE = ("pay_fee", {"amount": 5})
NOTE = ("write_note", {"text": "call 0171"})

BETA = {"OpenAI-Beta": "assistants=v2"}

type Run = Callable[..., Told]


@pytest.fixture(scope="module")
def gateway() -> Iterator[IntervenGateway]:
    with IntervenGateway() as running:
        running.decisions = {
            "wipe_disk": DENIED,
            "pay_": ASKED,
            "write_note": SANITIZED,
        }
        running.classes = ["PII"]
        yield running


@pytest.fixture(scope="module")
def gates(
    start_shared_gate: StartGate, demo_server: Server, gateway: IntervenGateway
) -> dict[str, Gate]:
    return {
        mode: start_shared_gate(
            demo_server.host,
            mode=mode,
            CALLGATE_SCANNER="interven",
            INTERVEN_API_KEY=KEY,
            INTERVEN_GATEWAY_URL=gateway.url,
            INTERVEN_AGENT_ID="agent-7",
            # a proxy that is not there: what goes to the gateway must not look for it
            HTTPS_PROXY="http://127.0.0.1:1",
            HTTP_PROXY="http://127.0.0.1:1",
        )
        for mode in ("enforce", "withhold")
    }


@pytest.fixture
def run(demo_server: Server, client_for: Callable[[str], Client]) -> Run:
    def run_app(gate: Gate, *calls: tuple[str, Any], only: str = "") -> Told:
        environment = gate.client_environment(demo_server.base_url)
        return client_for("3").run(environment, demo_server.assistant, wish(*calls), only=only)

    return run_app


@pytest.mark.conforms(surface="assistants", promise="result refused")
def test_enforce_carries_out_what_the_gateway_decides(
    gates: dict[str, Gate], run: Run, gateway: IntervenGateway
) -> None:
    told = run(gates["enforce"], LOOK, NOTE, WIPE)

    assert told.error["code"] == "tool_call_denied"
    assert "THREAT_INTEL_HIT" in told.error["message"]
    assert {c["name"]: json.loads(c["arguments"]) for c in told.calls} == {
        "get_weather": {"city": "Oslo"},
        "write_note": {"text": "call [PHONE]"},
        "wipe_disk": {"disk": "sda"},
    }
    questions = {asked.body["url"]: asked.body for asked in gateway.scans}
    assert questions["tool://openai-assistants/get_weather"] == {
        "method": "GET",
        "url": "tool://openai-assistants/get_weather",
        "body": {"city": "Oslo"},
        "runtime_type": "openai_assistants",
        "agent_id": "agent-7",
    }
    (made,) = records(gates["enforce"], "call", "wipe_disk")
    assert (made["decision"], made["risk"], made["band"]) == ("DENY", 0.97, "CRITICAL")
    assert made["verdicts"][0]["trace"] == made["trace"]
    ids = {call["id"] for call in told.calls}
    assert len([r for r in records(gates["enforce"], "call") if r["call"] in ids]) == 3


@pytest.mark.conforms(surface="assistants", promise="annotated")
def test_approval_has_the_gateways_id_and_address_and_its_yes_is_enough(
    gates: dict[str, Gate], run: Run, demo_server: Server, gateway: IntervenGateway
) -> None:
    gate = gates["enforce"]
    known = set(gateway.approvals)
    told = run(gate, ("pay_invoice", {"amount": 5000}))
    assert told.error["code"] == "tool_call_pending_approval"
    (id,) = set(gateway.approvals) - known
    address = f"https://app.example/approvals/{id}"
    assert address in told.error["message"]
    call = told.events[0]
    path = f"/v1/threads/{call['thread']}/runs/{call['run']}"
    answer = gate.request(demo_server.host, "GET", path, headers=BETA)
    ((_, noted),) = answer.calls.items()
    assert noted["decision"] == "require_approval"
    assert (noted["approval"], noted["approval-url"]) == (id, address)
    (listed,) = gate.lines("approvals", "list")
    assert (listed["id"], listed["url"]) == (id, address)

    gateway.decide(id, "approved")
    eventually(lambda: state(gate, id) == "approved")
    outputs = [{"tool_call_id": call["calls"][0]["id"], "output": "paid"}]
    body = json.dumps({"tool_outputs": outputs}).encode()
    path += "/submit_tool_outputs"
    assert gate.request(demo_server.host, "POST", path, body, headers=BETA).status == 200
    assert gateway.too_often == []
    (record,) = records(gate, "approval", "pay_invoice")
    assert (record["by"], record["state"]) == ("interven", "approved")


def test_pending_approval_is_asked_for_again_after_a_crash(
    gates: dict[str, Gate], run: Run, gateway: IntervenGateway
) -> None:
    gate, known = gates["enforce"], set(gateway.approvals)
    run(gate, ("pay_rent", {}))
    (id,) = set(gateway.approvals) - known
    gate.kill()
    gateway.decide(id, "denied")
    gate.start()

    eventually(lambda: state(gate, id) == "denied")


@pytest.mark.conforms(surface="assistants", promise="withheld")
def test_withhold_holds_until_the_gateways_people_answer_and_knows_a_grant(
    gates: dict[str, Gate],
    demo_server: Server,
    client_for: Callable[[str], Client],
    gateway: IntervenGateway,
    run: Run,
) -> None:
    gate, known = gates["withhold"], set(gateway.approvals)
    app = client_for("3").start(
        gate.client_environment(demo_server.base_url), demo_server.assistant, wish(FEE, WIPE)
    )
    eventually(lambda: set(gateway.approvals) - known)
    (id,) = set(gateway.approvals) - known
    assert app.is_running
    gateway.decide(id, "approved")
    told = app.finish()

    assert told.call_names == ["pay_fee"]
    assert "ran pay_fee" in told.text
    assert "Tool call blocked by Callgate: THREAT_INTEL_HIT" in told.text

    assert run(gate, FEE).call_names == ["pay_fee"]
    newest = records(gate, "call", "pay_fee")[-1]
    assert newest["decision"] == "ALLOW"
    assert newest["verdicts"][0]["reasons"] == ["RECENT_APPROVAL_GRANT"]


def test_results_are_told_to_the_gateway_and_what_it_saw_is_recorded(
    gates: dict[str, Gate], run: Run, gateway: IntervenGateway
) -> None:
    gate = gates["enforce"]
    assert "ran get_time" in run(gate, ("get_time", {"zone": "CET"})).text

    eventually(lambda: records(gate, "classification", "get_time"))
    (record,) = records(gate, "classification", "get_time")
    (call,) = records(gate, "call", "get_time")
    assert (record["scanner"], record["classes"]) == ("interven", ["PII"])
    assert [asked.body for asked in gateway.results if "get_time" in str(asked.body)] == [
        {
            "trace_id": call["trace"],
            "response_body": 'ran get_time {"zone": "CET"}',
            "response_status": 200,
        }
    ]


def test_gateway_that_fails_denies_says_why_and_heals_by_itself(
    tmp_path: Path,
    upstream_ca_file: Path,
    demo_server: Server,
    run: Run,
) -> None:
    arguments = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--scanner", "interven"]
    arguments += ["--upstream-ca", str(upstream_ca_file), "--gate-host", demo_server.host]
    with IntervenGateway() as gateway:
        gate = Gate(tmp_path / "home", arguments, gateway.environment)
        gate.start()

        def ready() -> object:
            answer = httpx.get(f"{gate.console}/readyz", trust_env=False, timeout=60)
            return answer.json()["scanners"]

        try:
            gateway.fault = Reply(503, {"error": "down"})
            assert "[SCANNER_UNAVAILABLE, SCANNER_FAILED]" in run(gate, LOOK).error["message"]
            assert ready() == {"interven": "SCANNER_FAILED"}
            gateway.fault = None
            assert "ran get_weather" in run(gate, LOOK).text
            assert ready() == {"interven": "ok"}
        finally:
            assert gate.stop() == 0
    assert "scanner interven: SCANNER_FAILED: answered with status 503" in gate.log
    assert "scanner interven: ok: answers again" in gate.log


def records(gate: Gate, kind: str, tool: str = "") -> list[dict[str, Any]]:
    """Straight from the store: a command for each look would take seconds."""
    with closing(sqlite3.connect(gate.home / "callgate.db")) as store:
        rows = store.execute("SELECT line FROM records WHERE kind = ? ORDER BY seq", (kind,))
        found = [json.loads(line)["record"] for (line,) in rows]
    return [record for record in found if tool in ("", record["tool"])]


def state(gate: Gate, id: str) -> object:
    with closing(sqlite3.connect(gate.home / "callgate.db")) as store:
        return store.execute("SELECT state FROM approvals WHERE id = ?", (id,)).fetchone()[0]


def eventually(holds: Callable[[], object]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to hold")
