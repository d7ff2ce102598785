"""The SDKs' own recipes against a real `callgate gateway`, and what happens when it fails."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from aegis_openai import AegisApprovalRejected, AegisClient, AegisOpenAIProxy
from interven import (
    AuthenticationError,
    Client,
    GatewayError,
    PayloadTooLargeError,
    ReplayRejectedError,
    gate,
)

from callgate.gateway.status import POLL_SECONDS
from tests.e2e.gate import clean_environment
from tests.e2e.recipes import SLACK, SSN, run

POLICY = """\
version: 1
default: allow
policies:
  - name: rules
    actions:
      - {tool: wipe, effect: deny}
      - {tool: pay, effect: require_approval}
      - {tool: refund, effect: require_approval}
      - {tool: http_request, effect: require_approval, when: 'args.url.contains("bank")'}
"""
KEY = "iv_live_" + "k" * 32
EMPLOYEE_KEY = "acp_emp_" + "e" * 32
READY = re.compile(r"callgate ready gateway=(\S+)")


class Gateway:
    """One `callgate gateway` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "policy.yaml").write_text(POLICY)
        self._keys = folder / "keys"
        self._keys.write_text(f"shop {KEY}\nkim {EMPLOYEE_KEY}\n")
        self._keys.chmod(0o600)
        self._log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            self._command("gateway", "--listen", "127.0.0.1:0", "--policy", "policy.yaml"),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=folder,
            env=self._environment(CALLGATE_GATEWAY_KEYS=str(self._keys)),
        )
        assert self.process.stdout
        ready = READY.fullmatch(self.process.stdout.readline().strip())
        assert ready, (folder / "log").read_text()
        self.url = ready[1]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        with self.process as process, self._log:
            return process.wait(60)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    @property
    def client_environment(self) -> dict[str, str]:
        return {
            "INTERVEN_GATEWAY_URL": self.url,
            "INTERVEN_API_KEY": KEY,
            "AEGIS_URL": self.url,
            "AEGIS_API_KEY": KEY,
        }

    def told(self, *arguments: str) -> str:
        """What another `callgate` command prints, on the same home."""
        done = subprocess.run(
            self._command(*arguments), env=self._environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pending(self, *texts: str) -> list[str]:
        """Wait for approvals of calls with these texts in their arguments; return their ids."""
        for _ in range(100):
            listed = list(map(json.loads, self.told("approvals", "list", "--json").splitlines()))
            found = [[i["id"] for i in listed if text in i["arguments"]] for text in texts]
            if all(found):
                return [str(ids[0]) for ids in found]
            time.sleep(0.1)
        raise AssertionError(f"no approvals with {texts}; log:\n{self.log}")

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "callgate", *arguments]

    def _environment(self, **extra: str) -> dict[str, str]:
        return clean_environment(CALLGATE_HOME=str(self._folder / "home"), **extra)


