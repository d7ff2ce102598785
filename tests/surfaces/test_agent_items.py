"""Items and actions of agent sessions: which are calls, how they read, and what replaces them."""

from __future__ import annotations

from typing import get_args

import pytest
from openai.types.beta.agent_session import RequiredAction
from openai.types.beta.agent_session_item import AgentSessionItem

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.model import SurfaceName
from callgate.surfaces import agent_items as items
from tests.surfaces.agent_objects import (
    CONNECTION,
    NOTICE,
    Object,
    access,
    action,
    approval,
    item,
    login,
    message,
    output,
    request,
    sdk_item,
    session,
)

CALLS = {"function_call", "mcp_approval_request", "computer_use_approval_request"}


def read(node: Object) -> tuple[str, str, str, str]:
    call = items.call_of(request(), "sessions/sess_1", node, "gpt-x")
    return call.kind, call.id, call.name, call.arguments


def sdk_types() -> list[str]:
    """Every type of items and of actions that the SDK knows."""
    unions = (get_args(AgentSessionItem)[0], get_args(RequiredAction)[0])
    models = [model for union in unions for model in get_args(union)]
    return [get_args(model.model_fields["type"].annotation)[0] for model in models]


def test_of_the_sdks_types_only_those_that_ask_the_app_are_calls() -> None:
    types = sdk_types()
    assert {kind for kind in types if items.is_call({"type": kind})} == CALLS
    assert len(types) > 20


def test_item_of_an_unknown_type_is_a_call_of_its_own_kind() -> None:
    node: Object = {"type": "robot_call", "id": "r_1", "turn_id": "t", "move": [1]}
    assert items.is_call(node)
    assert read(node) == ("robot_call", "r_1", "robot_call", '{"move":[1]}')
    assert read({**node, "call_id": "c", "name": "walk"})[1:3] == ("c", "walk")
    assert read({"type": "robot_call"})[1] == "robot_call"
    assert not items.is_answerable(node)


@pytest.mark.parametrize("kind", [None, 5, ""])
def test_item_without_a_type_is_refused(kind: Json) -> None:
    with pytest.raises(BodyError, match="type of an item"):
        items.is_call({"type": kind})


def test_known_key_in_other_letters_is_refused() -> None:
    with pytest.raises(BodyError, match="Arguments"):
        items.is_call({**item(), "Arguments": "{}"})


def test_function_reads_the_same_as_item_and_as_action() -> None:
    expected = ("function", "call_1", "look", '{"city":"Oslo"}')
    assert read(action()) == read(item()) == expected
    text = '{"city": "Oslo"}'
    assert read(item(arguments=text)) == (*expected[:3], text)
    assert read(item(arguments=None))[3] == ""
    assert read(item(arguments={"n": 2**60}))[3] == '{"n":1152921504606846976}'


def test_digest_does_not_depend_on_the_json_type_of_the_arguments() -> None:
    as_text = items.call_of(request(), "s", item(arguments='{"city": "Oslo"}'))
    as_object = items.call_of(request(), "s", action())
    expected = canonical.call_digest("function", "look", '{"city":"Oslo"}')
    assert as_text.digest == as_object.digest == expected


def test_call_tells_where_it_comes_from() -> None:
    call = items.call_of(request(), "sessions/sess_1", item(), "gpt-x")
    assert (call.surface, call.scope) == (SurfaceName.AGENTS, "sessions/sess_1")
    assert (call.origin, call.model) == ("api.openai.com:443", "gpt-x")
    assert call.agent.startswith("key:")


def test_approvals_are_named_by_what_they_approve() -> None:
    kind = "mcp_approval_request"
    assert read(approval()) == (kind, "apr_1", "mcp.docs.wipe", '{"all":true}')
    assert read(approval(name=None, arguments=None)) == (kind, "apr_1", "mcp.docs", "")
    kind = "computer_use_approval_request"
    expected = '{"origin":"https://a.b","reason":null}'
    assert read(access()) == (kind, "acc_1", "browser_origin_access", expected)
    assert read(login())[2] == "browser_authentication"


