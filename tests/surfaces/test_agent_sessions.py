"""Sessions and lists of items: calls by how they are answered, and pictures without them."""

from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces import agent_sessions as sessions
from callgate.surfaces.agent_sessions import Answered
from callgate.surfaces.base import Hidden, Turn
from tests.surfaces.agent_objects import (
    CONNECTION,
    NOTICE,
    Object,
    access,
    action,
    approval,
    calls_of,
    item,
    login,
    message,
    output,
    request,
    sdk_item,
    sdk_session,
    session,
)

SCOPE = "sessions/sess_1"


def waiting(node: Object, fallback: str = "") -> list[Turn]:
    return sessions.session_turns(request(), node, fallback, is_polled=True)


def listed(*nodes: Json) -> list[Turn]:
    return sessions.item_turns(request(), SCOPE, [*nodes], "gpt-x", is_polled=True)


@pytest.mark.parametrize("id", [None, 5, "", ".", "..", "a/b"])
def test_session_that_leads_elsewhere_is_refused(id: Json) -> None:
    with pytest.raises(BodyError, match="session"):
        sessions.scope_of(id)


@pytest.mark.parametrize(
    ("scope", "answered"),
    [
        ("sessions/s", Answered("s", "", "")),
        ("sessions/s/turns/a/b", Answered("s", "turns", "a/b")),
        ("sessions/s/turns/", Answered("s", "turns", "")),
    ],
)
def test_scope_of_a_turn_tells_how_it_is_answered(scope: str, answered: Answered) -> None:
    assert sessions.answered_by(scope) == answered


def test_actions_are_turns_by_how_they_are_answered() -> None:
    other = action("call_2", turn_id="turn_2")
    node = session(CONNECTION, action(), approval(), access(), login(), other, action("call_3"))
    turns = waiting(node)

    assert [(turn.scope, [call.id for call in turn.calls]) for turn in turns] == [
        (f"{SCOPE}/turns/turn_1", ["call_1", "call_3"]),
        (f"{SCOPE}/mcp_approval_request/mcp_tool_call", ["apr_1"]),
        (f"{SCOPE}/computer_use_approval_request/browser_origin_access", ["acc_1"]),
        (f"{SCOPE}/computer_use_approval_request/browser_authentication", ["log_1"]),
        (f"{SCOPE}/turns/turn_2", ["call_2"]),
    ]
    assert {call.scope for call in calls_of(turns)} == {SCOPE}
    assert {call.model for call in calls_of(turns)} == {"gpt-x"}
    assert all(t.is_waiting and t.is_polled and t.settles_each for t in turns)
    assert not any(t.is_settleable or t.unanswerable for t in turns)


def test_action_of_an_unknown_type_can_not_be_answered() -> None:
    [turn] = waiting(session({"type": "robot_call", "call_id": "r", "turn_id": "t"}))
    assert turn.unanswerable == {"r"}
    assert not turn.settles_each


@pytest.mark.parametrize("agent", [None, "x", {"model": 5}])
def test_session_without_actions_is_no_turn(agent: Json) -> None:
    assert waiting(session()) == waiting({}) == waiting(session(CONNECTION, id=None)) == []
    [call] = calls_of(waiting(session(action(), agent=agent)))
    assert call.model == ""


def test_session_without_an_id_is_that_of_the_path() -> None:
    [turn] = waiting(session(action(), id=None), "sessions/path")
    assert turn.calls[0].scope == "sessions/path"
    [turn] = waiting(session(action()), "sessions/path")
    assert turn.calls[0].scope == SCOPE
    with pytest.raises(BodyError):
        waiting(session(action(), id=None))


@pytest.mark.parametrize("actions", [{}, ["x"], 5])
def test_actions_that_are_none_are_refused(actions: Json) -> None:
    with pytest.raises(BodyError, match="required_actions"):
        waiting(session(required_actions=actions))


def test_two_calls_under_one_id_are_refused() -> None:
    with pytest.raises(BodyError, match="same id"):
        waiting(session(action(), action(name="wipe")))
    with pytest.raises(BodyError, match="same id"):
        listed(item(), item(name="wipe"))
    assert len(calls_of(listed(item(), item(name="wipe", turn_id="turn_2")))) == 2


def test_items_wait_until_they_are_answered_or_over() -> None:
    turns = listed(
        message(),
        item(),
        item("call_2"),
        output("call_2"),
        item("call_3", status="completed"),
        output("call_1", turn_id="turn_2"),
        {"type": "robot_call", "id": "r"},
    )
    assert [([c.id for c in t.calls], t.is_waiting, t.settles_each) for t in turns] == [
        (["call_1"], True, True),
        (["call_2", "call_3"], False, False),
        (["r"], False, False),
    ]
    assert turns[0].scope == f"{SCOPE}/turns/turn_1"
    assert {call.model for call in calls_of(turns)} == {"gpt-x"}


# -- changing -------------------------------------------------------------------------------


def test_arguments_are_replaced_in_actions_and_items() -> None:
    node, entry = session(action(), action("call_2")), item(arguments="{}")
    sessions.replace_arguments(waiting(node)[0], {"call_1": '{"x":1}'})
    sessions.replace_arguments(listed(entry)[0], {"call_1": '{"x":1}'})
    assert node["required_actions"] == [action(arguments={"x": 1}), action("call_2")]
    assert entry["arguments"] == '{"x":1}'


def test_denied_action_leaves_and_others_still_wait() -> None:
    node = session(action(), action("call_2"))
    sessions.withhold(waiting(node)[0], Hidden({"call_1": NOTICE}, {}))
    assert node["required_actions"] == [action("call_2")]
    assert sdk_session(node).status == "requires_action"


def test_session_without_any_action_left_is_at_work() -> None:
    node = session(action())
    sessions.withhold(waiting(node)[0], Hidden({"call_1": NOTICE}, {}))
    assert (sdk_session(node).status, node["required_actions"]) == ("in_progress", [])
    node = session(action(), CONNECTION)
    sessions.withhold(waiting(node)[0], Hidden({"call_1": NOTICE}, {}))
    assert (node["status"], node["required_actions"]) == ("requires_action", [CONNECTION])
    node = session(action(), status="failed")
    sessions.withhold(waiting(node)[0], Hidden({"call_1": NOTICE}, {}))
    assert node["status"] == "failed"


def test_siblings_of_an_undecided_call_wait_with_it() -> None:
    node = session(action(), action("call_2"), approval())
    sessions.withhold(waiting(node)[0], Hidden({}, {"call_1": NOTICE}))
    assert node["required_actions"] == [approval()]


def test_messages_take_the_places_of_denied_items_and_their_results_leave() -> None:
    nodes: list[Json] = [item(), output(), item("call_2"), output(turn_id="turn_2")]
    [turn, _] = sessions.item_turns(request(), SCOPE, nodes, is_polled=True)
    sessions.withhold(turn, Hidden({"call_1": NOTICE}, {}))

    assert [sdk_item(node).type for node in nodes] == [
        "message",
        "function_call",
        "function_call_output",
    ]
    assert sdk_item(nodes[0]).output_text == NOTICE
    assert sdk_item(nodes[0]).id == "fc_call_1"


def test_undecided_items_are_not_there_yet() -> None:
    nodes: list[Json] = [message(), item(), item("call_2")]
    [turn] = sessions.item_turns(request(), SCOPE, nodes, is_polled=True)
    sessions.withhold(turn, Hidden({"call_2": NOTICE}, {"call_1": NOTICE}))
    assert [sdk_item(node).type for node in nodes] == ["message", "message"]
