"""Agent sessions: the real SDK's streams and its own tool dispatcher, through the real gate."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest

from tests.e2e import agents_server
from tests.e2e.gate import Gate, StartGate
from tests.e2e.reception import annotated_calls, client_of
from tests.e2e.servers import Server, agents, wish

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: mcp.docs.wipe, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""
MODES = ("observe", "enforce", "withhold")
WEATHER = ("get_weather", {"city": "Oslo"})
SHELL = ("run_shell", {"command": "ls"})
REFUND = ("refund_order", {"amount": 5000})
TOOLS = ("get_weather", "run_shell", "refund_order", "send_message")

pytestmark = [pytest.mark.conforms(surface="agents"), pytest.mark.conforms(over="stream")]

type Json = dict[str, Any]


@pytest.fixture(scope="module")
def api() -> agents_server.Api:
    return agents_server.Api()


@pytest.fixture(scope="module")
def server(server_context: ssl.SSLContext, api: agents_server.Api) -> Iterator[Server]:
    with agents(server_context, api) as running:
        yield running


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, server: Server) -> dict[str, Gate]:
    return {mode: start_shared_gate(server.host, mode=mode, policy=POLICY) for mode in MODES}


@dataclass
class App:
    """An app with tools, in a session of its own."""

    sdk: openai.OpenAI
    http: httpx.Client
    session: Any
    ran: list[tuple[str, Json]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)

    def say(self, text: str) -> str:
        """Have a turn, run what it asks for, and return its final answer."""
        handlers = {name: self._tool(name) for name in TOOLS}
        with self.sdk.beta.agents.sessions.stream(
            self.session.id, input=text, tool_handlers=handlers
        ) as stream:
            stream.with_result_collection()
            for event in stream:
                self.events.append(event)
            return stream.get_final_result().output_text

    def _tool(self, name: str) -> Callable[[Json], str]:
        def run(arguments: Json) -> str:
            self.ran.append((name, arguments))
            return f"ran {name} {json.dumps(arguments)}"

        return run

    @property
    def seen(self) -> str:
        """Everything that the SDK handed out."""
        return "".join(event.to_json() for event in self.events)

    def retrieve(self) -> Any:
        return self.sdk.beta.agents.sessions.retrieve(self.session.id)

    def answer(self, **event: Any) -> None:
        given: Any = [event]
        self.sdk.beta.agents.sessions.events.create(self.session.id, events=given)

    def ask(self, text: str) -> None:
        """Begin a turn without listening."""
        part = {"type": "input_text", "text": text}
        message = {"role": "user", "content": [part]}
        self.answer(type="agent.session.input.message", input=[message])


@pytest.fixture
def app_for(gates: dict[str, Gate], server: Server) -> Iterator[Callable[[str], App]]:
    clients: list[httpx.Client] = []

    def begin(mode: str) -> App:
        clients.append(client_of(gates[mode]))
        client: Any = clients[-1]  # the SDK's own fork of httpx takes httpx too
        sdk = openai.OpenAI(
            api_key="sk-" + "app", base_url=server.base_url, http_client=client, max_retries=0
        )
        session = sdk.beta.agents.sessions.create(environment={"type": "none"})
        return App(sdk, clients[-1], session)

    yield begin
    for client in clients:
        client.close()


def until[T](look: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """Poll as apps do, until it looks as wanted; the test's time limit is the limit."""
    while not wanted(found := look()):
        time.sleep(0.05)
    return found


@pytest.mark.conforms(promise="found")
@pytest.mark.parametrize("mode", MODES)
def test_allowed_calls_run_and_their_results_arrive(
    app_for: Callable[[str], App], mode: str
) -> None:
    app = app_for(mode)

    text = app.say(wish(WEATHER, ("get_weather", {"city": "Rome"})))

    assert app.ran == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    assert text == 'ran get_weather {"city": "Oslo"}; ran get_weather {"city": "Rome"}'


def test_observe_lets_denied_calls_through(app_for: Callable[[str], App], server: Server) -> None:
    assert app_for("observe").say(wish(SHELL)) == 'ran run_shell {"command": "ls"}'
    assert r"ran run_shell {\"command\": \"ls" in server.received()


@pytest.mark.conforms(promise="result refused")
def test_result_of_a_denied_call_is_refused_before_a_byte_reaches_the_api(
    app_for: Callable[[str], App], server: Server
) -> None:
    app = app_for("enforce")

    with pytest.raises(openai.PermissionDeniedError) as refused:
        app.say(wish(WEATHER, ("run_shell", {"command": "echo never"})))

    assert refused.value.code == "tool_call_denied"
    assert refused.value.param == "events[0].output"
    assert "Unknown pending tool call" not in str(refused.value)
    assert [name for name, _ in app.ran] == ["get_weather", "run_shell"]
    assert r"ran run_shell {\"command\": \"echo never" not in server.received()


