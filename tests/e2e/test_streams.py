"""An unmodified streaming app in every mode and under three SDKs, through the real gate."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.e2e.clients import Client, Told
from tests.e2e.gate import Gate, StartGate
from tests.e2e.origin import Origin, Reply
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

APP = Path(__file__).parent / "stream_app.py"
WEATHER = ("get_weather", {"city": "Oslo"})
SHELL = ("run_shell", {"command": "ls"})
REFUND = ("refund_order", {"amount": 5000})

SDKS = pytest.mark.parametrize("sdk", ["3", "2", "1"])

type Run = Callable[..., Told]


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, demo_server: Server) -> dict[str, Gate]:
    return {
        mode: start_shared_gate(demo_server.host, mode=mode, policy=POLICY)
        for mode in ("observe", "enforce", "withhold")
    }


@pytest.fixture
def run(gates: dict[str, Gate], demo_server: Server, client_for: Callable[[str], Client]) -> Run:
    def run_app(mode: str, *calls: tuple[str, Mapping[str, object]], sdk: str = "3") -> Told:
        return client_for(sdk).run(
            gates[mode].client_environment(demo_server.base_url),
            demo_server.assistant,
            wish(*calls),
            app=APP,
        )

    return run_app


@SDKS
@pytest.mark.parametrize("mode", ["observe", "enforce", "withhold"])
def test_allowed_calls_stream_and_their_results_arrive(run: Run, mode: str, sdk: str) -> None:
    told = run(mode, WEATHER, sdk=sdk)

    assert told.call_names == ["get_weather"]
    assert told.calls[0]["arguments"] == '{"city": "Oslo"}'
    assert told.end["version"].startswith(f"{sdk}.")
    assert told.end["status"] == "completed"
    assert "ran get_weather" in told.text


@SDKS
def test_streamed_submit_of_a_denied_result_is_refused(run: Run, sdk: str) -> None:
    told = run("enforce", SHELL, sdk=sdk)

    assert told.call_names == ["run_shell"]
    assert told.error["kind"] == "PermissionDeniedError"
    assert told.error["code"] == "tool_call_denied"


@SDKS
def test_withheld_call_is_in_no_event_and_its_siblings_are_whole(run: Run, sdk: str) -> None:
    told = run("withhold", SHELL, WEATHER, sdk=sdk)

    assert told.call_names == ["get_weather"]
    assert "ran get_weather" in told.text
    assert "Tool call blocked by Callgate: POLICY_DENIED" in told.text


@SDKS
def test_run_whose_calls_are_all_withheld_goes_on_in_the_same_stream(run: Run, sdk: str) -> None:
    told = run("withhold", SHELL, sdk=sdk)

    assert told.call_names == []
    assert told.end["status"] == "completed"
    assert "Tool call blocked by Callgate" in told.text


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_pending_call_holds_the_stream_until_a_person_decides(
    gates: dict[str, Gate],
    demo_server: Server,
    client_for: Callable[[str], Client],
    verb: str,
) -> None:
    gate = gates["withhold"]
    app = client_for("3").start(
        gate.client_environment(demo_server.base_url),
        demo_server.assistant,
        wish(REFUND),
        app=APP,
    )
    approval = gate.pending_approval()
    time.sleep(0.5)
    assert app.is_running
    gate.run("approvals", verb, approval)
    told = app.finish()

    assert told.call_names == (["refund_order"] if verb == "approve" else [])
    assert ("ran refund_order" if verb == "approve" else "APPROVAL_DENIED") in told.text


def event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def test_bytes_of_an_allowed_stream_are_the_apis_but_for_one_comment(
    start_gate: StartGate, origin: Origin
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    run = {
        "id": "run_1",
        "thread_id": "thread_1",
        "status": "requires_action",
        "required_action": {"submit_tool_outputs": {"tool_calls": [call]}},
    }
    raw = (
        event("thread.message.delta", {"delta": {"content": []}})
        + event("thread.run.requires_action", run)
        + b"event: done\r\ndata: [DONE]\r\n\r\n"
    )
    origin.answer = lambda _: Reply(raw, 200, (("Content-Type", "text/event-stream"),))
    gate = start_gate(origin.host)
    body = json.dumps({"assistant_id": "asst_1", "stream": True}).encode()
    answer = gate.request(origin.host, "POST", "/v1/threads/thread_1/runs", body, {})

    [comment] = [line for line in answer.body.split(b"\n") if line.startswith(b": callgate ")]
    assert answer.body.replace(comment + b"\n", b"") == raw
    assert answer.headers["Callgate-Mode"] == "enforce"


def test_stream_that_is_none_never_shows_a_call(start_gate: StartGate, origin: Origin) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    run = {"id": "run_1", "thread_id": "t", "required_action": {"x": {"tool_calls": [call]}}}
    raw = json.dumps(run).encode()
    origin.answer = lambda _: Reply(raw, 200, (("Content-Type", "text/event-stream"),))
    gate = start_gate(origin.host)
    answer = gate.request(origin.host, "GET", "/v1/threads/t/runs/run_1", b"", {})

    assert b"call_1" not in answer.body
    assert b"response_not_inspectable" in answer.body
