"""`callgate serve --workers 2`: several processes that are one gate.

Which worker gets a connection is the kernel's choice, so each promise is tried over many: that
all of them meet at one worker happens once in 2**15 runs, and shows nothing wrong then.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.e2e.gate import Answer, Gate, StartGate
from tests.e2e.origin import Origin, Reply
from tests.e2e.test_process import waiting_run

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="workers share a port on Linux only"
)

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""
CONNECTIONS = 16
TOKEN = "t" * 24


@pytest.fixture(scope="module")
def module_origin(server_context: ssl.SSLContext) -> Iterator[Origin]:
    with Origin(server_context) as running:
        yield running


@pytest.fixture(scope="module")
def gate(start_shared_gate: StartGate, module_origin: Origin) -> Gate:
    """One gate of two workers for the tests that do not end it."""
    return start_shared_gate(
        module_origin.host,
        policy=POLICY,
        mode="withhold",
        CALLGATE_WORKERS="2",
        CALLGATE_CONSOLE="127.0.0.1:0",
        CALLGATE_CONSOLE_TOKEN=f"kim:{TOKEN}",
    )


def many(work: Callable[[int], Answer]) -> list[Answer]:
    """Do it over many connections at the same time."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(work, range(CONNECTIONS)))


def poll(gate: Gate, origin: Origin, run: str) -> Answer:
    return gate.request(origin.host, "GET", f"/v1/threads/thread_1/runs/{run}")


def asked(gate: Gate, path: str, body: bytes | None = None) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    with urlopen(Request(gate.console + path, body, headers), timeout=60) as answer:
        return str(answer.read().decode())


def decisions(gate: Gate) -> float:
    lines = asked(gate, "/metrics").splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("callgate_decisions_total")
    )


