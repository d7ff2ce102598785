"""An unmodified app on a strict Assistants server, in every mode and under three SDKs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

import pytest

from tests.e2e.clients import Client, Told
from tests.e2e.gate import Gate, StartGate
from tests.e2e.servers import Server, wish

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""

WEATHER = ("get_weather", {"city": "Oslo"})
SHELL = ("run_shell", {"command": "ls"})
REFUND = ("refund_order", {"amount": 5000})

pytestmark = pytest.mark.conforms(surface="assistants")
SDKS = pytest.mark.parametrize("sdk", ["3", "2", "1"])


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, demo_server: Server) -> dict[str, Gate]:
    return {
        mode: start_shared_gate(demo_server.host, mode=mode, policy=POLICY)
        for mode in ("observe", "enforce", "withhold")
    }


type Run = Callable[..., Told]


@pytest.fixture
def run(gates: dict[str, Gate], demo_server: Server, client_for: Callable[[str], Client]) -> Run:
    def run_app(
        mode: str, *calls: tuple[str, Mapping[str, object]], sdk: str, only: str = ""
    ) -> Told:
        return client_for(sdk).run(
            gates[mode].client_environment(demo_server.base_url),
            demo_server.assistant,
            wish(*calls),
            only=only,
        )

    return run_app


@pytest.mark.conforms(promise="found")
@SDKS
@pytest.mark.parametrize("mode", ["observe", "enforce", "withhold"])
def test_allowed_call_runs_and_its_result_arrives(run: Run, mode: str, sdk: str) -> None:
    told = run(mode, WEATHER, sdk=sdk)

    assert told.call_names == ["get_weather"]
    assert told.calls[0]["arguments"] == '{"city": "Oslo"}'
    assert told.end["version"].startswith(f"{sdk}.")
    assert "ran get_weather" in told.text


@SDKS
def test_observe_lets_denied_and_pending_calls_through(run: Run, sdk: str) -> None:
    told = run("observe", WEATHER, SHELL, REFUND, sdk=sdk)

    assert told.call_names == ["get_weather", "run_shell", "refund_order"]
    assert "ran run_shell" in told.text
    assert "ran refund_order" in told.text


@pytest.mark.conforms(promise="result refused")
@SDKS
def test_enforce_refuses_the_result_of_a_denied_call(
    run: Run, gates: dict[str, Gate], demo_server: Server, sdk: str
) -> None:
    marker = f"only-{sdk}-{time.monotonic_ns()}"

    told = run("enforce", ("run_shell", {"command": f"echo {marker}"}), sdk=sdk)

    assert told.call_names == ["run_shell"]
    error = told.error
    assert error["kind"] == "PermissionDeniedError"
    assert error["status"] == 403
    assert error["code"] == "tool_call_denied"
    assert error["param"] == "tool_outputs[0].output"
    assert error["type"] == "permission_error"
    assert error["retry"] == "false"
    for part in (told.calls[0]["id"], "run_shell", "POLICY_DENIED"):
        assert part in error["message"]
    assert "Retrying" not in told.log
    assert refusals(gates["enforce"], told) == 1
    assert f'ran run_shell {{"command": "echo {marker}' not in demo_server.received()
    assert submits(demo_server, told) == 0


def submits(server: Server, told: Told) -> int:
    """How many times outputs for the app's run reached the API."""
    return server.received().count(f"{submit_path(told)} ")


def refusals(gate: Gate, told: Told) -> int:
    """How many attempts to submit outputs for the app's run the gate has refused."""
    path = f"path={submit_path(told)}"
    records = gate.lines("audit", "--last", "1000", "--filter", path)
    return sum(record["kind"] == "refusal" for record in records)


def submit_path(told: Told) -> str:
    waiting = next(event for event in told.events if event["event"] == "calls")
    return f"/v1/threads/{waiting['thread']}/runs/{waiting['run']}/submit_tool_outputs"


