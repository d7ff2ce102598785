"""Streams of agent sessions: what is held, what is let out, and what the SDK makes of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

import openai.lib.beta.agents  # noqa: F401  the dispatcher's own import goes in a circle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import OpenAI
from openai._models import construct_type
from openai.lib.streaming.agents._dispatch import ToolDispatcher
from openai.types.beta import AgentSessionEvent

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import segments
from callgate.surfaces import agent_events, sse
from callgate.surfaces.agents import Agents
from callgate.surfaces.base import Change, Events, Group, Passing
from callgate.surfaces.sse import SseEvent, SseReader
from tests.surfaces.agent_objects import (
    CONNECTION,
    EVENTS,
    NOTICE,
    SESSIONS,
    Object,
    action,
    added,
    approval,
    delta,
    done,
    event,
    item,
    login,
    message,
    of_turn,
    output,
    request,
    sdk_event,
    session,
    state,
    told,
)

TURN: Object = {
    "id": "turn_1",
    "object": "agent.session.turn",
    "agent_id": "agent_1",
    "created_at": 1,
    "session_id": "sess_1",
    "status": "in_progress",
}
A, B = item(), item("call_2", "wipe", arguments='{"path": "/srv"}')
MESSAGE = message(id="msg_1")
WHOLE: list[Object] = [
    state("created"),
    of_turn("created", turn=TURN),
    added(A),
    added({**MESSAGE, "status": "in_progress", "content": []}),
    delta(),
    done(MESSAGE),
    done(A),
    added(B),
    done(B),
    state("requires_action", action(), action("call_2", "wipe", arguments={"path": "/srv"})),
    added(output()),
    state("in_progress"),
    of_turn("completed", turn={**TURN, "status": "completed"}),
    state("idle"),
]
SESSIONS_OF_SDK = OpenAI(api_key="sk-" + "x").beta.agents.sessions
HIDE_A = Change(hidden={"call_1": NOTICE})


def opened(target: str = EVENTS) -> Events:
    method = "GET" if target == EVENTS else "POST"
    endpoint = Agents().endpoint(method, segments(target))
    assert endpoint is not None
    return endpoint.surface.open_events(endpoint, request(target, method), sse.event)


def raw(document: Json) -> bytes:
    name = document.get("type") if isinstance(document, dict) else ""
    return sse.event(str(name or ""), json.dumps(document))


def fed(events: Events, document: Json) -> Passing | Group:
    """What one event becomes; this API tells nothing in pieces."""
    [whole] = SseReader(1 << 20).feed(raw(document))
    [part] = events.feed(whole)
    return part


def parts(*documents: Json, target: str = EVENTS) -> list[Passing | Group]:
    events = opened(target)
    return [fed(events, document) for document in documents]


def out(found: Iterable[Passing | Group], change: Change | None = None) -> list[Any]:
    """What leaves, parsed."""
    left: list[bytes] = []
    for part in found:
        left += [part.raw] if isinstance(part, Passing) else part.render(change or Change(), b"")
    reader = SseReader(1 << 20)
    return [json.loads(one.data or "") for chunk in left for one in reader.feed(chunk)]


def groups(found: Iterable[Passing | Group]) -> list[Group]:
    return [part for part in found if not isinstance(part, Passing)]


def judged(found: Iterable[Passing | Group]) -> list[tuple[str, str, str, str]]:
    return told(turn for group in groups(found) for turn in group.turns)


def refused(*documents: Json, target: str = EVENTS) -> str:
    with pytest.raises(BodyError) as error:
        parts(*documents, target=target)
    return str(error.value)


class Sdk:
    """What the SDK's own dispatcher would run of a stream."""

    def __init__(self) -> None:
        handlers = dict.fromkeys(("look", "wipe"), lambda _: None)
        self._dispatcher = ToolDispatcher(SESSIONS_OF_SDK, handlers)

    def runs(self, documents: Iterable[Json]) -> set[tuple[str, str, str]]:
        found = set()
        for document in documents:
            made: Any = construct_type(value=document, type_=AgentSessionEvent)
            try:
                pending = self._dispatcher.prepare(made)
            except (AttributeError, TypeError):
                continue  # the app dies of such an event
            if pending:
                _, call, _ = pending
                found.add((call.call_id, call.name, json.dumps(call.arguments)))
        return found


# -- held and let out -----------------------------------------------------------------------


def test_stream_keeps_its_bytes_and_its_calls_are_found_where_they_are_told() -> None:
    found = parts(*WHOLE)
    assert out(found) == WHOLE
    held = [n for n, part in enumerate(found) if not isinstance(part, Passing)]
    assert held == [2, 6, 7, 8, 9, 10]
    a = ("function", "call_1", "look", '{"city":"Oslo"}')
    b = ("function", "call_2", "wipe", '{"path": "/srv"}')
    assert judged(found[2:3]) == [a]
    assert set(judged(found)) == {a, b, (*b[:3], '{"path":"/srv"}')}


