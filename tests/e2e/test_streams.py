"""Unmodified streaming apps in every mode and under three SDKs, through the real gate."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.clients import Client, Told
from tests.e2e.gate import Gate, StartGate
from tests.e2e.reception import (
    Reception,
    annotated_calls,
    client_of,
    delta_arguments,
    events_of,
    text_of,
    waiting_calls,
)
from tests.e2e.servers import Server, demo, story, wish

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""

HERE = Path(__file__).parent
APPS = {"handler": HERE / "stream_app.py", "events": HERE / "event_app.py"}
WEATHER = ("get_weather", {"city": "Oslo"})
SHELL = ("run_shell", {"command": "ls"})
REFUND = ("refund_order", {"amount": 5000})

MODES = ("observe", "enforce", "withhold")
pytestmark = [
    pytest.mark.conforms(surface="assistants"),
    pytest.mark.conforms(over="stream"),
]
SDKS = pytest.mark.parametrize("sdk", ["3", "2", "1"])
EACH_APP = pytest.mark.parametrize("app", APPS)
EACH_MODE = pytest.mark.parametrize("mode", MODES)

type Run = Callable[..., Told]
type Gates = dict[str, Gate]


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, demo_server: Server, http2_server: Server) -> Gates:
    hosts = (demo_server.host, http2_server.host)
    return {mode: start_shared_gate(*hosts, mode=mode, policy=POLICY) for mode in MODES}


@pytest.fixture
def run(gates: Gates, demo_server: Server, client_for: Callable[[str], Client]) -> Run:
    def run_app(
        mode: str, message: str, *, sdk: str = "3", app: str = "handler", only: str = ""
    ) -> Told:
        return client_for(sdk).run(
            gates[mode].client_environment(demo_server.base_url),
            demo_server.assistant,
            message,
            only=only,
            app=APPS[app],
        )

    return run_app


class Talk:
    """A thread on a server, and its streams as they come off the wire."""

    def __init__(self, gate: Gate, server: Server, message: str, *, http2: bool = False) -> None:
        self._gate = gate
        self._server = server
        self._http2 = http2
        self._streams = ExitStack()
        with client_of(gate) as client:
            body = {"messages": [{"role": "user", "content": message}]}
            answer = client.post(f"{server.base_url}/threads", json=body)
        assert answer.status_code == 200, answer.text
        self.thread = str(answer.json()["id"])

    def stream(self, path: str, body: Mapping[str, object], **headers: str) -> Reception:
        """Begin to receive the answer to a POST below the thread."""
        client = client_of(self._gate, http2=self._http2)
        url = f"{self._server.base_url}/threads/{self.thread}{path}"
        reception = Reception(client, url, {**body, "stream": True}, headers)
        return self._streams.enter_context(reception)

    def begin(self, **headers: str) -> Reception:
        return self.stream("/runs", {"assistant_id": self._server.assistant}, **headers)

    def submit(self, before: Reception) -> Reception:
        """Answer every call that the stream before has asked for."""
        events = events_of(before.body)
        run = next(data["id"] for name, data in reversed(events) if name.startswith("thread.run."))
        outputs = [
            {"tool_call_id": call["id"], "output": f"ran {call['function']['name']}"}
            for call in waiting_calls(before.body)
        ]
        return self.stream(f"/runs/{run}/submit_tool_outputs", {"tool_outputs": outputs})

    def get(self, path: str) -> Any:
        with client_of(self._gate) as client:
            return client.get(f"{self._server.base_url}/threads/{self.thread}{path}").json()

    def close(self) -> None:
        self._streams.close()


type BeginTalk = Callable[..., Talk]


@pytest.fixture
def talk(gates: Gates, demo_server: Server, http2_server: Server) -> Iterator[BeginTalk]:
    talks: list[Talk] = []

    def begin(
        mode: str,
        message: str,
        *,
        gate: Gate | None = None,
        server: Server | None = None,
        http2: bool = False,
    ) -> Talk:
        usual = http2_server if http2 else demo_server
        talks.append(Talk(gate or gates[mode], server or usual, message, http2=http2))
        return talks[-1]

    yield begin
    for one in talks:
        one.close()


def fresh(name: str) -> tuple[str, dict[str, str]]:
    """A call whose arguments occur nowhere else, and are no credit card's number."""
    return name, {"command": f"echo only-{time.monotonic_ns()}"}


# -- SDKs ---------------------------------------------------------------------------------