def test_session_still_waits_for_a_denied_call_and_takes_the_notice(
    app_for: Callable[[str], App],
) -> None:
    app = app_for("enforce")
    with pytest.raises(openai.PermissionDeniedError) as refused:
        app.say(wish(WEATHER, SHELL))
    notice = str(refused.value).split("exactly this as its output: '")[1].split("'")[0]

    [action] = until(app.retrieve, lambda s: len(s.required_actions) == 1).required_actions
    assert (action.name, action.call_id) == ("run_shell", app.events[-1].item.call_id)
    app.answer(
        type="agent.session.input.tool_result",
        call_id=action.call_id,
        turn_id=action.turn_id,
        success=False,
        error=notice,
    )
    assert until(app.retrieve, lambda s: s.status == "idle").required_actions == []


@pytest.mark.conforms(promise="withheld")
def test_withheld_call_never_reaches_the_dispatcher_and_the_session_goes_on(
    app_for: Callable[[str], App], api: agents_server.Api
) -> None:
    app = app_for("withhold")

    text = app.say(wish(SHELL, WEATHER))

    assert app.ran == [("get_weather", {"city": "Oslo"})]
    assert "run_shell" not in app.seen
    failed = [i for i in api.sessions[app.session.id].items if i.get("status") == "failed"]
    assert failed[0]["error"].startswith("Tool call blocked by Callgate: POLICY_DENIED")
    assert failed[0]["error"] in text
    assert 'ran get_weather {"city": "Oslo"}' in text
    messages = [e.item for e in app.events if e.type == "agent.session.turn.item.done"]
    assert [item.type for item in messages] == ["message", "function_call", "message"]
    assert messages[0].content[0].text == failed[0]["error"]


@pytest.mark.conforms(promise="withheld")
def test_turn_with_nothing_but_denied_calls_never_waits_for_the_app(
    app_for: Callable[[str], App],
) -> None:
    app = app_for("withhold")

    text = app.say(wish(SHELL))

    assert app.ran == []
    assert text.startswith("Tool call blocked by Callgate: POLICY_DENIED")
    assert "requires_action" not in app.seen


def test_polling_app_sees_a_session_at_work_and_no_denied_call(
    app_for: Callable[[str], App],
) -> None:
    app = app_for("withhold")
    app.ask(wish(SHELL))

    pictures: set[tuple[str, int]] = set()
    while not pictures or "idle" not in dict(pictures):
        session = app.retrieve()
        pictures.add((session.status, len(session.required_actions)))
    assert pictures == {("in_progress", 0), ("idle", 0)}
    items = app.http.get(f"{app.sdk.base_url}agents/sessions/{app.session.id}/items").json()["data"]
    assert [item["type"] for item in items] == ["message", "message"]
    assert items[0]["content"][0]["text"].startswith("Tool call blocked by Callgate")


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_pending_call_is_held_until_a_person_decides(
    app_for: Callable[[str], App], gates: dict[str, Gate], verb: str
) -> None:
    app = app_for("withhold")
    with ThreadPoolExecutor(1) as pool:
        saying = pool.submit(app.say, wish(REFUND))
        approval = gates["withhold"].pending_approval()
        assert app.ran == []
        state = app.retrieve()
        assert (state.status, state.required_actions) == ("in_progress", [])
        assert gates["withhold"].run("approvals", verb, approval).returncode == 0
        text = saying.result(60)

    assert [name for name, _ in app.ran] == (["refund_order"] if verb == "approve" else [])
    assert ("ran refund_order" if verb == "approve" else "APPROVAL_DENIED") in text


@pytest.mark.conforms(promise="sanitized")
@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_app_runs_the_redacted_arguments(app_for: Callable[[str], App], mode: str) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    app = app_for(mode)

    app.say(wish(("send_message", {"text": f"key {key}"})))

    [(_, arguments)] = app.ran
    assert arguments["text"].startswith("key ")
    assert key not in app.seen + json.dumps(arguments)


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_denied_approval_can_only_be_declined(app_for: Callable[[str], App], decision: str) -> None:
    app = app_for("enforce")
    app.ask(wish(("mcp.docs.wipe", {"all": True})))
    [action] = until(app.retrieve, lambda s: s.required_actions).required_actions

    def answer() -> None:
        app.answer(
            type="agent.session.input.mcp_approval_request_result",
            request_id=action.request_id,
            response={"type": "mcp_tool_call", "decision": decision},
        )

    if decision == "approve":
        with pytest.raises(openai.PermissionDeniedError, match=r"mcp\.docs\.wipe"):
            answer()
    else:
        answer()
        assert until(app.retrieve, lambda s: s.status == "idle").required_actions == []


def test_withheld_approval_is_declined_by_the_gate(
    app_for: Callable[[str], App], api: agents_server.Api
) -> None:
    app = app_for("withhold")

    assert app.say(wish(("mcp.docs.wipe", {"all": True}))) == "wipe: deny"
    assert "mcp_approval_request" not in app.seen


@pytest.mark.conforms(promise="annotated")
def test_stream_says_what_was_decided(gates: dict[str, Gate], server: Server) -> None:
    body = {"environment": {"type": "none"}, "stream": True, "input": wish(SHELL, WEATHER)}
    got = b""
    with (
        client_of(gates["enforce"]) as client,
        client.stream("POST", f"{server.base_url}/agents/sessions", json=body) as answer,
    ):
        for chunk in answer.iter_bytes():
            got += chunk
            if b"agent.session.requires_action\n" in got:
                break

    told = [call["decision"] for calls in annotated_calls(got) for call in calls.values()]
    assert told == ["deny", "allow"]
