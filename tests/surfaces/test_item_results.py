"""What an app answers to calls of the Responses API, and what Callgate answers in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import ResponseInputItem
from pydantic import TypeAdapter

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.model import ToolResult
from callgate.surfaces import item_results, items
from callgate.surfaces.base import Substitute
from tests.surfaces.item_objects import (
    EVERY_CALL,
    NOTICE,
    Object,
    copied,
    custom_call,
    function_call,
    function_output,
    message,
    request,
    shell_call,
    shell_output,
)

_INPUT: TypeAdapter[Any] = TypeAdapter(ResponseInputItem)
PROGRAM: Object = {"type": "program", "caller_id": "call_9"}


def results(*listed: Json) -> list[ToolResult]:
    return item_results.results_of(listed, "input")


def only(*listed: Json) -> tuple[str, object, str]:
    [result] = results(*listed)
    assert not result.takes_no_notice
    return result.call_id, result.output, result.path


def sdk_input(item: Json) -> Any:
    return _INPUT.validate_json(json.dumps(item), strict=True)


@pytest.mark.parametrize(
    ("item", "id", "output", "path"),
    [
        (function_output(), "call_1", "12 degrees", "output"),
        (function_output(output=None), "call_1", None, "output"),
        (function_output(output=[{"type": "input_text", "text": "x"}]), "call_1", "x", "output"),
        (
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "1"},
            "call_2",
            "1",
            "output",
        ),
        (shell_output("call_3", "a.txt"), "call_3", "a.txt", "output"),
        (shell_output("call_3", stderr="no", code=1), "call_3", "no", "output"),
        (
            {"type": "local_shell_call_output", "id": "call_4", "output": "a.txt"},
            "call_4",
            "a.txt",
            "output",
        ),
        (
            {"type": "apply_patch_call_output", "call_id": "call_5", "status": "completed"},
            "call_5",
            "completed",
            "status",
        ),
        (
            {
                "type": "apply_patch_call_output",
                "call_id": "call_5",
                "status": "failed",
                "output": "no such file",
            },
            "call_5",
            "no such file",
            "output",
        ),
        (
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
            "mcpr_1",
            True,
            "approve",
        ),
        (
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1"},
            "mcpr_1",
            None,
            "approve",
        ),
        (
            {
                "type": "tool_search_output",
                "call_id": "call_7",
                "execution": "client",
                "tools": [{"type": "function", "name": "f"}],
            },
            "call_7",
            '[{"type":"function","name":"f"}]',
            "tools",
        ),
        ({"type": "tool_search_output", "call_id": "call_7"}, "call_7", "null", "tools"),
        ({"type": "robot_call_output", "call_id": "c", "output": 7}, "c", 7, "output"),
    ],
)
def test_every_kind_of_result_is_read(item: Object, id: str, output: Json, path: str) -> None:
    assert only(message(), item) == (id, output, f"input[1].{path}")


@pytest.mark.parametrize(
    "output",
    [
        [],
        [{"type": "input_image", "image_url": "x"}],
        [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        [{"type": "input_text", "text": 7}],
        ["x"],
        {"text": "x"},
    ],
)
def test_an_output_that_is_no_single_text_stays_as_it_is(output: Json) -> None:
    assert only(function_output(output=output))[1] == output


@pytest.mark.parametrize(
    "output",
    [
        shell_output("c", "out", "err")["output"],
        [*json.loads(json.dumps([shell_output("c", "a")["output"]]))[0]] * 2,
        [{"stdout": ["x"]}],
        "text",
        ["x"],
    ],
)
def test_a_shell_output_that_is_no_single_text_stays_as_it_is(output: Json) -> None:
    item: Object = {"type": "shell_call_output", "call_id": "call_3", "output": output}
    assert only(item)[1] == output


@pytest.mark.parametrize(
    "item",
    [
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}},
        function_output(caller=PROGRAM),
        {**shell_output("c", "x"), "caller": PROGRAM},
    ],
)
def test_programs_and_pictures_take_no_notice(item: Object) -> None:
    [result] = results(item)
    assert result.takes_no_notice


@pytest.mark.parametrize(
    "item",
    [
        message(),
        {"role": "user", "content": "x"},
        {"id": "msg_1"},
        function_call(),
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": False},
        {"type": "tool_search_output", "call_id": "c", "execution": "client", "tools": []},
        {"type": "tool_search_output", "call_id": None, "tools": [{"type": "function"}]},
        {"type": "tool_search_output", "call_id": None, "execution": "server", "tools": [{}]},
        {"type": "program_output", "call_id": "c", "result": "x"},
        {"type": "multi_agent_call_output", "call_id": "c", "output": "x"},
    ],
)
def test_what_answers_no_call_or_refuses_it_is_no_result(item: Object) -> None:
    assert results(item) == []


def test_what_the_api_ran_itself_is_quoted_with_its_output() -> None:
    hosted = shell_call("c", "ls", environment={"type": "container_reference"})

    def are_of_api(*items: Object) -> list[bool]:
        return [result.is_of_api for result in results(*items)]

    assert are_of_api(hosted, shell_output("c", "x")) == [True]
    assert are_of_api(shell_call("c", "ls"), shell_output("c", "x")) == [False]
    assert are_of_api(hosted, shell_call("c", "ls"), shell_output("c", "x")) == [False]
    assert are_of_api(hosted, function_output("c")) == [False]
    found: Object = {"type": "tool_search_output", "call_id": "c", "tools": [{}]}
    assert are_of_api({**found, "execution": "server"}, found) == [True, False]
    assert len(results(shell_call(None, "ls", environment=hosted["environment"]))) == 0


def test_a_result_of_a_repeated_id_is_that_of_the_call_before_it() -> None:
    first, second = function_call("c", arguments='{"n":1}'), function_call("c", arguments='{"n":2}')
    other = function_call("d", arguments='{"n":3}')

    told = results(
        first,
        message(),
        function_output("c"),
        second,
        other,
        *map(function_output, ("c", "c", "d")),
    )
    assert [result.digest for result in told] == [
        *map(items.digest_of, (first, second, second)),
        "",
    ]

    together = results(first, second, function_output("c"), function_output("c"))
    assert [result.digest for result in together] == ["", ""]
    assert results(function_output("c"), first, second)[0].digest == ""


def test_a_result_may_name_its_function_instead_of_the_call() -> None:
    by_name = function_output(None, name="get_weather")
    assert only(function_call(), custom_call(), by_name)[0] == "call_1"
    in_crm = {**by_name, "namespace": "crm"}
    both = (function_call(), function_call("call_8", namespace="crm"))
    assert only(*both, in_crm)[0] == "call_8"
    assert only(*both, by_name)[0] == "call_1"


@pytest.mark.parametrize(
    "listed",
    [
        (function_output(None, name="get_weather"),),
        (function_call(), function_output(None, name="other")),
        (function_call(), function_call("call_8"), function_output(None, name="get_weather")),
        (function_call(), function_output(None)),
        (function_output(7),),
        (function_output(["call_1"]),),
        (function_output(""),),
        ({"type": "mcp_approval_response", "call_id": "c", "approve": True},),
        ({"type": "local_shell_call_output", "id": "a", "call_id": "b", "output": "x"},),
        ({"call_id": "c", "output": "x"},),
        ({"approval_request_id": "c", "approve": True},),
        ({"type": 7, "call_id": "c"},),
        ({"Type": "function_call_output", "call_id": "c"},),
        ({**function_output(), "Output": "x"},),
        ("x",),
    ],
)
def test_a_result_of_nobody_knows_what_is_refused(listed: tuple[Json, ...]) -> None:
    with pytest.raises(BodyError):
        results(*listed)


@pytest.mark.parametrize("item", [{"type": 7}, {"output": "x"}, {"OUTPUT": "x"}])
def test_what_may_be_a_result_is_refused(item: Object) -> None:
    with pytest.raises(BodyError):
        item_results.is_result(item)


def test_an_answer_names_the_calls_that_it_answers() -> None:
    assert item_results.ids_of(function_output()) == ["call_1"]
    assert item_results.ids_of(function_call()) == []
    assert item_results.ids_of({"type": "local_shell_call_output", "id": "c"}) == ["c"]
    refusal: Object = {"type": "mcp_approval_response", "approval_request_id": "m"}
    assert item_results.ids_of({**refusal, "approve": False}) == ["m"]
    assert item_results.ids_of(function_output(None, name="f")) == []


# -- changing -------------------------------------------------------------------------------


def substitute(item: Object) -> Substitute:
    call = items.call_of(request(), "", item)
    assert call is not None
    return Substitute(call.id, NOTICE, call.kind)


ANSWERABLE = [item for item in EVERY_CALL if item["type"] != "computer_call"]


@pytest.mark.parametrize("call", ANSWERABLE, ids=lambda item: str(item["type"]))
def test_a_stand_in_has_the_form_of_its_calls_results_and_says_the_notice(call: Object) -> None:
    wanted = substitute(call)
    item = item_results.stand_in(wanted)
    assert item is not None
    assert sdk_input(item).type == item["type"]
    assert item_results.ids_of(item) == [wanted.call_id]
    said = results(call, item)
    if item["type"] in ("mcp_approval_response", "tool_search_output"):
        assert said == []  # a refusal
    else:
        assert [(r.call_id, r.output) for r in said] == [(wanted.call_id, NOTICE)]


def test_stand_ins_tell_that_nothing_was_done() -> None:
    def made(kind: str) -> Object:
        item = item_results.stand_in(Substitute("c", NOTICE, kind))
        assert item is not None
        return item

    assert made("function") == function_output("c", NOTICE)
    assert made("shell_call") == shell_output("c", stderr=NOTICE, code=1)
    assert made("apply_patch_call")["status"] == "failed"
    approval = made("mcp_approval_request")
    assert (approval["approve"], approval["reason"]) == (False, NOTICE)
    assert made("tool_search_call")["tools"] == []
    assert made("robot_call")["type"] == "robot_call_output"


def test_nothing_stands_in_for_a_picture() -> None:
    assert item_results.stand_in(Substitute("c", NOTICE, "computer_call")) is None


def replaced(item: Object, text: str, kind: str = "function") -> Object:
    listed = copied([item])
    assert isinstance(listed, list)
    [id] = item_results.ids_of(item)
    left = item_results.replace_results(listed, "input", [Substitute(id, text, kind)])
    assert left == []
    assert isinstance(listed[0], dict)
    return listed[0]


@pytest.mark.parametrize(
    "item",
    [
        function_output(),
        function_output(output=[{"type": "input_text", "text": "x"}]),
        {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
        shell_output("c", "out", "err"),
        shell_output("c"),
        {"type": "local_shell_call_output", "id": "c", "output": "x"},
        {"type": "apply_patch_call_output", "call_id": "c", "status": "completed"},
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "x"},
    ],
)
def test_a_result_is_replaced_in_its_own_form(item: Object) -> None:
    new = replaced(item, NOTICE)
    assert only(new)[1] == NOTICE
    assert set(new) - set(item) <= {"output"}
    sdk_input(new)


def test_what_a_result_tells_besides_its_text_stays() -> None:
    failed = replaced(shell_output("c", "secret", code=3), "[SECRET]")
    assert failed["output"] == shell_output("c", stderr="[SECRET]", code=3)["output"]
    assert replaced(function_output(status="completed"), NOTICE)["status"] == "completed"
    odd: Object = {"type": "shell_call_output", "call_id": "c", "output": None}
    assert replaced(odd, NOTICE)["output"] == shell_output("c", stderr=NOTICE, code=1)["output"]
    done: Object = {"type": "apply_patch_call_output", "call_id": "c", "status": "completed"}
    assert replaced(done, NOTICE)["status"] == "failed"


@pytest.mark.parametrize("approve", [True, False])
def test_an_approval_becomes_a_refusal(approve: bool) -> None:
    item: Object = {"type": "mcp_approval_response", "approval_request_id": "m", "approve": approve}
    new = replaced(item, NOTICE, "mcp_approval_request")
    assert (new["approve"], new["reason"]) == (False, NOTICE)
    assert results(new) == []


@pytest.mark.parametrize(
    ("text", "tools"), [(NOTICE, []), ('[{"type":"function"}]', [{"type": "function"}]), ("{}", [])]
)
def test_found_tools_are_replaced_by_none_or_by_redacted_ones(text: str, tools: Json) -> None:
    item: Object = {"type": "tool_search_output", "call_id": "c", "tools": [{"type": "custom"}]}
    new = replaced(item, text, "tool_search_call")
    assert new["tools"] == tools
    assert all(result.output == text for result in results(new))


def test_a_picture_is_left_alone() -> None:
    item: Object = {"type": "computer_call_output", "call_id": "c", "output": {"image_url": "x"}}
    assert replaced(item, NOTICE, "computer_call") == item


def test_what_no_answer_is_there_for_is_returned() -> None:
    outputs = [Substitute("call_1", "a"), Substitute("call_8", "b"), Substitute("call_9", "c")]
    listed: list[Json] = [message(), function_output(), function_output("call_2")]
    left = item_results.replace_results([*listed, function_output()], "input", outputs)
    assert left == outputs[1:]
    assert listed == [message(), function_output("call_1", "a"), function_output("call_2")]