@pytest.mark.conforms(promise="found")
@SDKS
@EACH_MODE
@EACH_APP
def test_allowed_calls_stream_and_their_results_arrive(
    run: Run, mode: str, sdk: str, app: str
) -> None:
    told = run(mode, wish(WEATHER), sdk=sdk, app=app)

    assert told.call_names == ["get_weather"]
    assert told.calls[0]["arguments"] == '{"city": "Oslo"}'
    assert told.end["version"].startswith(f"{sdk}.")
    assert told.end["status"] == "completed"
    assert "ran get_weather" in told.text


@EACH_APP
def test_observe_lets_denied_and_pending_calls_through(run: Run, app: str) -> None:
    told = run("observe", wish(WEATHER, SHELL, REFUND), app=app)

    assert told.call_names == ["get_weather", "run_shell", "refund_order"]
    assert "ran run_shell" in told.text


@pytest.mark.conforms(promise="result refused")
@SDKS
@EACH_APP
def test_streamed_submit_of_a_denied_result_is_refused_before_a_byte_reaches_the_api(
    run: Run, demo_server: Server, sdk: str, app: str
) -> None:
    told = run("enforce", wish(SHELL, WEATHER), sdk=sdk, app=app)

    assert told.call_names == ["run_shell", "get_weather"]
    error = told.error
    assert (error["kind"], error["code"]) == ("PermissionDeniedError", "tool_call_denied")
    assert error["param"] == "tool_outputs[0].output"
    waiting = told.events[0]
    path = f"/threads/{waiting['thread']}/runs/{waiting['run']}/submit_tool_outputs"
    assert path not in demo_server.received()


@pytest.mark.conforms(promise="withheld")
@SDKS
@EACH_APP
def test_withheld_call_is_in_no_event_and_its_siblings_are_whole(
    run: Run, sdk: str, app: str
) -> None:
    told = run("withhold", wish(SHELL, WEATHER), sdk=sdk, app=app)

    assert told.call_names == ["get_weather"]
    assert told.calls[0]["arguments"] == '{"city": "Oslo"}'
    assert "ran get_weather" in told.text
    assert "Tool call blocked by Callgate: POLICY_DENIED" in told.text


@SDKS
@EACH_APP
def test_run_whose_calls_are_all_withheld_goes_on_in_the_same_stream(
    run: Run, sdk: str, app: str
) -> None:
    told = run("withhold", wish(SHELL, SHELL), sdk=sdk, app=app)

    assert told.call_names == []
    assert told.end["status"] == "completed"
    assert told.text.count("Tool call blocked by Callgate") == 2


@SDKS
@EACH_APP
def test_chained_rounds_go_on_past_withheld_ones(run: Run, sdk: str, app: str) -> None:
    message = story(wish(WEATHER), wish(SHELL), wish(SHELL), wish(WEATHER, SHELL))

    told = run("withhold", message, sdk=sdk, app=app)

    assert told.call_names == ["get_weather", "get_weather"]
    assert told.end["status"] == "completed"


@pytest.mark.parametrize("verb", ["approve", "deny"])
@SDKS
def test_pending_call_holds_the_stream_until_a_person_decides(
    gates: Gates, demo_server: Server, client_for: Callable[[str], Client], sdk: str, verb: str
) -> None:
    gate = gates["withhold"]
    environment = gate.client_environment(demo_server.base_url)
    app = client_for(sdk).start(
        environment, demo_server.assistant, wish(REFUND), app=APPS["handler"]
    )
    approval = gate.pending_approval()
    time.sleep(0.5)
    assert app.is_running
    assert gate.run("approvals", verb, approval).returncode == 0
    told = app.finish()

    assert told.call_names == (["refund_order"] if verb == "approve" else [])
    assert ("ran refund_order" if verb == "approve" else "APPROVAL_DENIED") in told.text


@pytest.mark.conforms(promise="sanitized")
@SDKS
@EACH_APP
@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_sdk_is_given_the_redacted_arguments(run: Run, mode: str, sdk: str, app: str) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"

    told = run(mode, wish(("send_message", {"text": f"key {key}"})), sdk=sdk, app=app)

    assert key not in json.dumps(told.events)
    assert json.loads(told.calls[0]["arguments"])["text"].startswith("key ")
    assert told.end["status"] == "completed"


# -- the wire -----------------------------------------------------------------------------


@pytest.mark.conforms(promise="annotated")
@EACH_MODE
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_annotation_stands_before_the_event_that_completes_the_call(
    talk: BeginTalk, mode: str, http2: bool
) -> None:
    stream = talk(mode, wish(WEATHER, ("get_time", {})), http2=http2).begin().finish()

    assert stream.version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert stream.headers["Callgate-Mode"] == mode
    [annotated] = annotated_calls(stream.body)
    assert list(annotated) == [call["id"] for call in waiting_calls(stream.body)]
    assert all(call["decision"] == "allow" and call["trace"] for call in annotated.values())
    before, _, behind = stream.body.partition(b": callgate ")
    assert b"requires_action" not in before.split(b"thread.run.step.")[0]
    assert behind.split(b"\n")[1] == b"event: thread.run.requires_action"


