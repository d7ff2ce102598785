"""Where the calls of runs and steps stand, in every shape that servers send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._models import construct_type
from openai.types.beta.threads import Run
from openai.types.beta.threads.runs import RunStep

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.model import SurfaceName
from callgate.surfaces import runs
from tests.surfaces.objects import (
    RUN,
    Object,
    approval_run,
    call,
    listing,
    mcp_call,
    only,
    read,
    run,
    sdk_run,
    sdk_step,
    step,
)

THREADS_RUNS = "/v1/threads/runs"
RUNS = "/v1/threads/thread_1/runs"
STEPS = f"{RUN}/steps"


# -- what a call says -----------------------------------------------------------------------


def test_a_call_is_read_with_everything_that_identifies_it() -> None:
    [found] = only(read(run(call()))).calls

    assert found.surface is SurfaceName.ASSISTANTS
    assert found.origin == "api.openai.com:443"
    assert found.scope == "thread_1/run_1"
    assert (found.id, found.name, found.kind) == ("call_1", "send", "function")
    assert found.arguments == '{"to":"kim"}'
    assert found.digest == canonical.call_digest("function", "send", '{ "to" : "kim" }')
    assert (found.agent, found.assistant, found.model) == ("asst_1", "asst_1", "gpt-4o")


def test_a_run_without_assistant_and_model_has_the_key_as_its_agent() -> None:
    [found] = only(read(run(call(), assistant_id=None, model=7))).calls

    assert found.agent.startswith("key:")
    assert (found.assistant, found.model) == ("", "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("not JSON", "not JSON"),
        (' {\n"b":1,"a":2}', ' {\n"b":1,"a":2}'),
        (None, ""),
        ({}, "{}"),
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        (["x"], '["x"]'),
        (5, "5"),
        (False, "false"),
        ({"n": 2**60}, '{"n":1152921504606846976}'),
        ({"s": "\ud800"}, '{"s":"\\ud800"}'),
    ],
    ids=repr,
)
def test_arguments_are_text_or_any_json(arguments: Json, text: str) -> None:
    [found] = only(read(run(call(arguments=arguments)))).calls

    assert found.arguments == text


def test_a_call_without_arguments_has_none() -> None:
    [found] = only(read(run({"id": "c", "type": "function", "function": {"name": "f"}}))).calls

    assert found.arguments == ""


def test_arguments_as_object_and_as_text_are_the_same_call() -> None:
    [one] = only(read(run(call(arguments={"to": "kim", "n": 1})))).calls
    [other] = only(read(run(call(arguments='{"n":1.0, "to":"kim"}')))).calls

    assert one.key == other.key


@pytest.mark.parametrize(
    "id", ["", "x" * 400, "507f1f77bcf86cd799439011", 'a"b\r\n', "é\ud800", 7, 2**70]
)
def test_ids_are_any_text_or_number(id: Json) -> None:
    [found] = only(read(run(call(id)))).calls

    assert found.id == str(id)


def test_128_parallel_calls_are_all_found_in_order() -> None:
    found = only(read(run(*(call(f"call_{n}") for n in range(128))))).calls

    assert [one.id for one in found] == [f"call_{n}" for n in range(128)]


@pytest.mark.parametrize(
    ("item", "kind", "name"),
    [
        ({"id": "c", "function": {"name": "f"}}, "function", "f"),
        ({"id": "c", "type": None, "function": {"name": "f"}}, "function", "f"),
        ({"id": "c", "type": "", "function": {"name": "f"}}, "function", "f"),
        ({"id": "c", "type": "function", "name": "f"}, "function", "f"),
        ({"id": "c", "type": "function", "function": None, "name": "f"}, "function", "f"),
        ({"id": "c", "type": "shell", "function": {"name": "f"}}, "shell", "f"),
        ({"id": "c", "type": "shell", "command": ["ls"]}, "shell", "shell"),
        ({"id": "c", "type": "Function", "name": "f"}, "Function", "f"),
        ({"id": "c", "name": "f"}, "untyped", "f"),
        ({"id": "c"}, "untyped", "untyped"),
        (mcp_call("c"), "mcp", "search"),
    ],
    ids=repr,
)
def test_types_are_told_so_that_unknown_ones_can_be_denied(
    item: Json, kind: str, name: str
) -> None:
    [found] = only(read(run(item))).calls

    assert (found.id, found.kind, found.name) == ("c", kind, name)


# -- runs -----------------------------------------------------------------------------------


def test_a_waiting_run_can_be_settled() -> None:
    turn = only(read(run(call())))

    assert turn.is_waiting
    assert turn.is_settleable


def test_a_waiting_run_that_names_no_call_is_still_a_turn() -> None:
    turn = only(read(run(required_action=None)))

    assert turn.calls == []
    assert turn.is_waiting
    assert turn.is_settleable


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelling", "expired", None, 5])
def test_calls_of_a_run_that_does_not_wait_are_found_and_not_settled(status: Json) -> None:
    turn = only(read(run(call(), status=status)))

    assert len(turn.calls) == 1
    assert not turn.is_waiting
    assert not turn.is_settleable


@pytest.mark.parametrize("action", [None, {}, [], "", 0, False])
def test_a_run_that_asks_for_nothing_has_no_turn(action: Json) -> None:
    assert read(run(status="completed", required_action=action)) == []


def test_calls_that_the_api_runs_once_the_app_consents_are_told_as_such() -> None:
    turn = only(read(approval_run(mcp_call("a"), mcp_call("b"))))

    asked = "mcp_approval_request"
    assert [(one.id, one.kind) for one in turn.calls] == [("a", asked), ("b", asked)]
    assert turn.is_waiting
    assert turn.is_settleable


@pytest.mark.parametrize(
    "action",
    [
        {"tool_calls": [call()]},
        {"submit_tool_outputs": {"tool_calls": [call()]}},
        {"type": "submit_something_new", "submit_something_new": {"tool_calls": [call()]}},
        {"a": {"tool_calls": None}, "b": {"tool_calls": [call()]}, "note": {}, "type": "b"},
    ],
)
def test_calls_are_found_under_any_kind_of_action(action: Json) -> None:
    assert len(only(read(run(required_action=action))).calls) == 1


@pytest.mark.parametrize(
    "action",
    [
        {"type": "submit_tool_outputs"},
        {"type": "submit_tool_outputs", "submit_tool_outputs": None},
        {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": None}},
        {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": []}},
        {"submit_tool_outputs": {}, "note": []},
    ],
)
def test_an_action_may_name_no_calls(action: Json) -> None:
    assert only(read(run(required_action=action))).calls == []


def test_one_call_in_two_places_is_one_call() -> None:
    action: Json = {"tool_calls": [call()], "submit_tool_outputs": {"tool_calls": [call()]}}
    turn = only(read(run(required_action=action)))

    assert len({one.key for one in turn.calls}) == 1


def test_a_run_with_step_details_is_a_run() -> None:
    details: Json = {"type": "tool_calls", "tool_calls": [{"id": "x", "type": "code_interpreter"}]}
    turn = only(read(run({"id": "c", "type": "shell"}, id="run_9", step_details=details), RUNS))

    assert [one.id for one in turn.calls] == ["c"]
    assert turn.scope == "thread_1/run_9"
    assert turn.is_settleable


# -- steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "waits"), [("in_progress", True), ("completed", False), ("cancelled", False)]
)
def test_calls_of_a_step_are_found_whatever_its_status(status: str, waits: bool) -> None:
    turn = only(read(step(call(), status=status), f"{STEPS}/step_1"))

    assert len(turn.calls) == 1
    assert turn.is_waiting is waits
    assert not turn.is_settleable
    assert turn.scope == "thread_1/run_1"


def test_a_call_is_the_same_in_its_run_and_in_its_step() -> None:
    [in_run] = only(read(run(call()))).calls
    listed = call()
    assert isinstance(listed["function"], dict)
    listed["function"]["output"] = "done"
    [in_step] = only(read(listing(step(listed, status="completed")), STEPS)).calls

    assert in_step.key == in_run.key


@pytest.mark.parametrize(
    "item",
    [
        {"id": "c", "type": "code_interpreter", "code_interpreter": {"input": "1", "outputs": []}},
        {"id": "c", "type": "file_search", "file_search": {}},
        {"id": "c", "type": "file_search", "file_search": {}, "function": None},
        {"type": "retrieval", "retrieval": {}},
        mcp_call(),
        {"id": "c", "type": "bing_grounding", "bing_grounding": {}},
    ],
    ids=lambda item: str(item["type"]),
)
def test_tools_that_the_api_ran_itself_are_no_calls(item: Json) -> None:
    turn = only(read(listing(step(item)), STEPS))

    assert turn.calls == []


@pytest.mark.parametrize(
    "item",
    [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c", "type": "openapi", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c", "type": "function", "name": "f"},
    ],
)
def test_whatever_an_app_could_take_for_a_function_call_in_a_step_is_one(item: Json) -> None:
    [found] = only(read(listing(step(item)), STEPS)).calls

    assert (found.id, found.name, found.kind) == ("c", "f", "function")


@pytest.mark.parametrize("key", ["required_action", "Tool_Calls"])
@pytest.mark.parametrize("place", [lambda calls: calls, lambda calls: {"data": [calls]}])
def test_calls_that_stand_where_no_run_is_are_refused(
    key: str, place: Callable[[Json], Json]
) -> None:
    known: dict[str, Json] = {"required_action": {"submit_tool_outputs": {"tool_calls": [call()]}}}
    document: Json = {"run": known, "other": place({key: [call()]})}

    with pytest.raises(BodyError, match=key):
        runs.refuse_strays(document, [known])


def test_a_step_that_made_a_message_has_no_calls() -> None:
    details: Json = {"type": "message_creation", "message_creation": {"message_id": "msg_1"}}

    assert only(read(step(step_details=details), f"{STEPS}/step_1")).calls == []


# -- scopes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "method", "document", "scope"),
    [
        (RUN, "GET", run(call(), id="run_9", thread_id="thread_9"), "thread_1/run_1"),
        (RUNS, "POST", run(call(), id="run_9", thread_id="thread_9"), "thread_1/run_9"),
        (RUNS, "POST", run(call(), id=9, thread_id=None), "thread_1/9"),
        (THREADS_RUNS, "POST", run(call(), id="run_9", thread_id="thread_9"), "thread_9/run_9"),
        (THREADS_RUNS, "POST", run(call(), id=8, thread_id=9), "9/8"),
        (RUNS, "GET", listing(run(call(), id="run_9")), "thread_1/run_9"),
        (RUNS, "GET", listing(step(call(), run_id="run_9")), "thread_1/run_9"),
    ],
)
def test_the_path_tells_the_scope_as_far_as_it_does_and_the_object_the_rest(
    target: str, method: str, document: Json, scope: str
) -> None:
    turn = only(read(document, target, method))

    assert turn.scope == scope
    assert turn.calls[0].scope == scope


@pytest.mark.parametrize(
    ("target", "changes"),
    [
        (RUNS, {"id": None}),
        (RUNS, {"id": ""}),
        (RUNS, {"id": ["run_1"]}),
        (RUNS, {"id": True}),
        (THREADS_RUNS, {"thread_id": None}),
        (THREADS_RUNS, {"thread_id": ""}),
        (THREADS_RUNS, {"thread_id": {}}),
    ],
)
def test_a_run_of_no_known_scope_is_refused(target: str, changes: dict[str, Json]) -> None:
    with pytest.raises(BodyError, match="without its thread_id and id"):
        read(run(call(), **changes), target, "POST")


@pytest.mark.parametrize("id", ["..", ".", "a/b", "/"])
def test_an_id_that_would_be_another_path_is_refused(id: str) -> None:
    with pytest.raises(BodyError, match="another path"):
        read(run(call(), id=id), RUNS, "POST")
    with pytest.raises(BodyError, match="another path"):
        read(run(call(), thread_id=id), THREADS_RUNS, "POST")


# -- malformed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        None,
        "call_1",
        [],
        7,
        {},
        {"type": "function", "function": {"name": "f"}},
        {"id": None, "type": "function", "function": {"name": "f"}},
        {"id": True, "type": "function", "function": {"name": "f"}},
        {"id": 1.5, "type": "function", "function": {"name": "f"}},
        {"id": ["c"], "type": "function", "function": {"name": "f"}},
        {"id": "c", "type": "function"},
        {"id": "c", "type": "function", "function": {}},
        {"id": "c", "type": "function", "function": {"name": None}},
        {"id": "c", "type": "function", "function": {"name": 5}},
        {"id": "c", "type": "function", "function": "f"},
        {"id": "c", "type": "function", "function": []},
        {"id": "c", "type": ["function"], "function": {"name": "f"}},
        {"id": "c", "type": 5, "name": "f"},
        {"id": "c", "type": "mcp", "name": {"x": 1}},
        {"id": "c", "type": "function", "function": {"name": "f", "Name": "g"}},
        {"id": "c", "type": "function", "function": {"name": "f"}, "Id": "d"},
    ],
    ids=repr,
)
def test_a_malformed_call_is_refused_in_runs(item: Json) -> None:
    with pytest.raises(BodyError):
        read(run(call("other"), item))


@pytest.mark.parametrize(
    "item",
    [
        None,
        "call_1",
        {"id": "c", "type": "function", "function": "f"},
        {"type": "function", "function": {"name": "f"}},
        {"id": "c", "function": {"arguments": "{}"}},
    ],
    ids=repr,
)
def test_a_malformed_call_is_refused_in_steps(item: Json) -> None:
    with pytest.raises(BodyError):
        read(listing(step(item)), STEPS)


@pytest.mark.parametrize(
    "action",
    [
        "submit_tool_outputs",
        5,
        True,
        [call()],
        {"submit_tool_outputs": {"tool_calls": call()}},
        {"submit_tool_outputs": {"tool_calls": "call_1"}},
        {"submit_tool_outputs": {"tool_calls": 0}},
        {"tool_calls": {}},
        {"submit_tool_outputs": [call()]},
        {"type": "submit_form", "submit_form": {"fields": [1]}},
        {"type": "new", "items": [call()]},
    ],
    ids=repr,
)
def test_an_action_that_can_not_be_read_is_refused(action: Json) -> None:
    with pytest.raises(BodyError):
        read(run(required_action=action))


@pytest.mark.parametrize("details", ["", 5, [], [call()], {"tool_calls": call()}], ids=repr)
def test_step_details_that_can_not_be_read_are_refused(details: Json) -> None:
    with pytest.raises(BodyError):
        read(listing(step(step_details=details)), STEPS)


def test_two_calls_that_can_not_be_told_apart_are_refused() -> None:
    with pytest.raises(BodyError, match="same id"):
        read(run(call(arguments='{"n":1}'), call(arguments='{"n":2}')))
    with pytest.raises(BodyError, match="same id"):
        read(run(call("1", "f"), call(1, "g")))

    assert len(only(read(run(call(), call()))).calls) == 2


# -- any JSON -------------------------------------------------------------------------------

KEYS = (
    *("id", "type", "status", "thread_id", "run_id", "data", "required_action", "step_details"),
    *("submit_tool_outputs", "submit_tool_approval", "tool_calls", "function", "name", "arguments"),
)
WORDS = ("requires_action", "in_progress", "function", "mcp", "tool_calls", "run_1", "call_1", "")
ANY_JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)
JSON_CALL = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["call_1", "call_2", "call_3", "", 1, None, 1.5]),
        "type": st.sampled_from(["function", "mcp", "code_interpreter", "", None, 5]),
        "function": st.fixed_dictionaries(
            {},
            optional={"name": st.sampled_from(["f", "g", None, 5]), "arguments": ANY_JSON},
        )
        | st.sampled_from([None, "f"]),
        "name": st.sampled_from(["f", None]),
    },
)
GOOD_CALLS = st.lists(st.integers(1, 9), max_size=4, unique=True).map(
    lambda numbers: [call(f"call_{number}", arguments={"n": number}) for number in numbers]
)
CALLS = GOOD_CALLS | GOOD_CALLS | st.lists(JSON_CALL | st.none(), max_size=4) | ANY_JSON
HOLDER = st.fixed_dictionaries({"type": st.just("tool_calls"), "tool_calls": CALLS})
RUN_LIKE = st.fixed_dictionaries(
    {"id": st.just("run_1"), "thread_id": st.just("thread_1")},
    optional={
        "status": st.sampled_from(["requires_action", "in_progress", "completed", None]),
        "required_action": st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["submit_tool_outputs", None]),
                "submit_tool_outputs": HOLDER,
                "submit_tool_approval": HOLDER,
            },
        )
        | HOLDER.map(lambda holder: {"submit_tool_outputs": holder})
        | ANY_JSON,
        "step_details": HOLDER | ANY_JSON,
        "run_id": st.just("run_1"),
    },
)
NODES: st.SearchStrategy[Any] = RUN_LIKE | ANY_JSON
DOCUMENTS = NODES | st.lists(NODES, max_size=3).map(lambda nodes: listing(*nodes))
TARGETS = st.sampled_from([(RUN, "GET"), (RUNS, "GET"), (THREADS_RUNS, "POST"), (STEPS, "GET")])


def shown_by_sdk(node: Json) -> list[str]:
    """Ids of the calls that an app sees through the SDK, which validates nothing."""
    seen: list[Any] = []
    made: Any = construct_type(type_=Run, value=node)
    action = getattr(made, "required_action", None)
    for kind in ("submit_tool_outputs", "submit_tool_approval"):
        holder = getattr(action, kind, None)
        calls = holder.get("tool_calls") if isinstance(holder, dict) else None
        seen += calls or getattr(holder, "tool_calls", None) or []
    made = construct_type(type_=RunStep, value=node)
    details = getattr(made, "step_details", None)
    steps = getattr(details, "tool_calls", None) or []
    seen += [one for one in steps if getattr(one, "type", None) == "function"]
    ids = [one.get("id") if isinstance(one, dict) else getattr(one, "id", None) for one in seen]
    return [str(id) for id in ids if id is not None]


@pytest.mark.no_cover
@settings(max_examples=600)
@given(DOCUMENTS, TARGETS)
def test_any_json_gives_turns_or_a_body_error_and_every_call_that_the_sdk_shows(
    document: Json, place: tuple[str, str]
) -> None:
    finite = canonical.parse(canonical.dump(_finite(document)))
    try:
        turns = read(finite, *place)
    except BodyError:
        return
    found = {one.id for turn in turns for one in turn.calls}
    listed = finite.get("data") if isinstance(finite, dict) else None
    for node in (finite, *(listed if isinstance(listed, list) else ())):
        assert set(shown_by_sdk(node)) <= found


def _finite(value: Json) -> Json:
    """NaN and infinity are no JSON."""
    if isinstance(value, float):
        return value if abs(value) < 1e300 else 0.0
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("document", [None, 5, "text", True, [], {}, {"data": {}}, {"data": None}])
def test_a_document_without_runs_has_no_turns(document: Json) -> None:
    assert read(document) == []


def test_samples_of_these_tests_are_what_the_sdk_accepts() -> None:
    assert sdk_run(run(call())).required_action is not None
    assert sdk_step(step(call())).step_details.type == "tool_calls"
    node: Object = approval_run(mcp_call())
    assert shown_by_sdk(node) == ["call_1"]


def test_thread_of_an_object_is_a_conversation() -> None:
    assert runs.threads_in({"object": "thread", "id": "t"}) == ["thread/t"]
    assert runs.threads_in({"object": "thread.run", "id": "r", "thread_id": 7}) == ["thread/7"]
    assert runs.threads_in({"object": "thread.run", "id": "r"}) == []
