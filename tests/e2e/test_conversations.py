"""Conversations: calls and results that are kept at the API, and read and written item by item."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.gate import Gate, StartGate
from tests.e2e.reception import calls_in, client_of
from tests.e2e.servers import Server, calling, wish

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
"""
WEATHER = ("get_weather", {"city": "Oslo"})
SHELL = ("run_shell", {"command": "ls"})

pytestmark = pytest.mark.conforms(surface="conversations")

type Json = dict[str, Any]


@pytest.fixture(scope="module")
def server(server_context: ssl.SSLContext) -> Iterator[Server]:
    with calling(server_context) as running:
        yield running


class Talk:
    """One conversation of an app that keeps nothing itself."""

    def __init__(self, client: httpx.Client, base_url: str) -> None:
        self._client = client
        self._base = base_url
        self.id = self.post("conversations", {}).json()["id"]

    def post(self, path: str, body: Json) -> httpx.Response:
        return self._client.post(f"{self._base}/{path}", json=body)

    def say(self, *given: Json | str) -> httpx.Response:
        """A turn of the model in this conversation."""
        items = [{"role": "user", "content": g} if isinstance(g, str) else g for g in given]
        body = {"model": "m", "conversation": self.id, "input": items}
        return self.post("responses", body)

    def add(self, *items: Json) -> httpx.Response:
        return self.post(f"conversations/{self.id}/items", {"items": list(items)})

    def items(self) -> httpx.Response:
        return self._client.get(f"{self._base}/conversations/{self.id}/items")


@pytest.fixture
def talk(start_shared_gate: StartGate, server: Server) -> Iterator[Callable[[str], Talk]]:
    clients = []

    def begin(mode: str) -> Talk:
        gate: Gate = start_shared_gate(server.host, mode=mode, policy=POLICY)
        clients.append(client_of(gate))
        return Talk(clients[-1], server.base_url)

    yield begin
    for client in clients:
        client.close()


def calls_of(answer: httpx.Response) -> dict[str, Json]:
    document = answer.json()
    found = document["output"] if "output" in document else document["data"]
    return {item["name"]: item for item in found if item.get("type") == "function_call"}


def result(call: Json, output: str) -> Json:
    return {"type": "function_call_output", "call_id": call["call_id"], "output": output}


@pytest.mark.conforms(promise="found")
@pytest.mark.parametrize("mode", ["observe", "enforce", "withhold"])
def test_result_of_an_allowed_call_is_kept_and_used(talk: Callable[[str], Talk], mode: str) -> None:
    with_model = talk(mode)
    call = calls_of(with_model.say(wish(WEATHER)))["get_weather"]
    assert with_model.add(result(call, "sunny")).status_code == 200

    assert "sunny" in with_model.say().text


@pytest.mark.conforms(promise="annotated")
def test_list_of_items_says_what_was_decided(talk: Callable[[str], Talk]) -> None:
    with_model = talk("enforce")
    with_model.say(wish(WEATHER, SHELL))
    listed = with_model.items()

    told = calls_in(listed.headers)
    calls = calls_of(listed)
    assert told[calls["run_shell"]["call_id"]]["decision"] == "deny"
    assert told[calls["get_weather"]["call_id"]]["decision"] == "allow"


@pytest.mark.conforms(promise="result refused")
def test_result_of_a_denied_call_is_not_kept(talk: Callable[[str], Talk], server: Server) -> None:
    with_model = talk("enforce")
    call = calls_of(with_model.say(wish(SHELL)))["run_shell"]
    answer = with_model.add(result(call, "ran the conversation's shell"))

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "tool_call_denied"
    assert "ran the conversation's shell" not in server.received()


@pytest.mark.conforms(promise="result refused")
def test_result_of_a_denied_call_does_not_start_a_conversation(
    talk: Callable[[str], Talk], server: Server
) -> None:
    with_model = talk("enforce")
    call = calls_of(with_model.say(wish(SHELL)))["run_shell"]
    items = [call, result(call, "ran for another conversation")]
    answer = with_model.post("conversations", {"items": items})

    assert answer.status_code == 403
    assert "ran for another conversation" not in server.received()


@pytest.mark.conforms(promise="withheld")
def test_withheld_call_is_not_listed_and_the_next_turn_answers_it(
    talk: Callable[[str], Talk],
) -> None:
    with_model = talk("withhold")
    calls = calls_of(with_model.say(wish(WEATHER, SHELL)))
    listed = with_model.items()
    assert list(calls) == ["get_weather"] == list(calls_of(listed))
    from_model = [item for item in listed.json()["data"] if item.get("role") != "user"]
    assert "run_shell" not in json.dumps(from_model)
    with_model.add(result(calls["get_weather"], "sunny"))

    assert "Tool call blocked by Callgate: POLICY_DENIED" in with_model.say().text


@pytest.mark.conforms(promise="sanitized")
@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_listed_arguments_are_the_redacted_ones(talk: Callable[[str], Talk], mode: str) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    with_model = talk(mode)
    call = calls_of(with_model.say(wish(("send_message", {"text": f"key {key}"}))))
    listed = calls_of(with_model.items())

    assert key not in call["send_message"]["arguments"]
    assert listed["send_message"]["arguments"] == call["send_message"]["arguments"]
    assert with_model.add(result(call["send_message"], "sent")).status_code == 200
    assert "sent" in with_model.say().text
