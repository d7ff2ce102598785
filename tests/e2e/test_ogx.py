"""OGX: Responses that are kept, polled and looked up again, and Conversations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.e2e import sdk
from tests.e2e.contract import MODES, NOTICE, POLICY, SHELL, WEATHER, Open, ServerContract, unique
from tests.e2e.gate import Gate, StartGate
from tests.e2e.servers import Server, wish

MODEL = "openai/gpt-4o"
WAYS = ("responses", "responses streamed", "responses background", "conversation")


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, ogx_server: Server) -> dict[str, Gate]:
    return {mode: start_shared_gate(ogx_server.host, mode=mode, policy=POLICY) for mode in MODES}


class TestOgx(ServerContract):
    @pytest.fixture(params=WAYS)
    def way(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def server(self, ogx_server: Server) -> Server:
        return ogx_server

    @pytest.fixture
    def conversation(self, gates: dict[str, Gate], server: Server) -> Open:
        @contextmanager
        def conversation(mode: str, way: str) -> Iterator[tuple[sdk.App, sdk.Conversation]]:
            with sdk.app(gates[mode], server.base_url) as app:
                is_kept = way == "conversation"
                yield (
                    app,
                    sdk.Responses(
                        app.openai,
                        MODEL,
                        is_streamed=way.endswith("streamed"),
                        is_background=way.endswith("background"),
                        conversation=app.openai.conversations.create().id if is_kept else "",
                    ),
                )

        return conversation

    @pytest.mark.parametrize("way", [way for way in WAYS if not way.endswith("streamed")])
    def test_sibling_of_a_withheld_call_is_answered(
        self, conversation: Open, server: Server, way: str
    ) -> None:
        """Its streams put parallel calls in one place: see below."""
        super().test_sibling_of_a_withheld_call_is_answered(conversation, server, way)

    def test_user_goes_on_after_a_withheld_call(self, conversation: Open, way: str) -> None:
        """Results come last to its model, wherever they stand: that answers the notice first."""
        with conversation("withhold", way) as (_, model):
            model.ask(wish(SHELL))
            said = model.ask(wish(WEATHER))
            if said.text.startswith(NOTICE):
                said = model.ask(wish(WEATHER))

            assert said.names == ["get_weather"]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_response_shows_the_same_calls_whenever_it_is_looked_up(
    gates: dict[str, Gate], ogx_server: Server, mode: str
) -> None:
    with sdk.app(gates[mode], ogx_server.base_url) as app:
        made = app.openai.responses.create(model=MODEL, tools=sdk.TOOLS, input=wish(WEATHER, SHELL))
        del app.received[:]
        found = app.openai.responses.retrieve(made.id)

    assert sdk.said_in(found) == sdk.said_in(made)
    expected = ["get_weather"] if mode == "withhold" else ["get_weather", "run_shell"]
    assert sdk.said_in(found).names == expected
    assert (b"run_shell" in app.received) == (mode != "withhold")
    assert sorted(app.decisions.values()) == ["allow", "deny"]


def test_calls_of_a_conversation_show_in_its_items_as_in_the_response(
    gates: dict[str, Gate], ogx_server: Server, mode: str
) -> None:
    with sdk.app(gates[mode], ogx_server.base_url) as app:
        kept = app.openai.conversations.create().id
        app.openai.responses.create(
            model=MODEL, tools=sdk.TOOLS, input=wish(WEATHER, SHELL), conversation=kept
        )
        items = list(app.openai.conversations.items.list(kept))

    names = sorted(item.name for item in items if item.type == "function_call")
    assert names == (["get_weather"] if mode == "withhold" else ["get_weather", "run_shell"])


def test_input_items_of_the_next_turn_hold_the_result_and_no_withheld_call(
    gates: dict[str, Gate], ogx_server: Server
) -> None:
    result = unique("sunny")
    with sdk.app(gates["withhold"], ogx_server.base_url) as app:
        turns = sdk.Responses(app.openai, MODEL)
        turns.ask(wish(SHELL, WEATHER))
        turns.answer(result)
        items = list(app.openai.responses.input_items.list(turns.last.id))

    assert result in [item.output for item in items if item.type == "function_call_output"]
    calls = [item.name for item in items if item.type == "function_call"]
    assert "run_shell" not in calls


@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_result_of_an_allowed_call_is_added_to_a_conversation(
    gates: dict[str, Gate], ogx_server: Server, mode: str
) -> None:
    result = unique("sunny")
    with sdk.app(gates[mode], ogx_server.base_url) as app:
        turns, items = asked_in_a_conversation(app, wish(WEATHER), result)
        app.openai.conversations.items.create(turns.conversation, items=items)

        assert result in outputs_of(app, turns.conversation)
        assert turns.ask(wish(WEATHER)).names == ["get_weather"]


def test_result_of_a_denied_call_is_not_added_to_a_conversation(
    gates: dict[str, Gate], ogx_server: Server
) -> None:
    result = unique("listed")
    with sdk.app(gates["enforce"], ogx_server.base_url) as app:
        turns, items = asked_in_a_conversation(app, wish(SHELL), result)
        with pytest.raises(openai.PermissionDeniedError) as refusal:
            app.openai.conversations.items.create(turns.conversation, items=items)

        assert outputs_of(app, turns.conversation) == []
    assert refusal.value.code == "tool_call_denied"
    assert refusal.value.param == "items[0].output"
    assert result not in ogx_server.received()


def asked_in_a_conversation(app: sdk.App, message: str, result: str) -> tuple[sdk.Responses, Any]:
    """A conversation that was asked something, and the item that answers its call."""
    turns = sdk.Responses(app.openai, MODEL, conversation=app.openai.conversations.create().id)
    turns.ask(message)
    return turns, sdk.results(turns.last, [result])


def outputs_of(app: sdk.App, conversation: str) -> list[str]:
    items = app.openai.conversations.items.list(conversation)
    return [str(item.output) for item in items if item.type == "function_call_output"]


@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_stream_that_puts_two_calls_in_one_place_is_ended_with_an_error(
    gates: dict[str, Gate], ogx_server: Server, mode: str
) -> None:
    """An SDK that goes by places would read other arguments than those that were judged."""
    with (
        sdk.app(gates[mode], ogx_server.base_url) as app,
        pytest.raises(openai.APIError, match="can not be inspected"),
    ):
        sdk.Responses(app.openai, MODEL, is_streamed=True).ask(wish(SHELL, WEATHER))

    assert b"run_shell" not in app.received


def test_result_that_quotes_no_call_is_refused_by_what_the_response_said(
    start_gate: StartGate, ogx_server: Server, gates: dict[str, Gate]
) -> None:
    """Another gate, which never saw the call, finds it where the API keeps it."""
    result = unique("listed")
    with sdk.app(gates["observe"], ogx_server.base_url) as app:
        asked = app.openai.responses.create(model=MODEL, tools=sdk.TOOLS, input=wish(SHELL))
    [call] = sdk.said_in(asked).calls
    other = start_gate(ogx_server.host, policy=POLICY)
    with (
        sdk.app(other, ogx_server.base_url) as app,
        pytest.raises(openai.PermissionDeniedError) as refusal,
    ):
        app.openai.responses.create(
            model=MODEL,
            previous_response_id=asked.id,
            input=[{"type": "function_call_output", "call_id": call.id, "output": result}],
        )

    assert refusal.value.code == "tool_call_denied"
    assert result not in ogx_server.received()


def test_notice_is_what_the_server_is_told_of_a_withheld_call(
    gates: dict[str, Gate], ogx_server: Server
) -> None:
    with sdk.app(gates["withhold"], ogx_server.base_url) as app:
        turns = sdk.Responses(app.openai, MODEL)
        turns.ask(wish(SHELL, WEATHER))

        assert NOTICE in turns.answer("sunny").text