@pytest.mark.conforms(promise="annotated")
@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_denied_call_is_delivered_with_its_verdict(talk: BeginTalk, mode: str) -> None:
    stream = talk(mode, wish(WEATHER, SHELL)).begin().finish()

    weather, shell = waiting_calls(stream.body)
    [annotated] = annotated_calls(stream.body)
    assert annotated[weather["id"]]["decision"] == "allow"
    assert annotated[shell["id"]]["decision"] == "deny"
    assert annotated[shell["id"]]["reason"] == "POLICY_DENIED"


def test_pending_call_is_delivered_with_its_approval(talk: BeginTalk) -> None:
    stream = talk("enforce", wish(REFUND)).begin().finish()

    [[annotated]] = [list(found.values()) for found in annotated_calls(stream.body)]
    assert annotated["decision"] == "require_approval"
    assert annotated["approval"]
    assert annotated["approval-url"].endswith(annotated["approval"])


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_withheld_call_is_in_no_byte(talk: BeginTalk, demo_server: Server, http2: bool) -> None:
    shell = fresh("run_shell")
    conversation = talk("withhold", wish(WEATHER, shell, ("get_time", {})), http2=http2)
    stream = conversation.begin().finish()

    names = [call["function"]["name"] for call in waiting_calls(stream.body)]
    assert names == ["get_weather", "get_time"]
    assert delta_arguments(stream.body) == {0: '{"city": "Oslo"}', 1: "{}"}
    secret = shell[1]["command"].removeprefix("echo ")
    for needle in (b"run_shell", secret.encode()):
        assert needle not in stream.body
    after = conversation.submit(stream).finish()
    if not http2:
        assert secret not in demo_server.received().split(conversation.thread, 1)[1]
    assert '"completed"' in after.body.decode().replace(" ", "")
    assert secret.encode() not in after.body


def test_run_whose_calls_are_all_withheld_shows_one_stream(talk: BeginTalk) -> None:
    shell = fresh("run_shell")
    stream = talk("withhold", wish(shell, shell)).begin().finish()

    names = [name for name, _ in events_of(stream.body)]
    assert names.count("done") == 1
    assert names[-1] == "done"
    assert "thread.run.requires_action" not in names
    assert names.count("thread.run.completed") == 1
    assert shell[1]["command"].encode() not in stream.body
    assert "Tool call blocked by Callgate: POLICY_DENIED" in text_of(stream.body)


@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_redacted_arguments_are_the_same_in_deltas_run_and_step(talk: BeginTalk, mode: str) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    call = ("send_message", {"text": f'käse 😀 {key} \\ "q"'})
    conversation = talk(mode, wish(WEATHER, call))
    stream = conversation.begin().finish()
    after = conversation.submit(stream).finish()
    run = events_of(stream.body)[-2][1]["id"]
    steps = conversation.get(f"/runs/{run}/steps")["data"]

    assert key.encode() not in stream.body + after.body
    in_run = waiting_calls(stream.body)[1]["function"]["arguments"]
    [in_list] = [
        found["function"]["arguments"]
        for step in steps
        for found in step["step_details"].get("tool_calls", [])
        if found["function"]["name"] == "send_message"
    ]
    [in_event] = [
        found["function"]["arguments"]
        for name, data in events_of(after.body)
        if name == "thread.run.step.completed"
        for found in data["step_details"].get("tool_calls", [])
        if found["function"]["name"] == "send_message"
    ]
    assert delta_arguments(stream.body)[1] == in_run == in_list == in_event
    assert json.loads(in_run)["text"].startswith("käse 😀 ")
    assert delta_arguments(stream.body)[0] == '{"city": "Oslo"}'


def test_text_before_a_held_call_arrives_before_its_verdict(talk: BeginTalk, gates: Gates) -> None:
    stream = talk("withhold", story(wish(REFUND), say="One moment, please.")).begin()
    stream.wait_for(b"please.")
    approval = gates["withhold"].pending_approval()
    assert b"refund_order" not in stream.body
    decided_at = time.monotonic()
    assert gates["withhold"].run("approvals", "approve", approval).returncode == 0
    stream.finish()

    assert stream.at(b"please.") < decided_at < stream.at(b"refund_order")
    assert text_of(stream.body) == "One moment, please."
    assert [c["function"]["name"] for c in waiting_calls(stream.body)] == ["refund_order"]


