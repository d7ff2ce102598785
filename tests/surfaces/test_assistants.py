"""Paths and requests of the Assistants API, and bodies changed so that SDKs still accept them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.threads.runs import ToolCallsStepDetails

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import segments
from callgate.model import ToolResult
from callgate.surfaces import sse
from callgate.surfaces.assistants import Assistants
from callgate.surfaces.base import Hidden, Outgoing, Substitute, Turn
from tests.surfaces.objects import (
    RUN,
    Object,
    approval_run,
    call,
    endpoint,
    listing,
    mcp_call,
    only,
    read,
    request,
    run,
    sdk_run,
    sdk_step,
    step,
)

SUBMIT = f"{RUN}/submit_tool_outputs"
RUNS = "/v1/threads/thread_1/runs"
ASSISTANTS = Assistants()
NOTICE = "Tool call blocked by Callgate: POLICY_DENIED (trace 1)"


def operation(method: str, target: str) -> str | None:
    found = ASSISTANTS.endpoint(method, segments(target))
    return found.operation if found else None


def outgoing(document: Json, target: str = SUBMIT) -> Outgoing:
    return ASSISTANTS.read_request(endpoint(target, "POST"), request(target, "POST"), document)


def calls_in(node: Object) -> list[Json]:
    """Ids of the calls that the SDK shows as required."""
    action = sdk_run(node).required_action
    return [one.id for one in action.submit_tool_outputs.tool_calls] if action else []


# -- paths ----------------------------------------------------------------------------------

OPERATIONS = [
    ("POST", "/threads/runs", "threads.create_and_run"),
    ("POST", "/threads/t/runs", "runs.create"),
    ("GET", "/threads/t/runs", "runs.list"),
    ("GET", "/threads/t/runs/r", "runs.retrieve"),
    ("POST", "/threads/t/runs/r", "runs.modify"),
    ("POST", "/threads/t/runs/r/cancel", "runs.cancel"),
    ("POST", "/threads/t/runs/r/submit_tool_outputs", "runs.submit_tool_outputs"),
    ("GET", "/threads/t/runs/r/steps", "steps.list"),
    ("GET", "/threads/t/runs/r/steps/s", "steps.retrieve"),
    ("POST", "/assistants", "assistants.create"),
    ("POST", "/assistants/a", "assistants.modify"),
]
BASES = ["", "/v1", "/api/v1", "/openai", "/openai/v1", "/api/projects/my-project", "/threads/x"]


@pytest.mark.parametrize(("method", "path", "found"), OPERATIONS)
@pytest.mark.parametrize("base", BASES)
def test_operations_are_found_behind_any_base_path(
    base: str, method: str, path: str, found: str
) -> None:
    assert operation(method, base + path) == found
    assert operation(method.lower(), f"{base}{path}/?api-version=2024-05-01-preview") == found
    assert operation(method, f"//{base}{path.upper()}") == found


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "QUERY", "post"])
def test_any_method_with_a_body_counts_as_post(method: str) -> None:
    assert operation(method, SUBMIT) == "runs.submit_tool_outputs"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("HEAD", RUN),
        ("CONNECT", RUN),
        ("GET", "/v1/threads/t"),
        ("GET", "/v1/threads"),
        ("GET", "/v1/threads/t/messages"),
        ("POST", "/v1/threads/t/messages/m"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/runs"),
        ("GET", "/"),
        ("GET", "*"),
    ],
)
def test_other_requests_carry_no_calls(method: str, target: str) -> None:
    assert operation(method, target) is None


@pytest.mark.parametrize(
    ("target", "operation", "reads_response"),
    [("/v1/threads", "threads.create", True), ("/v1/threads/t/messages", "messages.create", False)],
)
def test_what_people_say_is_overheard(target: str, operation: str, reads_response: bool) -> None:
    found = endpoint(target, "POST")
    strays: Json = {"id": "t", "tool_calls": [{"id": "call_1"}]}

    assert (found.operation, found.reads_response) == (operation, reads_response)
    assert found.is_overheard
    assert found.reads_request
    assert ASSISTANTS.read_response(found, request(target, "POST"), strays) == []
    said = outgoing({"role": "user", "content": "hello", "messages": [5]}, target).said
    assert said == ("hello",)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"assistant_id": "a", "instructions": "x", "additional_instructions": 5}, ("x",)),
        ({"assistant_id": "a", "thread": {"messages": [{"role": "user", "content": "y"}]}}, ("y",)),
    ],
)
def test_run_says_its_instructions_and_messages(document: Json, said: tuple[str, ...]) -> None:
    assert outgoing(document, RUNS).said == said
    assert outgoing(document, RUNS).conversation == "thread/thread_1"
    assert outgoing(document, "/v1/threads/runs").conversation == ""


def test_new_thread_is_what_requests_go_on_with() -> None:
    def begun(target: str, document: Json) -> str:
        return ASSISTANTS.begins(endpoint(target, "POST"), document)

    run: Json = {"object": "thread.run", "id": "r", "thread_id": "t"}
    assert begun("/v1/threads", {"object": "thread", "id": "t"}) == "thread/t"
    assert begun("/v1/threads/runs", run) == "thread/t"
    assert begun("/v1/threads/runs", {"error": {}}) == ""
    assert begun("/v1/threads/runs", []) == ""
    assert begun(RUNS, run) == ""


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE", "post"])
@pytest.mark.parametrize("target", [RUN, SUBMIT, f"{RUN}/cancel", f"{RUN}/steps/s"])
def test_no_verb_leads_past_the_gate(method: str, target: str) -> None:
    endpoint = ASSISTANTS.endpoint(method, segments(target))
    assert endpoint is not None
    assert endpoint.reads_response
    assert endpoint.reads_request is (target == SUBMIT)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/threads/thread_1/runs/run_1/submit_tool_outputs/",
        "//v1/threads//thread_1/runs/run_1/submit_tool_outputs",
        "/v1/threads/thread_1/runs/run_1/%73ubmit_tool_output%73",
        "/V1/Threads/thread_1/RUNS/run_1/Submit_Tool_Outputs",
        "/v1/threads/thread_1;v=1/runs;x/run_1/submit_tool_outputs;y",
        "/v1/threads/x/../thread_1/runs/run_1/./submit_tool_outputs",
        "/v1/threads/thread%5F1/runs/run_1%2Fsubmit_tool_outputs?x=/y",
    ],
)
def test_odd_spellings_of_a_path_are_the_same_operation_and_scope(target: str) -> None:
    found = endpoint(target, "POST")

    assert found.operation == "runs.submit_tool_outputs"
    assert found.scope == "thread_1/run_1"


def test_ids_keep_their_case_and_may_be_anything() -> None:
    id = "Thread_" + "x" * 400

    found = endpoint(f"/threads/{id}/runs/507f1f77BCF86cd799439011/steps/S%20%C3%A9")

    assert found.parameters == {
        "thread": id,
        "run": "507f1f77BCF86cd799439011",
        "step": "S é",
    }
    assert found.scope == f"{id}/507f1f77BCF86cd799439011"


def test_an_endpoint_says_what_its_bodies_can_carry() -> None:
    reads = {
        found: (one.reads_request, one.reads_response)
        for method, path, found in OPERATIONS
        if (one := endpoint(path, method))
    }

    assert {name for name, (reads_request, _) in reads.items() if reads_request} == {
        "threads.create_and_run",
        "runs.create",
        "runs.submit_tool_outputs",
        "assistants.create",
        "assistants.modify",
    }
    assert {name for name, (_, reads_response) in reads.items() if not reads_response} == {
        "assistants.create",
        "assistants.modify",
    }


# -- requests: results ----------------------------------------------------------------------


def test_results_are_found_with_their_places() -> None:
    found = outgoing(
        {"tool_outputs": [{"tool_call_id": "a", "output": "1"}, {"tool_call_id": "b"}]}
    )

    assert found.answers == "thread_1/run_1"
    assert found.results == [
        ToolResult("a", "1", "tool_outputs[0].output"),
        ToolResult("b", None, "tool_outputs[1].output"),
    ]


@pytest.mark.parametrize("output", ["", "text", None, 5, True, {"a": [1]}, [], "\ud800"], ids=ascii)
def test_outputs_are_any_json(output: Json) -> None:
    [found] = outgoing({"tool_outputs": [{"tool_call_id": "a", "output": output}]}).results

    assert found.output == output


@pytest.mark.parametrize("id", [7, "7"])
def test_ids_of_results_are_text_or_numbers_as_those_of_calls_are(id: Json) -> None:
    [found] = outgoing({"tool_outputs": [{"tool_call_id": id, "output": ""}]}).results

    assert found.call_id == "7"


@pytest.mark.parametrize("document", [{}, {"tool_outputs": None}, {"tool_outputs": []}])
def test_a_submit_may_carry_no_results(document: Json) -> None:
    assert outgoing(document).results == []


def test_approving_a_call_is_a_result_and_declining_it_is_always_in_order() -> None:
    found = outgoing(
        {
            "tool_approvals": [
                {"tool_call_id": "a", "approve": True},
                {"tool_call_id": "b", "approve": False},
                {"tool_call_id": "c"},
                {"tool_call_id": "d", "approve": 0},
                {"tool_call_id": "e", "approve": "false"},
            ]
        }
    )

    assert [(one.call_id, one.output, one.path) for one in found.results] == [
        ("a", True, "tool_approvals[0].approve"),
        ("c", None, "tool_approvals[2].approve"),
        ("d", 0, "tool_approvals[3].approve"),
        ("e", "false", "tool_approvals[4].approve"),
    ]


@pytest.mark.parametrize("key", ["tool_outputs", "tool_approvals"])
@pytest.mark.parametrize(
    ("listed", "param"),
    [
        ({}, "{key}"),
        ("call_1", "{key}"),
        (0, "{key}"),
        (False, "{key}"),
        ([None], "{key}[0]"),
        (["call_1"], "{key}[0]"),
        ([{"tool_call_id": "a"}, []], "{key}[1]"),
        ([{}], "{key}[0].tool_call_id"),
        ([{"tool_call_id": None}], "{key}[0].tool_call_id"),
        ([{"tool_call_id": True}], "{key}[0].tool_call_id"),
        ([{"tool_call_id": 1.0}], "{key}[0].tool_call_id"),
        ([{"tool_call_id": ["a"]}], "{key}[0].tool_call_id"),
        ([{"tool_call_id": {"a": 1}}], "{key}[0].tool_call_id"),
    ],
    ids=repr,
)
def test_results_that_can_not_be_told_apart_are_refused_at_their_place(
    key: str, listed: Json, param: str
) -> None:
    with pytest.raises(BodyError) as caught:
        outgoing({key: listed})

    assert caught.value.param == param.format(key=key)


@pytest.mark.parametrize("target", [SUBMIT, RUNS, "/v1/threads/runs", "/v1/assistants"])
@pytest.mark.parametrize("document", [None, [], "text", 5, True], ids=repr)
def test_a_request_that_is_no_object_is_refused(target: str, document: Json) -> None:
    with pytest.raises(BodyError, match="must be a JSON object"):
        outgoing(document, target)


@pytest.mark.parametrize("target", [SUBMIT, RUNS, "/v1/threads/runs"])
@pytest.mark.parametrize(
    ("stream", "streams"),
    [(True, True), ("false", True), (1, True), ({}, True), (False, False), (None, False)],
)
def test_anything_but_false_asks_for_a_stream(target: str, stream: Json, streams: bool) -> None:
    assert outgoing({"stream": stream}, target).is_streaming is streams
    if target != SUBMIT:
        assert outgoing({"stream": stream, "tools": []}, target).is_streaming is streams
    assert not outgoing({}, target).is_streaming


# -- requests: hosted tools -----------------------------------------------------------------


@pytest.mark.parametrize("target", [RUNS, "/v1/threads/runs", "/v1/assistants", "/v1/assistants/a"])
def test_tools_that_the_api_runs_itself_are_found_with_their_places(target: str) -> None:
    found = outgoing(
        {
            "assistant_id": "asst_1",
            "tools": [
                {"type": "function", "function": {"name": "f"}},
                {"type": "code_interpreter"},
                {"type": "mcp", "server_label": "docs"},
            ],
        },
        target,
    )

    assert [(tool.name, tool.path) for tool in found.hosted_tools] == [
        ("code_interpreter", "tools[1].type"),
        ("mcp", "tools[2].type"),
    ]
    assert found.inherits_tools_of == ""


@pytest.mark.parametrize(
    "document", [{"assistant_id": "asst_1"}, {"assistant_id": "asst_1", "tools": None}]
)
def test_a_run_that_names_no_tools_inherits_the_assistant_s(document: Json) -> None:
    assert outgoing(document, RUNS).inherits_tools_of == "asst_1"
    assert outgoing(document, "/v1/threads/runs").inherits_tools_of == "asst_1"
    assert outgoing(document, "/v1/assistants/a").inherits_tools_of == ""


def test_a_run_that_names_tools_or_no_assistant_inherits_nothing() -> None:
    assert outgoing({"assistant_id": "asst_1", "tools": []}, RUNS).inherits_tools_of == ""
    assert outgoing({"assistant_id": None}, RUNS).inherits_tools_of == ""


def test_numbered_assistant_is_the_assistant_of_that_name() -> None:
    assert outgoing({"assistant_id": 5}, RUNS).inherits_tools_of == "5"
    with pytest.raises(BodyError, match="assistant_id"):
        outgoing({"assistant_id": ["asst_1"]}, RUNS)


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        ("all", "tools"),
        (0, "tools"),
        ([None], "tools[0].type"),
        (["code_interpreter"], "tools[0].type"),
        ([{"type": "function"}, {}], "tools[1].type"),
        ([{"type": None}], "tools[0].type"),
        ([{"type": ["function"]}], "tools[0].type"),
    ],
    ids=repr,
)
def test_tools_that_can_not_be_read_are_refused_at_their_place(tools: Json, param: str) -> None:
    with pytest.raises(BodyError) as caught:
        outgoing({"tools": tools}, RUNS)

    assert caught.value.param == param


def test_hosted_tools_are_taken_out_and_others_stay() -> None:
    document: Json = {
        "tools": [{"type": "function"}, {"type": "a"}, 5, {"type": "b"}, {"type": "a"}]
    }

    ASSISTANTS.remove_hosted_tools(document, ["a", "x"])

    assert document == {"tools": [{"type": "function"}, 5, {"type": "b"}]}


@pytest.mark.parametrize("document", [None, [], {}, {"tools": None}, {"tools": {}}], ids=repr)
def test_where_there_are_no_tools_none_are_taken_out(document: Json) -> None:
    before = json.dumps(document)

    ASSISTANTS.remove_hosted_tools(document, ["a"])

    assert json.dumps(document) == before


def test_inherited_tools_are_named_so_that_one_of_them_can_be_taken_out() -> None:
    document: Json = {"assistant_id": "asst_1"}
    owner: Json = {"id": "asst_1", "tools": [{"type": "function"}, {"type": "code_interpreter"}]}

    ASSISTANTS.inherit_tools(document, owner)
    ASSISTANTS.remove_hosted_tools(document, ["code_interpreter"])

    assert document == {"assistant_id": "asst_1", "tools": [{"type": "function"}]}
    ASSISTANTS.inherit_tools([], owner)
    ASSISTANTS.inherit_tools(document, None)
    assert document == {"assistant_id": "asst_1", "tools": [{"type": "function"}]}


# -- responses ------------------------------------------------------------------------------


def test_lists_bare_lists_and_single_objects_are_read() -> None:
    assert len(read(run(call()))) == 1
    assert len(read(listing(run(call()), 5, None, run(call("b"), id="run_2")), RUNS)) == 2
    assert len(read([run(call()), "x", step(call("b"))], RUNS)) == 2
    assert read(listing(), RUNS) == []
    assert read(run(status="queued", required_action=None)) == []


# -- responses: arguments -------------------------------------------------------------------


def test_arguments_are_replaced_where_they_stand_and_nothing_else_changes() -> None:
    turn = only(read(run(call("a"), call("b"))))
    before = canonical.canonical(turn.node)

    ASSISTANTS.replace_arguments(turn, {"b": '{"to":"[REDACTED:EMAIL]"}', "x": "{}"})

    expected = before.decode().replace(
        r'{\"to\":\"kim\"}","name":"send"},"id":"b"',
        r'{\"to\":\"[REDACTED:EMAIL]\"}","name":"send"},"id":"b"',
    )
    assert canonical.canonical(turn.node).decode() == expected != before.decode()
    sdk_run(turn.node)


def test_arguments_that_are_an_object_stay_an_object() -> None:
    turn = only(read(run(call("a", arguments={"to": "kim"}))))

    ASSISTANTS.replace_arguments(turn, {"a": '{"to":"x"}'})

    assert turn.node == run(call("a", arguments={"to": "x"}))


def test_arguments_are_replaced_in_steps_and_in_flat_calls() -> None:
    hosted: Json = {"type": "retrieval", "retrieval": {}}
    in_step = only(read(step(hosted, call("a")), f"{RUN}/steps/step_1"))
    flat = only(read(approval_run(mcp_call("a"))))

    ASSISTANTS.replace_arguments(in_step, {"a": '{"x":1}'})
    ASSISTANTS.replace_arguments(flat, {"a": '{"x":1}'})

    assert in_step.node == step(hosted, call("a", arguments='{"x":1}'))
    assert flat.node == approval_run({**mcp_call("a"), "arguments": '{"x":1}'})


# -- responses: withholding -----------------------------------------------------------------


def withheld(turn: Turn, denied: tuple[str, ...] = (), pending: tuple[str, ...] = ()) -> Object:
    ASSISTANTS.withhold(turn, Hidden(dict.fromkeys(denied, NOTICE), dict.fromkeys(pending, NOTICE)))
    return turn.node


def test_denied_calls_leave_the_run_and_their_siblings_stay() -> None:
    turn = only(read(run(call("a"), call("b"), call("c"))))

    assert calls_in(withheld(turn, denied=("b", "x"))) == ["a", "c"]
    assert turn.node["status"] == "requires_action"


def test_a_run_with_pending_calls_looks_as_if_it_were_working() -> None:
    node = withheld(only(read(run(call("a"), call("b")))), ("a",), ("b",))

    assert sdk_run(node).status == "in_progress"
    assert node["required_action"] is None
    assert read(node) == []


def test_a_run_whose_calls_can_not_be_read_now_looks_as_if_it_were_working() -> None:
    node = withheld(only(read(run(required_action=None))))

    assert sdk_run(node).status == "in_progress"


@pytest.mark.parametrize(
    "node",
    [run(call("a"), call("b")), approval_run(mcp_call("a"), mcp_call("b"))],
    ids=["outputs", "approvals"],
)
def test_a_run_that_keeps_no_call_never_requires_action(node: Object) -> None:
    node = withheld(only(read(node)), denied=("a", "b"))

    assert sdk_run(node).status == "in_progress"
    assert node["required_action"] is None


def test_calls_that_need_a_person_are_withheld_like_others() -> None:
    some = withheld(only(read(approval_run(mcp_call("a"), mcp_call("b")))), denied=("a",))
    held = withheld(only(read(approval_run(mcp_call("a"), mcp_call("b")))), pending=("a",))

    assert some == approval_run(mcp_call("b"))
    assert sdk_run(held).status == "in_progress"


def test_calls_left_on_a_run_that_does_not_wait_are_taken_out() -> None:
    node = withheld(only(read(run(call("a"), call("b"), status="expired"))), denied=("a",))

    assert calls_in(node) == ["b"]
    assert node["status"] == "expired"


@pytest.mark.parametrize("status", ["in_progress", "completed"])
def test_denied_calls_leave_the_step_and_hosted_tools_stay(status: str) -> None:
    hosted: Json = {
        "id": "h",
        "type": "code_interpreter",
        "code_interpreter": {"input": "1", "outputs": []},
    }
    turn = only(read(step(call("a"), hosted, call("b"), status=status), f"{RUN}/steps/step_1"))

    node = withheld(turn, denied=("a",))

    details = sdk_step(node).step_details
    assert isinstance(details, ToolCallsStepDetails)
    assert [one.id for one in details.tool_calls] == ["h", "b"]
    assert node["status"] == status


def test_a_step_with_a_pending_call_shows_none_of_its_calls() -> None:
    unnamed: Json = {"type": "retrieval", "retrieval": {}}
    turn = only(read(step(call("a"), unnamed, call("b")), f"{RUN}/steps/step_1"))

    node = withheld(turn, denied=("a",), pending=("b",))

    assert node == step(unnamed)


def test_a_step_may_keep_no_call_at_all() -> None:
    turn = only(read(step(call("a")), f"{RUN}/steps/step_1"))

    assert sdk_step(withheld(turn, denied=("a",))).status == "in_progress"


@given(st.data())
def test_the_app_never_sees_a_hidden_call_and_always_the_others(data: st.DataObject) -> None:
    ids = [f"call_{number}" for number in range(data.draw(st.integers(1, 5)))]
    denied = tuple(data.draw(st.sets(st.sampled_from(ids))))
    left = [id for id in ids if id not in denied]
    pending = tuple(data.draw(st.sets(st.sampled_from(left)))) if left else ()
    turn = only(read(run(*map(call, ids))))

    node = withheld(turn, denied, pending)

    shown = calls_in(node)
    assert shown == ([] if pending or not denied else left)
    assert bool(shown) == (sdk_run(node).status == "requires_action")


# -- requests: replacing results ------------------------------------------------------------


def replaced(document: Json, outputs: Mapping[str, str]) -> Json:
    ASSISTANTS.replace_results(document, [Substitute(*one) for one in outputs.items()])
    return document


def test_results_are_replaced_and_missing_ones_added() -> None:
    document: Json = {
        "tool_outputs": [
            {"tool_call_id": "a", "output": "1"},
            {"tool_call_id": "b", "output": "2"},
            {"tool_call_id": "a", "output": "3"},
        ],
        "stream": False,
    }

    assert replaced(document, {"a": NOTICE, "c": "redacted"}) == {
        "tool_outputs": [
            {"tool_call_id": "a", "output": NOTICE},
            {"tool_call_id": "b", "output": "2"},
            {"tool_call_id": "a", "output": NOTICE},
            {"tool_call_id": "c", "output": "redacted"},
        ],
        "stream": False,
    }


@pytest.mark.parametrize("document", [{}, {"tool_outputs": None}, {"tool_outputs": []}])
def test_results_are_added_where_there_were_none(document: Json) -> None:
    assert replaced(document, {"a": NOTICE}) == {
        "tool_outputs": [{"tool_call_id": "a", "output": NOTICE}]
    }


def test_a_result_may_be_replaced_by_nothing() -> None:
    document: Json = {"tool_outputs": [{"tool_call_id": 7, "output": "secret"}]}

    assert replaced(document, {"7": ""}) == {"tool_outputs": [{"tool_call_id": 7, "output": ""}]}


def test_nothing_to_replace_changes_nothing() -> None:
    assert replaced({"tool_outputs": None}, {}) == {"tool_outputs": None}
    assert replaced({"metadata": {}}, {}) == {"metadata": {}}


def test_a_denied_call_is_never_approved() -> None:
    document: Json = {
        "tool_approvals": [
            {"tool_call_id": "a", "approve": True, "headers": {"x": "y"}},
            {"tool_call_id": "b", "approve": True},
        ]
    }

    assert replaced(document, {"a": NOTICE, "c": NOTICE}) == {
        "tool_approvals": [
            {"tool_call_id": "a", "approve": False, "headers": {"x": "y"}},
            {"tool_call_id": "b", "approve": True},
            {"tool_call_id": "c", "approve": False},
        ]
    }
    assert [one.call_id for one in outgoing(document).results] == ["b"]


def test_in_a_request_with_both_kinds_each_is_replaced_in_its_own_way() -> None:
    document: Json = {
        "tool_outputs": [{"tool_call_id": "a", "output": "1"}],
        "tool_approvals": [{"tool_call_id": "a", "approve": True}],
    }

    assert replaced(document, {"a": NOTICE}) == {
        "tool_outputs": [{"tool_call_id": "a", "output": NOTICE}],
        "tool_approvals": [{"tool_call_id": "a", "approve": False}],
    }


@pytest.mark.parametrize(
    "document", [[], None, {"tool_outputs": {}}, {"tool_outputs": [5]}, {"tool_approvals": "a"}]
)
def test_results_that_can_not_be_told_apart_are_not_replaced(document: Json) -> None:
    with pytest.raises(BodyError):
        replaced(document, {"a": NOTICE})


# -- requests of Callgate's own -------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "method", "run_path", "query"),
    [
        (RUN, "GET", RUN, ""),
        (SUBMIT, "POST", RUN, ""),
        (f"{RUNS}?limit=5&order=asc&after=run_0&before=z", "GET", RUN, ""),
        (f"{RUN}/steps?include[]=x&include%5B%5D=y&limit=1", "GET", RUN, ""),
        ("/v1/threads/runs", "POST", RUN, ""),
        ("/threads/thread_1/runs", "POST", "/threads/thread_1/runs/run_1", ""),
        (
            "/openai/threads/thread_1/runs?api-version=2024-05-01-preview&limit=2",
            "GET",
            "/openai/threads/thread_1/runs/run_1",
            "api-version=2024-05-01-preview",
        ),
        (
            "/api/projects/p/threads/thread_1/runs/run_1?api-version=v1&&x=%2F+%20&y",
            "GET",
            "/api/projects/p/threads/thread_1/runs/run_1",
            "api-version=v1&x=%2F+%20&y",
        ),
        (
            "/threads/threads/thread_1/runs/run_1/steps/step_1",
            "GET",
            "/threads/threads/thread_1/runs/run_1",
            "",
        ),
        ("//a%20b//%74hreads/thread_1/RUNS/", "POST", "/a%20b/threads/thread_1/runs/run_1", ""),
    ],
)
def test_own_requests_keep_base_path_and_version_and_drop_paging(
    target: str, method: str, run_path: str, query: str
) -> None:
    sent = request(target, method)

    (retrieve, first), (steps, second) = ASSISTANTS.lookups(sent, "thread_1/run_1")
    notices = [Substitute("a", NOTICE)]
    settlement = ASSISTANTS.settlement(sent, "thread_1/run_1", notices, is_streaming=False)

    assert (first.method, first.target) == ("GET", run_path + (f"?{query}" if query else ""))
    both = f"{query}&limit=100" if query else "limit=100"
    assert (second.method, second.target) == ("GET", f"{run_path}/steps?{both}")
    assert settlement.method == "POST"
    assert settlement.target == f"{run_path}/submit_tool_outputs" + (f"?{query}" if query else "")
    assert canonical.parse(settlement.body) == {
        "tool_outputs": [{"tool_call_id": "a", "output": NOTICE}]
    }
    assert {one.headers for one in (first, second, settlement)} == {sent.headers}
    assert (retrieve.operation, steps.operation) == ("runs.retrieve", "steps.list")
    assert retrieve.scope == steps.scope == "thread_1/run_1"


@pytest.mark.parametrize("is_streaming", [False, True])
def test_consent_is_declined_and_outputs_get_the_notice(is_streaming: bool) -> None:
    notices = [Substitute("a", NOTICE), Substitute("b", NOTICE, "mcp_approval_request")]
    sent = ASSISTANTS.settlement(request(RUN), "t/r", notices, is_streaming=is_streaming)

    assert canonical.parse(sent.body) == {
        "tool_outputs": [{"tool_call_id": "a", "output": NOTICE}],
        "tool_approvals": [{"tool_call_id": "b", "approve": False}],
        **({"stream": True} if is_streaming else {}),
    }


@pytest.mark.parametrize(
    "id", ["a b", "a%2Fb?c#d", "../../x", "é", "x;y", "a\ud800\udcff\r\n"], ids=ascii
)
def test_ids_can_not_lead_an_own_request_elsewhere(id: str) -> None:
    sent = request(RUN)

    targets = [one.target for _, one in ASSISTANTS.lookups(sent, f"thread_1/{id}")]
    targets.append(ASSISTANTS.settlement(sent, f"thread_1/{id}", (), is_streaming=False).target)
    targets.append(ASSISTANTS.owner(sent, id)[1].target)

    for target in targets:
        assert target.isascii()
        assert target.isprintable()
        assert not {" ", ";"} & set(target)
        assert ".." not in target.split("/")
        assert target.count("?") <= 1
        assert "#" not in target


def test_the_owner_of_inherited_tools_is_the_assistant() -> None:
    sent = request("/openai/threads/thread_1/runs?api-version=1", "POST")

    found, asked = ASSISTANTS.owner(sent, "asst/1")

    assert (asked.method, asked.target) == ("GET", "/openai/assistants/asst%2F1?api-version=1")
    tools = ASSISTANTS.read_request(
        found, request(), {"tools": [{"type": "file_search"}]}
    ).hosted_tools
    assert [tool.name for tool in tools] == ["file_search"]


def test_own_requests_are_made_for_requests_of_this_surface_only() -> None:
    with pytest.raises(ValueError, match="not a request of the assistants surface"):
        ASSISTANTS.lookups(request("/v1/models"), "thread_1/run_1")


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"Tool_Outputs": []}, "Tool_Outputs"),
        (
            {"tool_outputs": [{"tool_call_id": "a", "output": "x", "content": 1}]},
            "tool_outputs[0].content",
        ),
    ],
)
def test_field_that_the_api_does_not_know_is_refused(document: Json, param: str) -> None:
    with pytest.raises(BodyError) as caught:
        outgoing(document, SUBMIT)
    assert caught.value.param == param


def test_stream_is_read_and_ended_in_the_api_s_own_form() -> None:
    endpoint = ASSISTANTS.endpoint("POST", segments(RUNS))
    assert endpoint is not None
    events = ASSISTANTS.open_events(endpoint, request(RUNS, "POST"), sse.event)
    assert list(events.finish()) == []
    raw = ASSISTANTS.error_event({"message": "no", "code": "x"}, sse.event)
    assert raw == b'event: error\ndata: {"error":{"message":"no","code":"x"}}\n\n'