def test_every_event_is_the_sdks() -> None:
    for document in WHOLE:
        sdk_event(document)


def test_what_the_agent_says_goes_past_held_calls_and_nothing_else_does() -> None:
    texts = [
        document["type"]
        for document, part in zip(WHOLE, parts(*WHOLE), strict=True)
        if isinstance(part, Passing) and part.is_text
    ]
    assert texts == [
        "agent.session.turn.created",
        "agent.session.turn.item.added",
        "agent.session.turn.output_text.delta",
        "agent.session.turn.item.done",
    ]


def test_result_of_a_call_that_was_not_told_keeps_its_place() -> None:
    assert parts(added(output())) == [Passing(raw(added(output())))]


def test_calls_belong_to_the_session_that_their_event_names() -> None:
    def scopes(*documents: Json, target: str = EVENTS) -> list[str]:
        found = groups(parts(*documents, target=target))
        return [call.scope for group in found for turn in group.turns for call in turn.calls]

    plain = {key: value for key, value in added(A).items() if key != "session_id"}
    assert scopes(plain) == ["sessions/sess_1"]
    assert scopes({**plain, "session_id": "sess_2"}) == ["sessions/sess_2"]
    assert scopes(state("created"), plain, target=SESSIONS) == ["sessions/sess_1"]
    assert scopes(state("created", id=None), plain) == ["sessions/sess_1"]
    assert "never told" in refused(plain, target=SESSIONS)
    assert "another path" in refused({**plain, "session_id": "../x"})


def test_model_is_the_one_that_the_session_told() -> None:
    [group] = groups(parts(state("created"), added(A), state("idle", agent=None)))
    assert group.turns[0].calls[0].model == "gpt-x"


def test_call_is_annotated_where_it_is_told_first() -> None:
    found = groups(parts(*WHOLE))
    assert [any(turn.is_waiting for turn in group.turns) for group in found] == [
        True,
        False,
        True,
        False,
        True,  # as objects and as texts arguments may read differently
        False,
    ]
    assert found[0].render(Change(), b": c\n")[0] == b": c\n"


def test_calls_are_answered_one_by_one_and_the_stream_is_not_asked_again() -> None:
    [group] = groups(parts(state("requires_action", action(), approval(), CONNECTION)))
    assert [turn.scope for turn in group.turns] == [
        "sessions/sess_1/turns/turn_1",
        "sessions/sess_1/mcp_approval_request/mcp_tool_call",
    ]
    assert all(turn.settles_each and not turn.is_polled for turn in group.turns)
    [group] = groups(parts(added(A)))
    assert group.turns[0].settles_each


@pytest.mark.parametrize("status", ["created", "idle", "in_progress", "failed"])
def test_actions_are_found_in_every_state(status: str) -> None:
    assert judged(parts(state(status, action()))) != []


def test_comments_and_the_end_pass() -> None:
    reader, events = SseReader(1 << 20), opened()
    for chunk in (b": hello\n\n", b"data: \n\n", b"data: [DONE]\n\n"):
        [whole] = reader.feed(chunk)
        assert list(events.feed(whole)) == [Passing(chunk)]
    assert list(events.finish()) == []
    assert (events.give_up(), events.held_bytes, events.scope) == ([], 0, "")


# -- hidden ---------------------------------------------------------------------------------


def test_hidden_call_leaves_no_trace_but_a_message() -> None:
    left = out(parts(*WHOLE), HIDE_A)
    for document in left:
        sdk_event(document)
    assert "call_1" not in json.dumps(left).replace("fc_call_1", "")
    assert [one["item"]["type"] for one in left if "item" in one] == [
        "message",
        "message",
        "message",
        "message",
        "function_call",
        "function_call",
    ]
    assert left[2]["item"]["content"] == [{"type": "output_text", "text": NOTICE}]
    assert left[2]["output_index"] == 0
    assert left[9]["type"] == "agent.session.requires_action"
    assert {id for id, _, _ in Sdk().runs(left)} == {"call_2"}


def test_session_that_waits_for_hidden_calls_only_is_at_work() -> None:
    [told] = out(parts(state("requires_action", action())), HIDE_A)
    assert sdk_event(told).type == "agent.session.in_progress"
    assert told["session"]["status"] == "in_progress"
    assert told["session"]["required_actions"] == []
    [other] = out(parts(state("failed", action())), HIDE_A)
    assert (other["type"], other["session"]["status"]) == ("agent.session.failed", "failed")


def test_hidden_login_leaves_its_item_and_its_action() -> None:
    asked: Object = {**login(), "id": "item_1"}
    change = Change(hidden={"log_1": NOTICE})
    left = out(parts(added(asked), state("requires_action", login())), change)
    assert "computer_use" not in json.dumps(left)