def test_held_stream_is_kept_alive_by_comments(talk: BeginTalk, gates: Gates) -> None:
    stream = talk("withhold", wish(REFUND)).begin()
    approval = gates["withhold"].pending_approval()
    stream.wait_for(b": callgate\n")
    assert not stream.is_over
    assert gates["withhold"].run("approvals", "deny", approval).returncode == 0
    stream.finish()

    assert b": callgate\n\n" not in stream.body
    assert "APPROVAL_DENIED" in text_of(stream.body)


# -- servers that differ ------------------------------------------------------------------


@pytest.fixture(scope="module")
def servers(server_context: Any, upstream_ca_file: Path) -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:

        def add(**options: Any) -> Server:
            return stack.enter_context(demo(server_context, upstream_ca_file, **options))

        yield {
            "full-step": add(style="full-step"),
            "new-ids": add(style="new-ids"),
            "no-required-action": add(style="no-required-action"),
            "one byte": add(chunk_bytes=1),
            "seven bytes": add(chunk_bytes=7),
            "gzip": add(stream_encoding="gzip"),
            "br": add(stream_encoding="br"),
            "zstd": add(stream_encoding="zstd"),
            "short runs": add(run_seconds=3),
        }


@pytest.fixture(scope="module")
def other_gates(start_shared_gate: StartGate, servers: dict[str, Server]) -> Gates:
    hosts = [server.host for server in servers.values()]
    return {mode: start_shared_gate(*hosts, mode=mode, policy=POLICY) for mode in MODES}


DIFFERENT = pytest.mark.parametrize(
    "kind", ["full-step", "new-ids", "one byte", "seven bytes", "gzip", "br", "zstd"]
)


@DIFFERENT
@EACH_MODE
@EACH_APP
def test_app_works_on_servers_that_differ(
    other_gates: Gates,
    servers: dict[str, Server],
    client_for: Callable[[str], Client],
    kind: str,
    mode: str,
    app: str,
) -> None:
    if (kind, app) == ("new-ids", "events"):
        pytest.skip("an app that takes ids from deltas does not work on such a server")
    environment = other_gates[mode].client_environment(servers[kind].base_url)
    message = story(wish(WEATHER), wish(WEATHER, ("get_time", {})))
    told = client_for("3").run(environment, servers[kind].assistant, message, app=APPS[app])

    assert told.call_names == ["get_weather", "get_weather", "get_time"]
    assert told.end["status"] == "completed"


@pytest.mark.parametrize(
    "kind",
    ["full-step", "new-ids", "no-required-action", "one byte", "seven bytes", "gzip", "br", "zstd"],
)
def test_withheld_call_is_in_no_byte_of_servers_that_differ(
    talk: BeginTalk, other_gates: Gates, servers: dict[str, Server], kind: str
) -> None:
    shell = fresh("run_shell")
    gate, server = other_gates["withhold"], servers[kind]
    accepted = {"Accept-Encoding": kind if kind in ("gzip", "br", "zstd") else "identity"}

    one = talk("", wish(WEATHER, shell), gate=gate, server=server).begin(**accepted).finish()
    none = talk("", wish(shell), gate=gate, server=server).begin(**accepted).finish()

    for stream in (one, none):
        assert stream.headers.get("Content-Encoding", "identity") == "identity"
        assert shell[1]["command"].encode() not in stream.body
        assert events_of(stream.body)[-1] == ("done", "[DONE]")
        assert stream.error is None
    assert b"get_weather" in one.body
    assert b"run_shell" not in one.body
    assert "Tool call blocked by Callgate" in text_of(none.body)


def test_run_that_expires_while_held_ends_with_an_error(
    talk: BeginTalk, other_gates: Gates, servers: dict[str, Server]
) -> None:
    stream = talk("", wish(REFUND), gate=other_gates["withhold"], server=servers["short runs"])
    told = stream.begin().finish()  # by itself the question would be open for an hour

    name, data = events_of(told.body)[-1]
    assert name == "error"
    assert "expired" in data["error"]["message"]
    assert b"refund_order" not in told.body


@SDKS
@EACH_APP
def test_sdk_raises_when_a_held_run_expires(
    other_gates: Gates,
    servers: dict[str, Server],
    client_for: Callable[[str], Client],
    sdk: str,
    app: str,
) -> None:
    server = servers["short runs"]
    environment = other_gates["withhold"].client_environment(server.base_url)
    told = client_for(sdk).run(environment, server.assistant, wish(REFUND), app=APPS[app])

    assert told.calls == []
    assert told.error["kind"] == openai.APIError.__name__
    assert "expired" in told.error["message"]
