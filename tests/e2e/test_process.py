"""The life of the process: start, stop, kill, what it leaves on disk, and mitmdump."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.e2e.gate import Answer, Gate, StartGate, clean_environment
from tests.e2e.origin import Origin, Reply

ROOT = Path(__file__).parents[2]

DENY_SHELL = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
"""

RUN = "/v1/threads/thread_1/runs/run_1"


def waiting_run(*names: str) -> bytes:
    """A run that waits for one call of each name."""
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for n, name in enumerate(names)
    ]
    return json.dumps(
        {
            "id": "run_1",
            "object": "thread.run",
            "thread_id": "thread_1",
            "assistant_id": "asst_1",
            "status": "requires_action",
            "required_action": {
                "type": "submit_tool_outputs",
                "submit_tool_outputs": {"tool_calls": calls},
            },
        }
    ).encode()


def submit(gate: Gate, origin: Origin, *call_ids: str) -> Answer:
    outputs = [{"tool_call_id": id, "output": "done"} for id in call_ids]
    body = json.dumps({"tool_outputs": outputs}).encode()
    return gate.request(origin.host, "POST", f"{RUN}/submit_tool_outputs", body)


def test_ready_line_names_proxy_and_ca(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host)

    assert gate.proxy.startswith("http://127.0.0.1:")
    assert "BEGIN CERTIFICATE" in Path(gate.ca).read_text()
    assert "PRIVATE KEY" not in Path(gate.ca).read_text()


def test_sigterm_ends_an_idle_gate_with_exit_code_0(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host, CALLGATE_GRACE_SECONDS="200")  # more than a gate is waited for

    assert gate.stop() == 0


def test_sigterm_lets_a_flow_in_flight_finish(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host, policy=DENY_SHELL, CALLGATE_GRACE_SECONDS="50")
    origin.answer = lambda _: Reply(waiting_run("run_shell"), wait_seconds=1.5)
    answers: list[Answer] = []
    client = threading.Thread(
        target=lambda: answers.append(gate.request(origin.host, "GET", RUN)), daemon=True
    )
    client.start()
    while not origin.seen:
        time.sleep(0.01)

    gate.signal(signal.SIGTERM)

    client.join(60)
    assert [answer.calls["call_0"]["decision"] for answer in answers] == ["deny"]
    assert gate.wait() == 0


def test_denied_call_is_still_denied_after_kill_9(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host, policy=DENY_SHELL)
    origin.answer = lambda _: Reply(waiting_run("get_weather", "run_shell"))
    before = gate.request(origin.host, "GET", RUN).calls
    gate.kill()
    gate.start()
    origin.answer = lambda _: Reply(b'{"error":{"message":"down"}}', 500)
    sent = len(origin.seen)

    refused = submit(gate, origin, "call_0", "call_1")

    assert refused.status == 403
    assert refused.error["code"] == "tool_call_denied"
    assert str(before["call_1"]["trace"]) in str(refused.error["message"])
    assert [seen for seen in origin.seen[sent:] if seen.method == "POST"] == []


def test_decision_is_in_the_audit_after_kill_9(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host, policy=DENY_SHELL)
    origin.answer = lambda _: Reply(waiting_run("run_shell"))
    trace = gate.request(origin.host, "GET", RUN).calls["call_0"]["trace"]

    gate.kill()

    records = gate.lines("audit", "--last", "100", "--filter", f"trace={trace}")
    assert {record["decision"] for record in records if "decision" in record} == {"DENY"}


def test_everything_in_the_home_is_private(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host, policy=DENY_SHELL)
    origin.answer = lambda _: Reply(waiting_run("run_shell"))
    gate.request(origin.host, "GET", RUN)

    paths = list(gate.home.rglob("*"))

    assert len([path for path in paths if path.is_file()]) >= 3
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()} == {"0o600"}
    folders = [gate.home, *(path for path in paths if path.is_dir())]
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}


def test_polling_a_run_scans_its_calls_once(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate(origin.host, policy=DENY_SHELL)
    origin.answer = lambda _: Reply(waiting_run("run_shell"))

    traces = {gate.request(origin.host, "GET", RUN).headers["Callgate-Calls"] for _ in range(20)}

    assert len(traces) == 1


def test_broken_policy_stops_the_start(origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    file.write_text("version: 1\ndefault: perhaps\n")

    done = Gate(tmp_path / "home", [], {}).run(
        "serve", "--listen", "127.0.0.1:0", "--console", "off", "--policy", str(file)
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{file}:2:" in done.stderr
    assert "Traceback" not in done.stderr


def test_guard_script_gates_under_mitmdump(
    origin: Origin, tmp_path: Path, upstream_ca_file: Path
) -> None:
    """Development way: `mitmdump -s addons/guard.py`, settings from the environment."""
    policy = tmp_path / "callgate.yaml"
    policy.write_text(DENY_SHELL)
    gate = Gate(tmp_path / "home", [], {})
    command = [
        str(Path(sys.executable).with_name("mitmdump")),
        *("-s", str(ROOT / "addons" / "guard.py")),
        *("--listen-host", "127.0.0.1", "--listen-port", "0"),
        *("--set", f"confdir={tmp_path / 'mitmproxy'}"),
        *("--set", f"ssl_verify_upstream_trusted_ca={upstream_ca_file}"),
    ]
    environment = clean_environment(
        CALLGATE_HOME=str(gate.home),
        CALLGATE_GATE_HOST=origin.host,
        CALLGATE_POLICY=str(policy),
        CALLGATE_UPSTREAM_CA=str(upstream_ca_file),
        PYTHONUNBUFFERED="1",
    )
    origin.answer = lambda _: Reply(waiting_run("run_shell"))
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            gate.proxy = address_in(tmp_path / "log")
            gate.ca = str(tmp_path / "mitmproxy" / "mitmproxy-ca-cert.pem")
            wait_until_assembled(gate)
            answer = gate.request(origin.host, "GET", RUN)
            assert answer.calls["call_0"]["decision"] == "deny"
            assert submit(gate, origin, "call_0").error["code"] == "tool_call_denied"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def address_in(log: Path) -> str:
    """Where mitmdump says that it listens."""
    for _ in range(600):
        if found := re.search(r"proxy listening at (127\.0\.0\.1:\d+)\.", log.read_text()):
            return f"http://{found[1]}"
        time.sleep(0.1)
    raise AssertionError(f"mitmdump does not listen: {log.read_text()}")


def wait_until_assembled(gate: Gate) -> None:
    """There is no ready line under mitmdump, but assembling ends with a record."""
    for _ in range(400):
        if (gate.home / "callgate.db").exists() and gate.lines("audit", "--last", "1"):
            return
        time.sleep(0.1)
    raise AssertionError("the gate was never assembled")