def test_approval_may_tell_its_request_itself() -> None:
    flat: Object = {"type": "mcp_approval_request", "request_id": "a", "server_label": "docs"}
    assert read({**flat, "name": "wipe", "arguments": "{}"})[2:] == ("mcp.docs.wipe", "{}")


@pytest.mark.parametrize("node", [approval(type="other"), access(type="other")])
def test_request_of_an_unknown_type_is_a_kind_of_its_own(node: Object) -> None:
    assert read(node)[0] == f"{node['type']}.other"
    assert items.is_answerable(node)


@pytest.mark.parametrize(
    "node",
    [
        item(call_id=None),
        item(call_id=5),
        item(name=None),
        item(name=["x"]),
        {**approval(), "request_id": None},
        {**approval(), "request": "x"},
        approval(server_label=5),
    ],
)
def test_call_that_can_not_be_told_is_refused(node: Object) -> None:
    with pytest.raises(BodyError):
        read(node)


def test_turn_is_told_or_not() -> None:
    assert items.turn_id_of(item()) == "turn_1"
    assert items.turn_id_of({"type": "function_call"}) == ""
    with pytest.raises(BodyError, match="turn_id"):
        items.turn_id_of({"turn_id": 5})


def test_results_name_the_call_that_they_answer() -> None:
    assert items.answered_id(output()) == "call_1"
    kind = "computer_use_approval_request_result"
    assert items.answered_id({"type": kind, "request_id": "acc_1"}) == "acc_1"
    assert items.answered_id({"type": kind}) == ""
    assert items.answered_id(item()) == ""


# -- changing -------------------------------------------------------------------------------


def replaced(node: Object, text: str) -> Object:
    items.replace_arguments(node, text)
    return node


def test_arguments_keep_their_json_type() -> None:
    assert replaced(item(), '{"x":1}')["arguments"] == {"x": 1}
    assert replaced(item(arguments="{}"), '{"x":1}')["arguments"] == '{"x":1}'
    changed = replaced(approval(), '{"all":false}')
    assert read(changed)[3] == '{"all":false}'


def test_parts_of_a_request_are_replaced_and_the_rest_stays() -> None:
    changed = replaced(access(), '{"origin":"https://c.d"}')
    assert changed == access(origin="https://c.d")


@pytest.mark.parametrize(("node", "text"), [(access(), "[1]"), (item(), "{")])
def test_arguments_of_another_form_are_refused(node: Object, text: str) -> None:
    with pytest.raises(BodyError):
        replaced(node, text)


def test_notice_is_a_commentary_in_the_items_place() -> None:
    shown = sdk_item(items.notice_item(item(), NOTICE))
    assert (shown.id, shown.turn_id, shown.type) == ("fc_call_1", "turn_1", "message")
    assert (shown.phase, shown.output_text) == ("commentary", NOTICE)
    assert str(items.notice_item(action(), NOTICE)["id"]).startswith("msg_callgate_")


# -- strays ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        action(),
        {"turn": {"items": [item()]}},
        [{"deep": approval()}],
        {"x": {"call_id": "call_1", "name": "look"}},
        {"x": {"request_id": "r"}},
        {"x": {"type": "robot", "call_id": "c"}},
        {"turn": {"required_actions": [CONNECTION]}},
        {"Required_actions": []},
        {"x": {"Item": {}}},
    ],
)
def test_calls_where_the_api_has_none_are_refused(document: Json) -> None:
    with pytest.raises(BodyError):
        items.refuse_stray_calls(document, ())


def test_what_is_no_call_is_no_stray() -> None:
    node, listed = item(), [action()]
    document: Object = {
        "item": node,
        "session": session(required_actions=[*listed]),
        "result": output(),
        "message": message(),
        "otlp": {"anything": action()},
        "event": {"type": "agent.session.turn.x", "call_id": "c"},
        "turns": [{"required_actions": []}],
    }
    inner = document["session"]
    assert isinstance(inner, dict)
    items.refuse_stray_calls(document, {id(node), id(inner["required_actions"])})
