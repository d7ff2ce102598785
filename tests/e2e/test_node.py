"""Unmodified apps on openai-node, in every mode, through the real gate."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import node
from tests.e2e.clients import Told
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
APP = Path(__file__).with_name("node_app.mjs")
WEATHER = ("get_weather", {"city": "Oslo"})
REFUND = ("refund_order", {"amount": 5000})

EACH_API = pytest.mark.parametrize("api", ["chat", "tools", "responses", "assistants"])
EACH_WAY = pytest.mark.parametrize("streamed", ["whole", "streamed"])

type Talk = Callable[[str, str, str, str], Told]


@pytest.fixture(scope="module")
def server(server_context: ssl.SSLContext) -> Iterator[Server]:
    with calling(server_context) as running:
        yield running


@pytest.fixture(scope="module")
def openai_node() -> node.Node:
    return node.installed()


@pytest.fixture(scope="module")
def gates(
    openai_node: node.Node, start_shared_gate: StartGate, server: Server, demo_server: Server
) -> dict[str, Gate]:
    hosts = (server.host, demo_server.host)
    return {mode: start_shared_gate(*hosts, mode=mode, policy=POLICY) for mode in MODES}


@pytest.fixture(scope="module")
def apps(
    openai_node: node.Node, gates: dict[str, Gate], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Service]]:
    command, folder = [openai_node.executable, str(APP)], tmp_path_factory.mktemp("node")
    with ExitStack() as stack:

        def serve(mode: str) -> Service:
            environment = gates[mode].client_environment("")
            environment["NODE_EXTRA_CA_CERTS"] = environment.pop("SSL_CERT_FILE")
            del environment["OPENAI_LOG"]  # goes to standard output
            log = folder / mode
            return stack.enter_context(serving(command, environment, log, openai_node.folder))

        yield {mode: serve(mode) for mode in MODES}


@pytest.fixture
def wanted(server: Server, demo_server: Server) -> Callable[[str, str, str], dict[str, str]]:
    """What an app is told to do."""

    def ask(api: str, streamed: str, message: str) -> dict[str, str]:
        upstream = demo_server if api == "assistants" else server
        at = {"base_url": upstream.base_url, "assistant": upstream.assistant}
        return {"api": api, "streamed": streamed, "message": message, **at}

    return ask


@pytest.fixture
def talk(apps: dict[str, Service], wanted: Callable[[str, str, str], dict[str, str]]) -> Talk:
    def have(mode: str, api: str, streamed: str, message: str) -> Told:
        return apps[mode].talk(**wanted(api, streamed, message))

    return have


def shell(*about: str) -> tuple[str, dict[str, str]]:
    """A denied call that no other test asks for."""
    return "run_shell", {"command": f"echo node-{'-'.join(about)}"}


def output_of(call: tuple[str, dict[str, str]]) -> str:
    """The result of a call, as it stands in a request's body."""
    return json.dumps(f"ran {call[0]} {json.dumps(call[1])}")


@EACH_WAY
@EACH_API
def test_allowed_calls_run_and_their_results_arrive(talk: Talk, api: str, streamed: str) -> None:
    message = wish(WEATHER, ("get_time", {}))
    for mode in MODES:
        heard = talk(mode, api, streamed, message)
        assert heard.call_names == ["get_weather", "get_time"]
        assert json.loads(heard.calls[0]["arguments"]) == {"city": "Oslo"}
        assert 'ran get_weather {"city": "Oslo"}' in heard.text
        assert "ran get_time {}" in heard.text


@EACH_API
def test_observe_lets_denied_and_pending_calls_through(
    talk: Talk, server: Server, demo_server: Server, api: str
) -> None:
    denied = shell("observe", api)
    heard = talk("observe", api, "streamed", wish(denied, REFUND))

    assert heard.call_names == ["run_shell", "refund_order"]
    assert "ran run_shell" in heard.text
    assert output_of(denied) in server.received() + demo_server.received()


@EACH_WAY
@EACH_API
def test_result_of_a_denied_call_is_refused_once_and_never_reaches_the_api(
    talk: Talk, server: Server, demo_server: Server, api: str, streamed: str
) -> None:
    denied = shell("enforce", api, streamed)
    heard = talk("enforce", api, streamed, wish(denied, WEATHER))

    assert heard.call_names == ["run_shell", "get_weather"]
    error = heard.error
    assert (error["kind"], error["status"]) == ("PermissionDeniedError", 403)
    assert error["code"] == "tool_call_denied"
    places = {"responses": "input[", "assistants": "tool_outputs["}
    assert error["param"].startswith(places.get(api, "messages["))
    if (api, streamed) != ("assistants", "whole"):  # which polls
        before = 2 if api == "assistants" else 1
        assert error["requests"] == before + 1, "the refused request was sent again"
    assert output_of(denied) not in server.received() + demo_server.received()


@EACH_WAY
@EACH_API
def test_withheld_call_is_not_seen_and_its_siblings_go_on(
    talk: Talk, api: str, streamed: str
) -> None:
    heard = talk("withhold", api, streamed, wish(shell("some", api, streamed), WEATHER))

    assert heard.call_names == ["get_weather"]
    assert "ran get_weather" in heard.text
    if api in ("responses", "assistants"):
        # the API itself knows of the call, and wants an output for it
        assert "Tool call blocked by Callgate: POLICY_DENIED" in heard.text


@EACH_WAY
@EACH_API
def test_conversation_goes_on_when_every_call_is_withheld(
    talk: Talk, api: str, streamed: str
) -> None:
    heard = talk("withhold", api, streamed, wish(shell("all", api, streamed)))

    assert heard.calls == []
    assert "Tool call blocked by Callgate: POLICY_DENIED" in heard.text


@pytest.mark.parametrize(
    ("api", "verb"), [("tools", "approve"), ("responses", "deny"), ("assistants", "approve")]
)
def test_pending_call_is_held_until_a_person_decides(
    apps: dict[str, Service],
    gates: dict[str, Gate],
    wanted: Callable[[str, str, str], dict[str, str]],
    api: str,
    verb: str,
) -> None:
    apps["withhold"].begin(**wanted(api, "streamed", wish(REFUND)))
    approval = gates["withhold"].pending_approval()
    assert gates["withhold"].run("approvals", verb, approval).returncode == 0
    heard = apps["withhold"].finish()

    assert heard.call_names == (["refund_order"] if verb == "approve" else [])
    assert ("ran refund_order" if verb == "approve" else "APPROVAL_DENIED") in heard.text


@EACH_WAY
@EACH_API
def test_app_is_given_the_redacted_arguments(talk: Talk, api: str, streamed: str) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    message = wish(("send_message", {"text": f"key {key}"}))
    heard = talk("enforce", api, streamed, message)

    assert key not in json.dumps(heard.events)
    assert json.loads(heard.calls[0]["arguments"])["text"].startswith("key ")
    assert "ran send_message" in heard.text
