"""Unmodified agents of the OpenAI Agents SDK, in every mode, through the real gate."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.clients import Client, Told
from tests.e2e.gate import Gate, StartGate
from tests.e2e.servers import Server, calling, wish
from tests.e2e.service import Service, serving

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
APP = Path(__file__).with_name("agents_app.py")
WEATHER = ("get_weather", {"city": "Oslo"})
REFUND = ("refund_order", {"amount": 5000})

EACH_API = pytest.mark.parametrize("api", ["chat", "responses"])
EACH_WAY = pytest.mark.parametrize("streamed", ["whole", "streamed"])

type Talk = Callable[[str, str, str, str], Told]


@pytest.fixture(scope="module")
def server(server_context: ssl.SSLContext) -> Iterator[Server]:
    with calling(server_context) as running:
        yield running


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, server: Server) -> dict[str, Gate]:
    return {mode: start_shared_gate(server.host, mode=mode, policy=POLICY) for mode in MODES}


@pytest.fixture(scope="module")
def agents(
    gates: dict[str, Gate],
    server: Server,
    client_for: Callable[[str], Client],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Service]]:
    python, folder = client_for("agents").python, tmp_path_factory.mktemp("agents")
    command = [str(python), "-I", str(APP)]
    with ExitStack() as stack:

        def serve(mode: str) -> Service:
            environment = gates[mode].client_environment(server.base_url)
            return stack.enter_context(serving(command, environment, folder / mode, folder))

        yield {mode: serve(mode) for mode in MODES}


@pytest.fixture
def talk(agents: dict[str, Service]) -> Talk:
    def have(mode: str, api: str, streamed: str, message: str) -> Told:
        told = agents[mode].talk(api=api, streamed=streamed, message=message)
        if shown := told.events[-1].get("shown"):
            assert sorted(shown) == sorted(told.call_names), "the stream showed what it had run"
        return told

    return have


def shell(*about: str) -> tuple[str, dict[str, str]]:
    """A denied call that no other test asks for."""
    return "run_shell", {"command": f"echo agents-{'-'.join(about)}"}


def output_of(call: tuple[str, dict[str, str]]) -> str:
    """The result of a call, as it stands in a request's body."""
    return json.dumps(f"ran {call[0]} {json.dumps(call[1])}")


@EACH_WAY
@EACH_API
def test_allowed_call_is_run_and_its_result_arrives(talk: Talk, api: str, streamed: str) -> None:
    for mode in MODES:
        heard = talk(mode, api, streamed, wish(WEATHER))
        assert heard.call_names == ["get_weather"]
        assert heard.text == 'ran get_weather {"city": "Oslo"}'


@EACH_WAY
@EACH_API
def test_observe_lets_denied_and_pending_calls_through(
    talk: Talk, server: Server, api: str, streamed: str
) -> None:
    denied = shell("observe", api, streamed)
    heard = talk("observe", api, streamed, wish(denied, REFUND))

    assert sorted(heard.call_names) == ["refund_order", "run_shell"]
    assert output_of(denied) in server.received()


@EACH_WAY
@EACH_API
def test_result_of_a_denied_call_is_refused_once_and_never_reaches_the_api(
    talk: Talk, server: Server, api: str, streamed: str
) -> None:
    denied = shell("enforce", api, streamed)
    heard = talk("enforce", api, streamed, wish(denied, WEATHER))

    assert sorted(heard.call_names) == ["get_weather", "run_shell"]
    error = heard.error
    assert (error["kind"], error["status"]) == ("PermissionDeniedError", 403)
    assert error["code"] == "tool_call_denied"
    assert error["param"].startswith("messages[" if api == "chat" else "input[")
    assert "Retrying" not in heard.log
    assert output_of(denied) not in server.received()


@EACH_WAY
@EACH_API
def test_withheld_call_is_not_seen_and_its_siblings_go_on(
    talk: Talk, api: str, streamed: str
) -> None:
    heard = talk("withhold", api, streamed, wish(shell("some", api, streamed), WEATHER))

    assert heard.call_names == ["get_weather"]
    assert "ran get_weather" in heard.text


@EACH_WAY
@EACH_API
def test_conversation_goes_on_when_every_call_is_withheld(
    talk: Talk, api: str, streamed: str
) -> None:
    heard = talk("withhold", api, streamed, wish(shell("all", api, streamed)))

    assert heard.calls == []
    assert heard.text.startswith("Tool call blocked by Callgate: POLICY_DENIED")


@pytest.mark.parametrize(("api", "verb"), [("chat", "deny"), ("responses", "approve")])
def test_pending_call_is_held_until_a_person_decides(
    agents: dict[str, Service], gates: dict[str, Gate], api: str, verb: str
) -> None:
    agents["withhold"].begin(api=api, streamed="streamed", message=wish(REFUND))
    approval = gates["withhold"].pending_approval()
    assert gates["withhold"].run("approvals", verb, approval).returncode == 0
    heard = agents["withhold"].finish()

    assert heard.call_names == (["refund_order"] if verb == "approve" else [])
    assert ("ran refund_order" if verb == "approve" else "APPROVAL_DENIED") in heard.text


@EACH_WAY
@EACH_API
def test_tool_is_run_with_the_redacted_arguments(talk: Talk, api: str, streamed: str) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    heard = talk("enforce", api, streamed, wish(("send_message", {"text": f"key {key}"})))

    assert key not in json.dumps(heard.events)
    assert json.loads(heard.calls[0]["arguments"])["text"].startswith("key ")
    assert "ran send_message" in heard.text