@contextmanager
def running(folder: Path) -> Iterator[Gateway]:
    started = Gateway(folder)
    try:
        yield started
    finally:
        if started.process.returncode is None:
            assert started.end() == 0, started.log
    assert "Traceback" not in started.log


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
def app(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Let the SDKs of this process find the gateway, by their environment alone."""
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)
    for name, value in gateway.client_environment.items():
        monkeypatch.setenv(name, value)
    return gateway


DESTRUCTIVE = '{"command":"rm -rf /var/log"}'
REDACTED = {"text": "[REDACTED:SSN]"}


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("recipe", "ran", "raised"),
    [
        (["crew", "https://crm.example/note", '{"text":"hi"}'], ['{"text":"hi"}'], ""),
        (["crew", "mcp://wipe", "{}"], [], "Interven blocked: ['POLICY_DENIED']"),
        (["mcp", "look", '{"a":1}'], [["look", {"a": 1}]], ""),
        (["mcp", "run_shell", DESTRUCTIVE], [], "Blocked: ['DESTRUCTIVE_COMMAND']"),
        (["generic", "https://crm.example/note", json.dumps({"text": SSN})], [REDACTED], ""),
        (["generic", "mcp://wipe", "{}"], [], "Blocked: ['POLICY_DENIED']"),
        (["gated", SLACK, json.dumps({"text": SSN})], [REDACTED], ""),
        (["gated", "mcp://wipe", "{}"], [], ""),
        (["guarded", SLACK, "hello"], ["hello"], ""),
        (["guarded", "mcp://wipe", "hello"], [], ""),
        (["langchain_tool", "note", json.dumps({"text": "hi"})], ["hi"], ""),
        (["langchain_tool", "note", json.dumps({"text": SSN})], ["[REDACTED:SSN]"], ""),
        (["langchain_tool", "wipe", '{"path":"/x"}'], [], "Tool 'wipe' blocked: POLICY_DENIED"),
        (["langchain_callback", "note", '{"text":"hi"}'], ["hi"], ""),
        (["langchain_callback", "wipe", '{"path":"/x"}', "yes"], [], "blocked: POLICY_DENIED"),
        (["middleware", "look"], ["look"], ""),
        (["middleware", "wipe"], [], ""),
        (["invoke", "wipe"], [], ""),
    ],
)
def test_recipe_runs_unmodified(recipe: Sequence[str], ran: object, raised: str) -> None:
    outcome = run(*recipe)
    assert outcome["ran"] == ran
    assert str(outcome["raised"]).endswith(raised), outcome
    assert bool(outcome["raised"]) is bool(raised)


@pytest.mark.usefixtures("app")
def test_langchain_callback_hears_the_denial_though_langchain_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        outcome = run("langchain_callback", "wipe", '{"path":"/x"}')
    assert "Tool 'wipe' blocked: POLICY_DENIED" in caplog.text
    assert outcome["ran"] == ["/x"]


def test_assistants_recipe_gets_all_four_decisions(app: Gateway) -> None:
    outcome = run(
        "assistants",
        'look={"a":1}',
        f"run_shell={DESTRUCTIVE}",
        'pay={"amount":5}',
        f'note={{"text":"{SSN}"}}',
    )
    assert (outcome["ran"], outcome["raised"]) == ([{"a": 1}, REDACTED], "")
    assert "Tool blocked by Interven: DESTRUCTIVE_COMMAND" in outcome["said"]
    [url] = re.findall(r"human approval at (\S+)\. Retry", outcome["said"])
    page = httpx.get(url, trust_env=False, timeout=60).text
    assert "callgate approvals approve" in page

    app.told("approvals", "approve", url.rpartition("/")[2])
    assert run("assistants", 'pay={"amount":5}')["ran"] == [{"amount": 5}]
    assert run("assistants", 'pay={"amount":5}')["ran"] == []


@pytest.mark.usefixtures("app")
def test_wrapped_openai_client_keeps_only_allowed_calls() -> None:
    outcome = run(
        "aegis", 'look={"a":1}', f"run_shell={DESTRUCTIVE}", "pay={}", f'note={{"t":"{SSN}"}}'
    )
    assert (outcome["ran"], outcome["raised"]) == ([["look", {"a": 1}]], "")
    assert re.findall(r"'(\w+)' denied \(risk=[\d.]+\): \['(\w+)'\]", outcome["said"]) == [
        ("run_shell", "DESTRUCTIVE_COMMAND"),
        ("pay", "POLICY_APPROVAL"),
        ("note", "PII_DETECTED"),
    ]


def test_waiting_apps_go_on_when_a_person_has_decided(app: Gateway) -> None:
    """Three at once: the SDK asks every five seconds."""
    started = [["quickstart", "25000"], ["quickstart", "31"], ["invoke", "refund"]]
    with ThreadPoolExecutor() as apps:
        waiting = [apps.submit(run, *recipe) for recipe in started]
        large, small, signed = app.pending('"amount":25000', '"amount":31', "collaborators")
        answers = [("approve", large), ("deny", small), ("approve", signed)]
        list(apps.map(lambda answer: app.told("approvals", *answer), answers))
        approved, denied, invoked = [one.result(60) for one in waiting]

    body = {"amount": 25000, "to": "ACME Logistics", "memo": "Q2 invoice"}
    assert (approved["ran"], approved["raised"]) == ([body], "")
    assert denied["ran"] == []
    assert "was denied by an analyst" in denied["raised"]
    told, status = invoked["said"].splitlines()
    decision, error, upstream = json.loads(told)
    assert (decision, upstream, status) == ("REQUIRE_APPROVAL", None, "approved")
    assert "never executes upstream calls" in error


def test_escalated_call_is_polled_by_aegis_own_client(app: Gateway) -> None:
    client = AegisClient(EMPLOYEE_KEY, app.url, "tenant", "agent")
    escalated = client.check("pay", {"to": "polled"})
    assert escalated["action"] == "escalate"
    poller = AegisOpenAIProxy(employee_key=EMPLOYEE_KEY)
    assert poller.get_approval_status(escalated["approval_id"])["status"] == "pending"
    app.told("approvals", "deny", escalated["approval_id"], "--note", "too much")
    # before that the gateway says 429, which this client raises as an error of HTTP
    time.sleep(POLL_SECONDS)
    with (
        httpx.Client(timeout=60) as connection,
        pytest.raises(AegisApprovalRejected, match="too much"),
    ):
        poller._poll_until_decided(connection, escalated["approval_id"], None, 3.0)
    assert client.check("pay", {"to": "polled"})["action"] == "deny"


def test_result_is_scanned_and_makes_sending_a_matter_for_a_person(app: Gateway) -> None:
    client = Client(agent_id="reader")
    read = client.scan(method="GET", url="tool://openai-assistants/read_crm")
    seen = client.scan_response(
        trace_id=read.trace_id, response_body={"ssn": SSN}, response_status=200
    )
    assert seen["data_classes"] == ["SSN"]
    sent = client.scan(method="POST", url="https://out.example/", body={"a": 1})
    assert (sent.decision, sent.reason_codes) == ("REQUIRE_APPROVAL", ["READ_THEN_WRITE"])
    told = app.told("audit", "--json", "--filter", f"trace={read.trace_id}")
    [record] = [r for r in map(json.loads, told.splitlines()) if r["kind"] == "result"]
    assert record["assistant"] == "reader"
    assert SSN not in told


@pytest.mark.usefixtures("app")
def test_bad_key_and_large_bodies_raise_what_the_sdk_has_for_them() -> None:
    for size in (1, 20_000_000):
        with pytest.raises(AuthenticationError):
            Client(api_key="iv_live_" + "x" * 32).scan(
                method="POST", url="mcp://look", body="x" * size
            )
    for size in (262_144, 20_000_000):
        with pytest.raises(PayloadTooLargeError):
            gate(Client(), method="POST", url="mcp://look", body="x" * size)
    wrong = AegisClient("wrong", Client().gateway_url, "tenant", "agent")
    assert wrong.is_blocked(wrong.check("look", {}))


@pytest.mark.usefixtures("app")
def test_old_signature_is_a_replay_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aif_sdk.client.datetime", _Yesterday)
    assert str(ReplayRejectedError()) in str(run("invoke", "look")["raised"])


class _Yesterday:
    @staticmethod
    def now(zone: object) -> _Yesterday:
        return _Yesterday()

    def strftime(self, form: str) -> str:
        return "2020-01-01T00:00:00.000000"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\x00\xff", b"[1]", b'{"method":1}', b'{"a":1,"a":1}']
)
def test_garbage_is_denied_in_both_contracts(gateway: Gateway, body: bytes) -> None:
    headers = {"authorization": f"Bearer {KEY}", "content-encoding": "identity"}
    with httpx.Client(base_url=gateway.url, trust_env=False, headers=headers, timeout=60) as client:
        answer = client.post("/v1/scan", content=body)
        assert (answer.status_code, answer.json()["decision"]) == (200, "DENY")
        answer = client.post("/execute", content=body)
        assert (answer.status_code, answer.json()["data"]["action"]) == (403, "deny")


def test_bytes_that_are_no_request_leave_the_gateway_serving(gateway: Gateway) -> None:
    address = urlsplit(gateway.url)
    for garbage in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /v1/scan HTTP/1.1\r\n"):
        with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
            connection.sendall(garbage)
    assert httpx.get(f"{gateway.url}/health", trust_env=False, timeout=60).status_code == 200


def test_gateway_that_is_gone_lets_nothing_through_that_asks_by_scan_or_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as started:
        for name, value in started.client_environment.items():
            monkeypatch.setenv(name, value)
        asked = Client().scan(method="POST", url="mcp://pay")
        assert started.end(signal.SIGKILL) == -signal.SIGKILL
        with pytest.raises(GatewayError):
            Client().scan(method="POST", url="mcp://look")
        assert Client().poll_approval(str(asked.approval_id)).status == "unknown"
        assert run("aegis", "look={}")["ran"] == []
        assert run("assistants", "look={}")["ran"] == []
    assert [item["state"] for item in map(json.loads, _listed(started))] == ["pending"]


def _listed(gateway: Gateway) -> list[str]:
    return gateway.told("approvals", "list", "--json").splitlines()