def test_enforce_refuses_a_pending_result_until_it_is_approved(
    run: Run, gates: dict[str, Gate], demo_server: Server
) -> None:
    gate = gates["enforce"]
    told = run("enforce", REFUND, sdk="3")
    assert told.error["code"] == "tool_call_pending_approval"
    assert submits(demo_server, told) == 0

    approval = gate.pending_approval()
    assert approval in told.error["message"]
    assert gate.run("approvals", "approve", approval).returncode == 0
    answer = gate.request(
        demo_server.host,
        "POST",
        submit_path(told),
        json.dumps(
            {"tool_outputs": [{"tool_call_id": told.calls[0]["id"], "output": "ok"}]}
        ).encode(),
        {"OpenAI-Beta": "assistants=v2"},
    )

    assert answer.status == 200
    assert submits(demo_server, told) == 1


@pytest.mark.conforms(promise="withheld")
@SDKS
def test_withhold_leaves_out_a_denied_sibling_and_answers_for_it(
    run: Run, demo_server: Server, sdk: str
) -> None:
    told = run("withhold", WEATHER, SHELL, sdk=sdk)

    assert told.call_names == ["get_weather"]
    assert "ran get_weather" in told.text
    assert "run_shell" in told.text
    assert "Tool call blocked by Callgate: POLICY_DENIED (trace " in told.text
    assert submits(demo_server, told) == 1


@pytest.mark.conforms(promise="withheld")
@SDKS
def test_withhold_answers_a_run_whose_calls_are_all_denied(run: Run, sdk: str) -> None:
    told = run("withhold", SHELL, SHELL, sdk=sdk)

    assert told.calls == []
    assert told.text.count("Tool call blocked by Callgate: POLICY_DENIED (trace ") == 2


@SDKS
@pytest.mark.parametrize("answer", ["approve", "deny"])
def test_withhold_holds_a_run_until_a_person_decides(
    gates: dict[str, Gate],
    demo_server: Server,
    client_for: Callable[[str], Client],
    sdk: str,
    answer: str,
) -> None:
    gate = gates["withhold"]
    app = client_for(sdk).start(
        gate.client_environment(demo_server.base_url),
        demo_server.assistant,
        wish(WEATHER, REFUND),
    )
    approval = gate.pending_approval()
    time.sleep(0.5)
    assert app.is_running

    assert gate.run("approvals", answer, approval).returncode == 0
    told = app.finish()

    if answer == "approve":
        assert told.call_names == ["get_weather", "refund_order"]
        assert "ran refund_order" in told.text
    else:
        assert told.call_names == ["get_weather"]
        assert "APPROVAL_DENIED" in told.text


@pytest.mark.conforms(promise="sanitized")
@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_secret_in_arguments_is_redacted_before_the_app_sees_it(run: Run, mode: str) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"

    told = run(mode, ("send_message", {"to": "a@b.example", "text": f"key {key}"}), sdk="3")

    assert told.call_names == ["send_message"]
    assert key not in told.calls[0]["arguments"]
    assert json.loads(told.calls[0]["arguments"])["text"].startswith("key ")
    assert told.end["status"] == "completed"


def test_observe_leaves_a_secret_in_arguments(run: Run) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"

    told = run("observe", ("send_message", {"text": f"key {key}"}), sdk="3")

    assert key in told.calls[0]["arguments"]


@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_destructive_command_is_denied_without_a_rule(
    start_gate: StartGate, demo_server: Server, client_for: Callable[[str], Client], mode: str
) -> None:
    gate = start_gate(demo_server.host, mode=mode)

    told = client_for("3").run(
        gate.client_environment(demo_server.base_url),
        demo_server.assistant,
        wish(("run_shell", {"command": "rm -rf /srv/customers"})),
    )

    if mode == "enforce":
        assert "DESTRUCTIVE_COMMAND" in told.error["message"]
    else:
        assert "DESTRUCTIVE_COMMAND" in told.text


def test_partial_submit_gets_the_notice_of_a_denied_call_added(run: Run) -> None:
    told = run("enforce", WEATHER, SHELL, sdk="3", only="weather")

    assert told.call_names == ["get_weather", "run_shell"]
    assert "ran get_weather" in told.text
    assert "Tool call blocked by Callgate: POLICY_DENIED (trace " in told.text
