"""Which items of the Responses API are calls, how they read, and what takes their place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.model import SurfaceName, ToolCall
from callgate.surfaces import items
from callgate.surfaces.base import Turn
from tests.surfaces.item_objects import (
    EVERY_CALL,
    NOTICE,
    Object,
    approval,
    computer_call,
    custom_call,
    function_call,
    function_output,
    local_shell_call,
    message,
    patch_call,
    reasoning,
    request,
    response,
    sdk_calls,
    sdk_item,
    search_call,
    shell_call,
    shell_output,
)

HARMLESS: list[Object] = [
    message(),
    {"role": "user", "content": "Hello"},
    {"id": "msg_1"},
    reasoning(),
    function_output(),
    shell_output(),
    {"type": "item_reference", "id": "fc_1"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
    {"type": "file_search_call", "id": "fs_1", "queries": []},
    {"type": "code_interpreter_call", "id": "ci_1", "code": "1"},
    {"type": "image_generation_call", "id": "ig_1"},
    {"type": "mcp_call", "id": "mcp_1", "name": "search", "arguments": "{}"},
    {"type": "mcp_list_tools", "id": "mcpl_1", "tools": []},
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
    {"type": "program", "id": "pr_1", "call_id": "call_1", "code": "1"},
    {"type": "program_output", "id": "po_1", "call_id": "call_1", "result": "1"},
    {"type": "additional_tools", "role": "developer", "tools": []},
    {"type": "agent_message", "id": "am_1"},
    {"type": "multi_agent_call", "id": "ma_1", "call_id": "c", "action": "spawn_agent"},
    {"type": "tool_search_output", "call_id": None, "tools": []},
    search_call(None, "server"),
    shell_call("call_1", "ls", environment={"type": "container_reference", "container_id": "c"}),
    shell_call("call_1", "ls", environment={"type": "container_auto"}),
]


def call_of(item: Object) -> ToolCall:
    call = items.call_of(request(), "responses/resp_1", item, "gpt-5")
    assert call is not None
    return call


def turn(*listed: Json, holder: Object | None = None) -> Turn:
    return items.turn_of(
        request(),
        "responses/resp_1",
        listed,
        {} if holder is None else holder,
        is_waiting=True,
        is_told=False,
        is_polled=False,
    )


@pytest.mark.parametrize("item", HARMLESS, ids=lambda item: str(item.get("type")))
def test_what_no_app_executes_is_no_call(item: Object) -> None:
    assert not items.is_call(item)
    assert items.call_of(request(), "", item) is None


@pytest.mark.parametrize(
    ("item", "id", "kind", "name", "arguments"),
    [
        (function_call(), "call_1", "function", "get_weather", '{"city":"Oslo"}'),
        (custom_call(), "call_2", "custom", "run_sql", '{"input":"SELECT 1"}'),
        (shell_call("call_3", "ls"), "call_3", "shell_call", "shell", '{"commands":["ls"]}'),
        (
            local_shell_call("call_4", "ls", "-l"),
            "call_4",
            "local_shell_call",
            "local_shell",
            '{"command":["ls","-l"],"working_directory":"/tmp"}',
        ),
        (
            patch_call(),
            "call_5",
            "apply_patch_call",
            "apply_patch",
            '{"operation":{"diff":"@@\\n-a\\n+b","path":"a.txt","type":"update_file"}}',
        ),
        (
            computer_call(),
            "call_6",
            "computer_call",
            "computer",
            '{"actions":[{"type":"screenshot"}]}',
        ),
        (approval(), "mcpr_1", "mcp_approval_request", "mcp.docs.search", '{"q":"x"}'),
        (search_call(), "call_7", "tool_search_call", "tool_search", '{"q":"mail"}'),
    ],
)
def test_every_kind_of_call_is_read(
    item: Object, id: str, kind: str, name: str, arguments: str
) -> None:
    call = call_of(item)
    assert (call.id, call.kind, call.name, call.arguments) == (id, kind, name, arguments)
    assert call.digest == canonical.call_digest(kind, name, arguments)
    assert call.surface is SurfaceName.RESPONSES
    assert (call.origin, call.scope, call.model) == (
        "api.openai.com:443",
        "responses/resp_1",
        "gpt-5",
    )
    assert call.agent == request().caller()
    assert items.kind_of(item) == kind


def test_the_sdk_knows_every_kind_of_call() -> None:
    assert len(sdk_calls(response(*EVERY_CALL))) == len(EVERY_CALL)
    assert len(turn(*EVERY_CALL).calls) == len(EVERY_CALL)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "robot_call", "move": "left"},
        {"type": "Function_Call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "message ", "call_id": "call_1"},
        {"type": ""},
    ],
)
def test_an_item_of_an_unknown_type_is_a_call_of_that_type(item: Object) -> None:
    call = call_of(item)
    assert call.kind == item["type"]
    assert call.id == item.get("call_id", item["type"])


def test_an_unknown_call_asks_for_everything_that_it_says() -> None:
    call = call_of({"type": "robot_call", "id": "rc_1", "move": "left", "speed": 2})
    assert (call.id, call.name, call.arguments) == (
        "rc_1",
        "robot_call",
        '{"move":"left","speed":2}',
    )


def test_a_namespace_is_part_of_the_name() -> None:
    assert call_of(function_call(namespace="crm")).name == "crm.get_weather"
    assert call_of(custom_call(namespace="crm")).name == "crm.run_sql"


def test_arguments_that_are_no_text_are_read_as_one() -> None:
    assert call_of(function_call(arguments={"b": 1, "a": 2})).arguments == '{"a":2,"b":1}'
    assert call_of(function_call(arguments=None)).arguments == ""
    big = call_of(function_call(arguments={"a": 2**60})).arguments
    assert big == '{"a":1152921504606846976}'


def test_what_bounds_a_shell_does_not_change_what_it_runs() -> None:
    action: Object = {"commands": ["ls"], "timeout_ms": 9}
    other = {**shell_call("call_3", "ls"), "action": action}
    assert call_of(other).digest == call_of(shell_call("call_3", "ls")).digest
    moved = {**other, "action": {**action, "working_directory": "/etc"}}
    assert call_of(moved).digest != call_of(other).digest


def test_one_action_of_a_computer_counts_like_many() -> None:
    item: Object = {"type": "computer_call", "call_id": "c", "action": {"type": "wait"}}
    assert call_of(item).arguments == '{"action":{"type":"wait"}}'


@pytest.mark.parametrize("environment", [None, {"type": "local"}, {"type": "new"}, "container"])
def test_a_shell_that_is_not_surely_hosted_is_a_call(environment: Json) -> None:
    assert items.is_call(shell_call("call_1", "ls", environment=environment))


@pytest.mark.parametrize("execution", [None, "client", "SERVER"])
def test_a_search_that_is_not_surely_hosted_is_a_call(execution: Json) -> None:
    assert items.is_call(search_call("call_1", execution))


def test_an_item_without_a_call_id_is_answered_by_its_own() -> None:
    assert call_of(function_call(None, id="fc_9")).id == "fc_9"
    assert call_of(approval("mcpr_2", call_id="call_1")).id == "mcpr_2"


@pytest.mark.parametrize(
    "item",
    [
        {"type": 7},
        {"type": ["function_call"]},
        {"call_id": "call_1", "name": "f"},
        {"name": "f", "arguments": "{}"},
        {"Type": "function_call"},
        {**message(), "TYPE": "function_call"},
        {**function_call(), "Arguments": "{}"},
        function_call(None, id=None),
        function_call(7),
        function_call("", id=""),
        approval(None),
        function_call(name=None),
        function_call(name=["f"]),
        function_call(namespace=7),
        custom_call(name=""),
        custom_call(text=["x"]),
        approval(name=None),
        approval(server_label=7),
        shell_call("call_1", action=None),
        shell_call("call_1", action="ls"),
        shell_call(None, "ls", id=None),
    ],
)
def test_a_malformed_call_is_refused(item: Object) -> None:
    with pytest.raises(BodyError):
        items.call_of(request(), "", item)


def test_only_programs_and_pictures_take_no_notice() -> None:
    program: Object = {"type": "program", "caller_id": "call_9"}
    assert items.is_unanswerable(function_call(caller=program))
    assert items.is_unanswerable(computer_call())
    assert not items.is_unanswerable(function_call(caller={"type": "direct"}))
    assert not items.is_unanswerable(function_call(caller=None))
    found = turn(function_call(caller=program), computer_call(), custom_call())
    assert found.unanswerable == {"call_1", "call_6"}


def test_a_turn_has_the_calls_of_its_items_in_order() -> None:
    holder = response(message(), function_call(), custom_call())
    found = turn(message(), function_call(), custom_call(), holder=holder)
    assert [call.id for call in found.calls] == ["call_1", "call_2"]
    assert found.node is holder
    assert (found.is_waiting, found.is_told, found.is_polled) == (True, False, False)
    assert not found.is_settleable
    assert not found.settles_each


@pytest.mark.parametrize("item", [function_call(), custom_call(), shell_call("c", "ls")])
def test_digest_of_an_item_is_that_of_its_call(item: Object) -> None:
    [call] = turn(item).calls
    assert items.digest_of(item) == call.digest


def test_two_different_calls_of_one_id_are_refused() -> None:
    with pytest.raises(BodyError, match="same id"):
        turn(function_call(), function_call(arguments="{}"))
    with pytest.raises(BodyError, match="same id"):
        turn(function_call("a"), custom_call("a"))
    assert len(turn(function_call(), function_call()).calls) == 2


@pytest.mark.parametrize("listed", [("x",), (None,), ([],)])
def test_what_is_no_item_is_refused(listed: tuple[Json, ...]) -> None:
    with pytest.raises(BodyError):
        turn(*listed)


@pytest.mark.parametrize("listed", [None, {}, "x", 7])
def test_what_is_no_list_of_items_is_refused(listed: Json) -> None:
    with pytest.raises(BodyError, match="input must be a list"):
        items.objects(listed, "input")


# -- changing -------------------------------------------------------------------------------

OTHER = {"Oslo": "Rome", "SELECT": "DELETE", "ls": "pwd", "+b": "+c", "screenshot": "wait"} | {
    '"x"': '"y"',
    "mail": "post",
}


@pytest.mark.parametrize("item", EVERY_CALL, ids=lambda item: str(item["type"]))
def test_a_call_reads_as_the_arguments_that_were_put_into_it(item: Object) -> None:
    changed: Object = json.loads(json.dumps(item))
    arguments = call_of(item).arguments
    for old, new in OTHER.items():
        arguments = arguments.replace(old, new)
    assert arguments != call_of(item).arguments
    items.replace_arguments(changed, arguments)
    assert canonical.parse(call_of(changed).arguments) == canonical.parse(arguments)
    assert set(changed) == set(item)
    sdk_item(changed)


def test_arguments_keep_their_form() -> None:
    as_object = function_call(arguments={"a": 1})
    items.replace_arguments(as_object, '{"a":2}')
    assert as_object["arguments"] == {"a": 2}
    shell = shell_call("call_1", "ls")
    items.replace_arguments(shell, '{"commands":["pwd"]}')
    assert shell["action"] == {
        "commands": ["pwd"],
        "timeout_ms": 1000,
        "max_output_length": None,
    }


@pytest.mark.parametrize("text", ["no JSON", "[]", '"x"'])
def test_arguments_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(BodyError):
        items.replace_arguments(custom_call(), text)


def test_a_message_takes_the_place_of_a_call() -> None:
    for item in EVERY_CALL:
        shown = sdk_item(items.notice_item(item, NOTICE))
        assert shown.type == "message"
        assert shown.id.startswith("msg_callgate_")
        assert len(shown.id) == len("msg_callgate_") + 16
        assert [part.text for part in shown.content] == [NOTICE]


def test_messages_of_different_calls_differ() -> None:
    ids = {str(items.notice_item(item, NOTICE)["id"]) for item in EVERY_CALL}
    assert len(ids) == len(EVERY_CALL)
    again = items.notice_item(function_call(status="in_progress"), "another notice")
    assert again["id"] == items.notice_item(function_call(), NOTICE)["id"]
    assert items.notice_item(function_call("\ud800"), NOTICE)["role"] == "assistant"


JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from([*EVERY_CALL, *HARMLESS]),
    st.dictionaries(st.sampled_from(sorted(items._FIELDS)), JSON, max_size=3),
)
def test_whatever_an_item_says_it_is_read_or_refused(item: Object, changes: Object) -> None:
    changed: Object = {**item, **changes}
    try:
        call = items.call_of(request(), "", changed)
    except BodyError:
        return
    if call:
        assert call.id == items.id_of(changed)
        assert isinstance(call.arguments, str)
        assert isinstance(call.name, str)
    else:
        assert changed.get("type") in {one.get("type") for one in HARMLESS}