def test_name_of_an_event_is_told_only_where_it_was() -> None:
    events, data = opened(), json.dumps(state("requires_action", action()))
    [group] = events.feed(SseEvent(f"data: {data}\n\n".encode(), "", data))
    assert not isinstance(group, Passing)
    [changed] = group.render(HIDE_A, b"")
    assert changed.startswith(b"data: ")
    [named] = groups(parts(state("requires_action", action())))
    assert named.render(HIDE_A, b"")[0].startswith(b"event: agent.session.in_progress\n")


def test_nothing_more_is_said_of_a_hidden_call() -> None:
    piece = of_turn("function_call_arguments.delta", item_id="fc_call_1", delta="{")
    found = parts(added(A), added(output()), piece)
    assert out(found) == [added(A), added(output()), piece]
    assert len(out(found, HIDE_A)) == 1
    redacted = Change({"call_1": '{"city":"[REDACTED]"}'})
    assert len(out(found, redacted)) == 2


def test_redacted_arguments_are_told_in_every_place() -> None:
    change = Change({"call_1": '{"city":"[x]"}', "call_2": '{"path":"[y]"}'})
    left = out(parts(*WHOLE), change)
    for document in left:
        sdk_event(document)
    told = [one["item"]["arguments"] for one in left if "arguments" in one.get("item", {})]
    assert told == [{"city": "[x]"}] * 2 + ['{"path":"[y]"}'] * 2
    actions = [one for e in left for one in e.get("session", {}).get("required_actions", [])]
    assert [one["arguments"] for one in actions] == [{"city": "[x]"}, {"path": "[y]"}]
    assert "Oslo" not in json.dumps(left)


# -- what can not be told -------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        [],
        of_turn("completed", turn={**TURN, "items": [A]}),
        of_turn("function_call_arguments.delta", item_id="fc_9", delta="{"),
        event("tool.begun", name="look"),
        {"event_id": "e", "arguments": "{}"},
        of_turn("said", arguments="{}"),
        {**added(A), "Item": B},
        added({"type": "function_call"}),
        state("idle", required_actions={}),
    ],
)
def test_pieces_of_calls_that_nobody_knows_are_refused(document: Json) -> None:
    refused(document)


def test_unknown_events_about_nothing_of_the_kind_pass() -> None:
    unknown: list[Json] = [
        event("weather"),
        event("environment.tooled"),
        {"type": "error", "error": {}},
    ]
    assert out(parts(*unknown)) == unknown


def test_item_of_an_unknown_type_is_judged() -> None:
    robot: Object = {"type": "robot_call", "id": "r_1", "turn_id": "turn_1"}
    assert judged(parts(added(robot)))[0][:2] == ("robot_call", "r_1")


def test_only_the_latest_calls_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_events, "_REMEMBERED", 2)
    found = parts(added(A), added(B), added(output()), added(output("call_2")))
    assert [isinstance(part, Passing) for part in found] == [False, False, True, False]


# -- hostile streams ------------------------------------------------------------------------


def _mutated(documents: list[Any], steps: list[tuple[str, int, int]]) -> list[Any]:
    documents = copy.deepcopy(documents)
    for verb, place, other in steps:
        at, to = place % len(documents), other % len(documents)
        match verb:
            case "move":
                documents.insert(to, documents.pop(at))
            case "repeat":
                documents.insert(to, copy.deepcopy(documents[at]))
            case "swap":
                pair = documents[at], documents[to]
                if all("item" in one for one in pair):
                    pair[0]["item"], pair[1]["item"] = pair[1]["item"], pair[0]["item"]
            case "retype":
                documents[at]["type"] = documents[to]["type"]
            case "rename":
                if "item" in documents[at]:
                    documents[at]["item"]["call_id"] = f"call_{to}"
            case "empty":
                documents[at].pop(list(documents[at])[to % len(documents[at])])
                documents[at].setdefault("type", "x")
    return documents


STEPS = st.tuples(
    st.sampled_from(["move", "repeat", "swap", "retype", "rename", "empty"]),
    st.integers(0, 50),
    st.integers(0, 50),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=6))
def test_whatever_the_sdk_runs_was_judged_and_nothing_hidden_is_run(
    steps: list[tuple[str, int, int]],
) -> None:
    documents = _mutated(WHOLE, steps)
    found: list[Passing | Group] = []
    events = opened()
    try:
        for document in documents:
            found.append(fed(events, document))
    except BodyError:
        pass  # the stream ends here
    calls = [c for group in groups(found) for turn in group.turns for c in turn.calls]
    seen = {(call.id, call.name) for call in calls}
    assert {(id, name) for id, name, _ in Sdk().runs(out(found))} <= seen
    hidden = {call.id for call in calls if call.name == "wipe"}
    left = out(found, Change(hidden=dict.fromkeys(hidden, NOTICE)))
    assert not {id for id, _, _ in Sdk().runs(left)} & hidden


def test_session_of_the_stream_is_whole() -> None:
    assert sdk_event(state("idle")).session.id == session()["id"]


def test_stream_tells_its_session() -> None:
    events = opened(SESSIONS)
    assert list(events.begun) == []
    fed(events, state("created"))

    assert list(events.begun) == ["sessions/sess_1"]
