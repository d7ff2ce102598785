"""An unmodified app on llamphouse: waiting runs name no calls, only their steps do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.clients import Client, Told
from tests.e2e.gate import Gate, StartGate
from tests.e2e.reception import Reception, annotated_calls, client_of
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

SDKS = pytest.mark.parametrize("sdk", ["3", "2", "1"])


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, llamphouse_server: Server) -> dict[str, Gate]:
    return {
        mode: start_shared_gate(llamphouse_server.host, mode=mode, policy=POLICY)
        for mode in ("observe", "enforce", "withhold")
    }


type Run = Callable[..., Told]


@pytest.fixture
def run(
    gates: dict[str, Gate], llamphouse_server: Server, client_for: Callable[[str], Client]
) -> Run:
    def run_app(mode: str, message: str, sdk: str) -> Told:
        environment = gates[mode].client_environment(llamphouse_server.base_url)
        return client_for(sdk).run(environment, llamphouse_server.assistant, message)

    return run_app


def unique_shell() -> tuple[str, dict[str, str]]:
    """A denied call that can be told from all others in what the server received.

    By itself such a number could be that of a credit card.
    """
    return "run_shell", {"command": f"echo only-{time.monotonic_ns()}"}


def result_of(call: tuple[str, dict[str, str]]) -> str:
    """The app's result as it stands in the body of a submit."""
    return json.dumps(f"ran {call[0]} {json.dumps(call[1])}")


@SDKS
@pytest.mark.parametrize("mode", ["observe", "enforce", "withhold"])
def test_allowed_call_in_a_step_runs_and_its_result_arrives(
    run: Run, llamphouse_server: Server, mode: str, sdk: str
) -> None:
    call = ("get_weather", {"city": f"Oslo-{time.monotonic_ns()}"})

    told = run(mode, wish(call), sdk)

    assert told.call_names == ["get_weather"]
    assert told.end["status"] == "completed"
    assert result_of(call) in llamphouse_server.received()


def test_observe_lets_a_denied_call_through(run: Run, llamphouse_server: Server) -> None:
    call = unique_shell()

    told = run("observe", wish(WEATHER, call), "3")

    assert told.call_names == ["get_weather", "run_shell"]
    assert result_of(call) in llamphouse_server.received()


@SDKS
def test_enforce_refuses_the_result_of_a_denied_call(
    run: Run, llamphouse_server: Server, sdk: str
) -> None:
    call = unique_shell()

    told = run("enforce", wish(WEATHER, call), sdk)

    assert told.call_names == ["get_weather", "run_shell"]
    error = told.error
    assert (error["kind"], error["code"]) == ("PermissionDeniedError", "tool_call_denied")
    assert error["param"] == "tool_outputs[1].output"
    assert result_of(call) not in llamphouse_server.received()


@SDKS
def test_withhold_leaves_a_denied_call_out_of_the_steps(
    run: Run, llamphouse_server: Server, sdk: str
) -> None:
    call = unique_shell()

    told = run("withhold", wish(WEATHER, call), sdk)

    assert told.call_names == ["get_weather"]
    assert told.end["status"] == "completed"
    assert result_of(call) not in llamphouse_server.received()


@SDKS
def test_withhold_answers_a_run_whose_calls_are_all_denied(run: Run, sdk: str) -> None:
    told = run("withhold", wish(unique_shell()), sdk)

    assert told.calls == []
    assert told.end["status"] == "completed"


def test_withhold_holds_a_run_until_it_is_approved(
    gates: dict[str, Gate], llamphouse_server: Server, client_for: Callable[[str], Client]
) -> None:
    gate = gates["withhold"]
    app = client_for("3").start(
        gate.client_environment(llamphouse_server.base_url),
        llamphouse_server.assistant,
        wish(("refund_order", {"amount": 5000})),
    )
    approval = gate.pending_approval()
    assert app.is_running

    assert gate.run("approvals", "approve", approval).returncode == 0

    assert app.finish().call_names == ["refund_order"]


# -- streams --------------------------------------------------------------------------------
# Its streams tell calls in `step.created` and stay open; nothing more comes on them.


@contextmanager
def streamed(gate: Gate, server: Server, message: str) -> Iterator[tuple[Reception, str]]:
    """A run's stream, and the path of its thread."""
    with client_of(gate) as client:
        said = {"messages": [{"role": "user", "content": message}]}
        thread = client.post(f"{server.base_url}/threads", json=said).json()["id"]
    url = f"{server.base_url}/threads/{thread}"
    body = {"assistant_id": server.assistant, "stream": True}
    with Reception(client_of(gate), f"{url}/runs", body) as reception:
        yield reception, url


def final_status(gate: Gate, url: str, seconds: float = 60) -> str:
    """Of the one run of a thread."""
    ends = time.monotonic() + seconds
    status = ""
    with client_of(gate) as client:
        while status != "completed" and time.monotonic() < ends:
            time.sleep(0.1)
            status = client.get(f"{url}/runs").json()["data"][0]["status"]
    return status


@pytest.mark.parametrize("mode", ["observe", "enforce", "withhold"])
def test_allowed_call_is_told_by_the_stream(
    gates: dict[str, Gate], llamphouse_server: Server, mode: str
) -> None:
    with streamed(gates[mode], llamphouse_server, wish(WEATHER)) as (stream, _):
        stream.wait_for(b'"name":"get_weather"')


@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_denied_call_is_told_by_the_stream_with_its_verdict(
    gates: dict[str, Gate], llamphouse_server: Server, mode: str
) -> None:
    with streamed(gates[mode], llamphouse_server, wish(unique_shell())) as (stream, _):
        stream.wait_for(b'"name":"run_shell"')
        [verdict] = annotated_calls(stream.body)[0].values()
        assert verdict["decision"] == "deny"


def test_withheld_call_is_in_no_byte_of_the_stream_and_its_run_is_answered(
    gates: dict[str, Gate], llamphouse_server: Server
) -> None:
    gate, call = gates["withhold"], unique_shell()
    with streamed(gate, llamphouse_server, wish(call)) as (stream, url):
        stream.wait_for(b"thread.run.in_progress")
        assert final_status(gate, url) == "completed"
        assert call[1]["command"].encode() not in stream.body


def test_siblings_of_a_withheld_call_are_told_by_the_stream(
    gates: dict[str, Gate], llamphouse_server: Server
) -> None:
    call = unique_shell()
    with streamed(gates["withhold"], llamphouse_server, wish(WEATHER, call)) as (stream, _):
        stream.wait_for(b'"name":"get_weather"')
        assert call[1]["command"].encode() not in stream.body
