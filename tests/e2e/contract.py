"""What holds through the gate on every server; a test class gives it one and the ways to talk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import openai
import pytest

from tests.e2e import sdk
from tests.e2e.servers import Server, wish

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
"""
MODES = ("observe", "enforce", "withhold")
WEATHER = ("get_weather", {"city": "Oslo"})
SHELL = ("run_shell", {"command": "ls"})
NOTICE = "Tool call blocked by Callgate: POLICY_DENIED"

type Open = Callable[[str, str], AbstractContextManager[tuple[sdk.App, sdk.Conversation]]]
"""A new conversation by mode and way, and the app that leads it."""


def unique(text: str) -> str:
    """Something that can be told from all else that a server received."""
    return f"{text}-{time.monotonic_ns()}"


def is_annotated(way: str) -> bool:
    """A WebSocket has no place for annotations."""
    return not way.endswith("socket")


class ServerContract:
    """Subclasses define fixtures `server`, `conversation` (an `Open`) and `way`."""

    @pytest.mark.parametrize("mode", MODES)
    def test_allowed_call_arrives_and_its_result_gets_through(
        self, conversation: Open, server: Server, mode: str, way: str
    ) -> None:
        result = unique("sunny")
        with conversation(mode, way) as (app, model):
            [call] = model.ask(wish(WEATHER)).calls
            assert (call.name, json.loads(call.arguments)) == WEATHER
            assert model.answer(result).text == result

        assert result in server.received()
        if is_annotated(way):
            assert app.decisions == {call.id: "allow"}

    def test_denied_call_and_its_result_pass_where_they_are_observed(
        self, conversation: Open, way: str
    ) -> None:
        result = unique("listed")
        with conversation("observe", way) as (app, model):
            [call] = model.ask(wish(SHELL)).calls
            assert call.name == "run_shell"
            assert model.answer(result).text == result

        if is_annotated(way):
            assert app.decisions[call.id] == "deny"

    def test_result_of_a_denied_call_never_reaches_the_server(
        self, conversation: Open, server: Server, way: str
    ) -> None:
        result = unique("listed")
        with conversation("enforce", way) as (app, model):
            [call] = model.ask(wish(SHELL)).calls
            with pytest.raises((openai.PermissionDeniedError, sdk.SocketError)) as refusal:
                model.answer(result)
            if way.endswith("socket"):
                # an answer to what comes next tells that nothing was on its way before it
                model.ask(wish(WEATHER))

        assert isinstance(refusal.value, openai.PermissionDeniedError | sdk.SocketError)
        assert refusal.value.code == "tool_call_denied"
        assert result not in server.received()
        if is_annotated(way):
            assert app.decisions[call.id] == "deny"

    def test_withheld_call_is_in_no_byte_but_its_notice_is(
        self, conversation: Open, way: str
    ) -> None:
        command = unique("echo")
        with conversation("withhold", way) as (app, model):
            said = model.ask(wish(("run_shell", {"command": command})))
            assert said.calls == []
            assert said.text.startswith(NOTICE)

        assert command.encode() not in app.received
        assert b"run_shell" not in app.received

    def test_user_goes_on_after_a_withheld_call(self, conversation: Open, way: str) -> None:
        with conversation("withhold", way) as (_, model):
            model.ask(wish(SHELL))

            assert model.ask(wish(WEATHER)).names == ["get_weather"]

    def test_sibling_of_a_withheld_call_is_answered(
        self, conversation: Open, server: Server, way: str
    ) -> None:
        result = unique("sunny")
        with conversation("withhold", way) as (app, model):
            said = model.ask(wish(SHELL, WEATHER))
            assert said.names == ["get_weather"]
            assert result in model.answer(result).text

        assert b"run_shell" not in app.received
        assert result in server.received()

    @pytest.mark.parametrize("mode", ["enforce", "withhold"])
    def test_secret_in_arguments_reaches_no_app_and_its_call_goes_on(
        self, conversation: Open, mode: str, way: str
    ) -> None:
        key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
        with conversation(mode, way) as (app, model):
            [call] = model.ask(wish(("send_message", {"text": f"key {key}", "to": "me"}))).calls
            assert json.loads(call.arguments)["to"] == "me"
            assert model.answer("sent").text == "sent"

        assert key.encode() not in app.received
        if is_annotated(way):
            assert app.decisions[call.id] == "sanitize"