def until(is_true: Callable[[], bool]) -> None:
    for _ in range(1200):
        if is_true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not become true")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_denial_given_by_one_worker_is_enforced_by_all(gate: Gate, module_origin: Origin) -> None:
    origin = module_origin
    origin.answer = lambda _: Reply(waiting_run("get_weather", "run_shell"))
    shown = poll(gate, origin, "run_1").json()
    sent = len(origin.seen)
    body = json.dumps({"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]}).encode()
    path = "/v1/threads/thread_1/runs/run_1/submit_tool_outputs"

    answers = many(lambda _: gate.request(origin.host, "POST", path, body))

    assert "run_shell" not in json.dumps(shown)
    assert {(a.status, a.error["code"]) for a in answers} == {(403, "tool_call_denied")}
    assert [seen for seen in origin.seen[sent:] if seen.method == "POST"] == []
    traces = {str(answer.error["message"]).rpartition("(trace ")[2] for answer in answers}
    assert len(traces) == 1


def test_metrics_add_up_over_all_workers(gate: Gate, module_origin: Origin) -> None:
    module_origin.answer = lambda _: Reply(waiting_run("get_weather"))
    before = decisions(gate)

    answers = many(lambda n: poll(gate, module_origin, f"run_metrics_{n}"))

    assert {answer.status for answer in answers} == {200}
    until(lambda: decisions(gate) >= before + CONNECTIONS)


def test_console_is_unreachable_through_every_worker(gate: Gate) -> None:
    proxy = urlsplit(gate.proxy)
    statuses = set()
    for _ in range(CONNECTIONS):
        connection = http.client.HTTPConnection(str(proxy.hostname), proxy.port, timeout=60)
        connection.request("GET", f"{gate.console}/healthz")
        statuses.add(connection.getresponse().status)
        connection.close()

    assert statuses == {502}


def test_approval_given_in_the_console_wakes_the_worker_that_holds_the_call(
    gate: Gate, module_origin: Origin
) -> None:
    call = {"id": "call_1", "type": "function"}
    call["function"] = {"name": "refund_order", "arguments": '{"amount":1}'}  # type: ignore[assignment]
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    module_origin.answer = lambda seen: Reply(
        json.dumps(
            {"id": json.loads(seen.body)["user"], "object": "chat.completion", "choices": [choice]}
        ).encode()
    )
    answers: list[Answer] = []

    def ask(number: int) -> None:
        said = [{"role": "user", "content": "Refund it."}]
        body = json.dumps({"model": "m", "messages": said, "user": f"chatcmpl_{number}"})
        path = "/v1/chat/completions"
        answers.append(gate.request(module_origin.host, "POST", path, body.encode()))

    apps = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(4)]
    for app in apps:
        app.start()
    waiting: list[str] = []

    def all_wait() -> bool:
        found = json.loads(asked(gate, "/api/approvals"))["approvals"]
        waiting[:] = [one["id"] for one in found if one["state"] == "pending"]
        return len(waiting) == len(apps)

    until(all_wait)
    for id in waiting:
        asked(gate, f"/api/approvals/{id}", b'{"answer":"approve"}')
    for app in apps:
        app.join(60)

    assert len(answers) == len(apps)
    assert all(b"refund_order" in answer.body for answer in answers)


def test_new_policy_reaches_all_workers(gate: Gate, module_origin: Origin) -> None:
    module_origin.answer = lambda _: Reply(waiting_run("get_weather", "ship_order"))
    [policy] = gate.home.parent.glob("policy-*.yaml")
    policy.write_text(POLICY + "      - {tool: ship_order, effect: deny}\n")
    gate.signal(signal.SIGHUP)
    until(lambda: len(gate.lines("audit", "--last", "99", "--filter", "kind=policy")) == 2)

    answers = many(lambda n: poll(gate, module_origin, f"run_policy_{n}"))

    assert {"ship_order" in answer.body.decode() for answer in answers} == {False}


def test_log_holds_when_a_worker_is_killed_while_all_write(
    gate: Gate, module_origin: Origin
) -> None:
    module_origin.answer = lambda _: Reply(waiting_run("get_weather"))
    victim = children(gate.pid)[0]

    def work(number: int) -> int:
        if number == CONNECTIONS // 2:
            os.kill(victim, signal.SIGKILL)
        try:
            return poll(gate, module_origin, f"run_kill_{number}").status
        except (OSError, http.client.HTTPException):
            return 0  # it was on its way through the worker that was killed

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(work, range(CONNECTIONS)))
    assert found <= {200, 0}
    until(lambda: victim not in children(gate.pid) and b'"ready":true' in _readyz(gate))

    answers = many(lambda n: poll(gate, module_origin, f"run_after_{n}"))

    assert {answer.status for answer in answers} == {200}
    bundle = gate.home / "bundle"
    assert gate.run("audit", "export", "--out", str(bundle)).returncode == 0
    verified = gate.run("verify", str(bundle), "--key", str(gate.home / "keys" / "audit.pub"))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _readyz(gate: Gate) -> bytes:
    try:
        with urlopen(f"{gate.console}/readyz", timeout=60) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def test_sigterm_lets_flows_in_flight_finish_in_every_worker(
    start_gate: StartGate, origin: Origin
) -> None:
    gate = start_gate(origin.host, CALLGATE_WORKERS="2", CALLGATE_GRACE_SECONDS="60")
    is_over = threading.Event()

    def reply(_: object) -> Reply:
        is_over.wait(60)
        return Reply(waiting_run("get_weather"))

    origin.answer = reply
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(poll, gate, origin, f"run_{n}") for n in range(8)]
        until(lambda: len(origin.seen) == 8)
        gate.signal(signal.SIGTERM)
        until(lambda: not _accepts(gate))
        is_over.set()
        found = [answer.result(60) for answer in answers]

    assert {answer.calls["call_0"]["decision"] for answer in found} == {"allow"}
    assert gate.wait() == 0


def test_no_worker_outlives_a_killed_parent(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host, CALLGATE_WORKERS="2")
    workers = children(gate.pid)
    assert len(workers) == 2

    gate.kill()

    until(lambda: not any(is_there(worker) for worker in workers))
    until(lambda: not _accepts(gate))  # the threads of a process may end after its first one


def _accepts(gate: Gate) -> bool:
    address = urlsplit(gate.proxy)
    try:
        socket.create_connection((str(address.hostname), address.port or 0)).close()
    except OSError:
        return False
    return True
