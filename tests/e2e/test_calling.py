"""Unmodified apps on Chat Completions and Responses, in every mode, through the real gate."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import App, Client, Told
from tests.e2e.gate import Gate, StartGate
from tests.e2e.reception import Reception, annotated_calls, calls_in, client_of, without_comments
from tests.e2e.servers import Server, calling, wish

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""
MODES = ("observe", "enforce", "withhold")
APP = Path(__file__).parent / "calling_app.py"
WEATHER = ("get_weather", {"city": "Oslo"})
SHELL = ("run_shell", {"command": "ls"})
REFUND = ("refund_order", {"amount": 5000})

CHAT, RESPONSES = (pytest.mark.conforms(surface=name) for name in ("chat", "responses"))
APIS = pytest.mark.parametrize(
    "api",
    [
        pytest.param("chat", marks=CHAT),
        pytest.param("responses", marks=RESPONSES),
        pytest.param("stateless", marks=RESPONSES),
    ],
)
STREAMED = pytest.mark.parametrize(
    "streamed", ["whole", pytest.param("streamed", marks=pytest.mark.conforms(over="stream"))]
)
SDKS = pytest.mark.parametrize("sdk", ["3", "2", "1"])

type Start = Callable[..., App]


@pytest.fixture(scope="module")
def server(server_context: ssl.SSLContext) -> Iterator[Server]:
    with calling(server_context) as running:
        yield running


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, server: Server) -> dict[str, Gate]:
    return {mode: start_shared_gate(server.host, mode=mode, policy=POLICY) for mode in MODES}


@pytest.fixture
def start(gates: dict[str, Gate], server: Server, client_for: Callable[[str], Client]) -> Start:
    def run_app(mode: str, api: str, streamed: str, message: str, sdk: str = "3") -> App:
        environment = gates[mode].client_environment(server.base_url)
        return client_for(sdk).start(environment, api, streamed, only=message, app=APP)

    return run_app


def told(app: App) -> Told:
    return app.finish()


@pytest.mark.conforms(promise="found")
@SDKS
@STREAMED
@APIS
def test_allowed_calls_run_and_their_results_arrive(
    start: Start, api: str, streamed: str, sdk: str
) -> None:
    for mode in MODES:
        heard = told(start(mode, api, streamed, wish(WEATHER, ("get_time", {})), sdk))

        assert heard.call_names == ["get_weather", "get_time"]
        assert heard.calls[0]["arguments"] == '{"city": "Oslo"}'
        assert heard.text == 'ran get_weather {"city": "Oslo"}; ran get_time {}'


@STREAMED
@APIS
def test_observe_lets_denied_and_pending_calls_through(
    start: Start, api: str, streamed: str
) -> None:
    heard = told(start("observe", api, streamed, wish(SHELL, REFUND)))

    assert heard.call_names == ["run_shell", "refund_order"]
    assert "ran run_shell" in heard.text


@pytest.mark.conforms(promise="result refused")
@SDKS
@STREAMED
@APIS
def test_result_of_a_denied_call_is_refused_before_a_byte_reaches_the_api(
    start: Start, server: Server, api: str, streamed: str, sdk: str
) -> None:
    command = f"echo {api}-{streamed}-{sdk}"
    message = wish(("run_shell", {"command": command}), WEATHER)
    heard = told(start("enforce", api, streamed, message, sdk))

    assert heard.call_names == ["run_shell", "get_weather"]
    error = heard.error
    assert (error["kind"], error["code"]) == ("PermissionDeniedError", "tool_call_denied")
    assert error["param"].startswith("messages[" if api == "chat" else "input[")
    ran = f"ran run_shell {json.dumps({'command': command})}"
    assert json.dumps(ran) not in server.received()


@pytest.mark.conforms(promise="withheld")
@STREAMED
@APIS
def test_withheld_call_is_not_seen_and_its_siblings_go_on(
    start: Start, api: str, streamed: str
) -> None:
    heard = told(start("withhold", api, streamed, wish(SHELL, WEATHER)))

    assert heard.call_names == ["get_weather"]
    assert "ran get_weather" in heard.text
    if api == "responses":
        # the API itself knows of the call, and wants an output for it
        assert "Tool call blocked by Callgate: POLICY_DENIED" in heard.text


@pytest.mark.conforms(promise="withheld")
@SDKS
@STREAMED
@APIS
def test_answer_without_any_call_left_says_the_notice(
    start: Start, api: str, streamed: str, sdk: str
) -> None:
    heard = told(start("withhold", api, streamed, wish(SHELL), sdk))

    assert heard.calls == []
    assert heard.text.startswith("Tool call blocked by Callgate: POLICY_DENIED")


@pytest.mark.parametrize("verb", ["approve", "deny"])
@STREAMED
@APIS
def test_pending_call_is_held_until_a_person_decides(
    start: Start, gates: dict[str, Gate], api: str, streamed: str, verb: str
) -> None:
    app = start("withhold", api, streamed, wish(REFUND))
    approval = gates["withhold"].pending_approval()
    assert app.is_running
    assert gates["withhold"].run("approvals", verb, approval).returncode == 0
    heard = told(app)

    assert heard.call_names == (["refund_order"] if verb == "approve" else [])
    assert ("ran refund_order" if verb == "approve" else "APPROVAL_DENIED") in heard.text


@STREAMED
@APIS
def test_pending_result_is_refused_with_the_place_to_decide(
    start: Start, api: str, streamed: str
) -> None:
    error = told(start("enforce", api, streamed, wish(REFUND))).error

    assert error["code"] == "tool_call_pending_approval"
    assert "approvals/apr_" in error["message"]


@pytest.mark.conforms(promise="sanitized")
@pytest.mark.parametrize("mode", ["enforce", "withhold"])
@STREAMED
@APIS
def test_app_is_given_the_redacted_arguments(
    start: Start, api: str, streamed: str, mode: str
) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    heard = told(start(mode, api, streamed, wish(("send_message", {"text": f"key {key}"}))))

    assert key not in json.dumps(heard.events)
    assert json.loads(heard.calls[0]["arguments"])["text"].startswith("key ")
    assert "ran send_message" in heard.text


@pytest.mark.conforms(promise="annotated")
@STREAMED
@APIS
def test_answer_says_what_was_decided(
    gates: dict[str, Gate], server: Server, api: str, streamed: str
) -> None:
    is_chat, asked = api == "chat", wish(SHELL, WEATHER)
    path, given = (
        ("chat/completions", {"messages": [{"role": "user", "content": asked}]})
        if is_chat
        else ("responses", {"input": asked})
    )
    body: Any = {"model": "m", "stream": streamed == "streamed", **given}
    with Reception(client_of(gates["enforce"]), f"{server.base_url}/{path}", body) as got:
        got.finish()

    if streamed == "streamed":
        told = {id: found for calls in annotated_calls(got.body) for id, found in calls.items()}
    else:
        told = calls_in(got.headers)
        assert got.headers["Callgate-Decision"] == "deny"
    assert got.headers["Callgate-Mode"] == "enforce"
    assert sorted(found["decision"] for found in told.values()) == ["allow", "deny"]
    denied = next(found for found in told.values() if found["decision"] == "deny")
    assert denied["reason"] == "POLICY_DENIED"
    assert all(id.encode() in without_comments(got.body) for id in told)
