"""Paths, requests and bodies of Chat Completions, changed so that SDKs still accept them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.errors import BodyError
from callgate.surfaces import sse
from callgate.surfaces.base import Hidden, Outgoing, Substitute
from callgate.surfaces.chat_events import ChatEvents
from tests.surfaces.chat_objects import (
    CHAT,
    CREATE,
    RECORDED,
    Json,
    call,
    choice,
    completion,
    custom,
    endpoint,
    read,
    request,
    sdk_calls,
)

LEGACY = {"name": "look", "arguments": '{"x":1}'}


def outgoing(*messages: Any, **fields: Any) -> Outgoing:
    return CHAT.read_request(endpoint(), request(), {"messages": list(messages), **fields})


def asked(*tools: Json, **fields: Any) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(tools), **fields}


def answer(id: str = "call_1", content: Any = "done") -> Json:
    return {"role": "tool", "tool_call_id": id, "content": content}


# -- paths --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/chat/completions", "completions.create"),
        ("POST", "/chat/completions", "completions.create"),
        ("POST", "/openai/deployments/gpt/chat/completions?api-version=1", "completions.create"),
        ("POST", "/OpenAI/v1/Chat/Completions", "completions.create"),
        ("GET", "/v1/chat/completions", "completions.list"),
        ("GET", "/v1/chat/completions/chatcmpl-1", "completions.retrieve"),
        ("POST", "/v1/chat/completions/chatcmpl-1", "completions.update"),
        ("GET", "/v1/chat/completions/chatcmpl-1/messages", "completions.messages"),
    ],
)
def test_operation_is_told_by_the_end_of_the_path(method: str, path: str, operation: str) -> None:
    found = endpoint(method, path)

    assert found.operation == operation
    assert found.reads_response
    assert found.reads_request is (operation == "completions.create")


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat", "/v1/chat/completions/a/b/c"])
def test_other_paths_are_not_this_surfaces(path: str) -> None:
    with pytest.raises(AssertionError):
        endpoint("GET", path)


# -- responses ----------------------------------------------------------------------------


def test_every_choice_with_calls_is_a_turn() -> None:
    document = completion(choice(call()), choice(index=1), choice(call("call_2"), index=2))
    turns = read(document)

    assert [[one.id for one in turn.calls] for turn in turns] == [["call_1"], ["call_2"]]
    assert all(turn.is_waiting and turn.scope == "chatcmpl-1" for turn in turns)
    assert all(one.model == "gpt-4o" for turn in turns for one in turn.calls)


@pytest.mark.parametrize("finish", ["stop", "length", None, "function_call"])
def test_no_reason_to_finish_hides_a_call(finish: str | None) -> None:
    [turn] = read(completion({**choice(call()), "finish_reason": finish}))

    assert [one.id for one in turn.calls] == ["call_1"]


def test_lists_of_stored_completions_are_read_and_messages_are_told() -> None:
    stored = {"object": "list", "data": [completion(choice(call()), id="chatcmpl-7")]}
    [turn] = read(stored, "GET")
    assert (turn.scope, turn.is_told) == ("chatcmpl-7", False)

    messages = {"object": "list", "data": [{"id": "m", **asked(call())}, answer()]}
    [turn] = read(messages, "GET", f"{CREATE}/chatcmpl-1/messages")
    assert turn.is_told
    assert [one.scope for one in turn.calls] == ["quoted"]


def test_completion_without_an_id_counts_by_its_path() -> None:
    document = completion(choice(call()))
    del document["id"]
    [turn] = read(document, "GET", f"{CREATE}/chatcmpl-5")

    assert turn.scope == "chatcmpl-5"


def test_ids_that_mean_different_calls_in_two_choices_are_refused() -> None:
    with pytest.raises(BodyError):
        read(completion(choice(call()), choice(call(name="wipe"), index=1)))


@pytest.mark.parametrize(
    "document",
    [
        completion({"index": 0, "message": {"inner": {"tool_calls": [call()]}}}),
        completion(choice(), id="x") | {"tool_calls_": 1, "extra": {"Tool_Calls": [call()]}},
        completion({"index": 0, "delta": {"tool_calls": [call()]}}),
    ],
)
def test_calls_in_unknown_places_are_refused(document: Json) -> None:
    with pytest.raises(BodyError):
        read(document)


@pytest.mark.parametrize("document", [[], "x", None, {"error": {"message": "no"}}, {"choices": 3}])
def test_bodies_without_calls_have_none(document: Any) -> None:
    assert read(document) == []


def test_message_left_without_calls_tells_the_notice_and_stops() -> None:
    document = completion(choice(call(), call("call_2")), choice(call("call_3"), index=1))
    for turn in read(document):
        CHAT.withhold(turn, Hidden({"call_1": "no 1", "call_2": "no 2"}, {}))

    first, second = document["choices"]
    assert first["message"]["content"] == "no 1\nno 2"
    assert first["finish_reason"] == "stop"
    assert second["finish_reason"] == "tool_calls"
    assert sdk_calls(document) == [("call_3", "look", '{"x":1}')]


def test_siblings_of_a_hidden_call_stay() -> None:
    document = completion(choice(call(), call("call_2", "wipe")))
    [turn] = read(document)
    CHAT.withhold(turn, Hidden({"call_2": "no"}, {}))

    assert sdk_calls(document) == [("call_1", "look", '{"x":1}')]
    assert document["choices"][0]["finish_reason"] == "tool_calls"


def test_stored_message_has_no_reason_to_finish() -> None:
    document = {"data": [asked(call())]}
    [turn] = read(document, "GET", f"{CREATE}/chatcmpl-1/messages")
    CHAT.withhold(turn, Hidden({"call_1": "no"}, {}))

    assert document["data"] == [{"role": "assistant", "content": "no"}]


def test_arguments_are_replaced() -> None:
    document = completion(choice(call(), custom()))
    [turn] = read(document)
    CHAT.replace_arguments(turn, {"call_1": '{"x":2}'})

    assert [arguments for _, _, arguments in sdk_calls(document)] == ['{"x":2}', "print(1)"]


# -- requests -----------------------------------------------------------------------------


def test_results_are_found_with_the_calls_that_the_request_quotes() -> None:
    found = outgoing(
        {"role": "user", "content": "hi"},
        asked(call(), custom()),
        answer(),
        answer("call_c", [{"type": "text", "text": "two"}]),
        stream=True,
    )

    assert [(r.call_id, r.output, r.path) for r in found.results] == [
        ("call_1", "done", "messages[2].content"),
        ("call_c", "two", "messages[3].content"),
    ]
    assert [(c.id, c.name, c.scope) for c in found.echoes] == [
        ("call_1", "look", "quoted"),
        ("call_c", "code", "quoted"),
    ]
    assert found.reaches_back
    assert found.is_streaming
    assert found.answers == ""


def test_legacy_result_answers_the_last_call_of_its_name() -> None:
    newer = {"name": "look", "arguments": '{"x":2}'}
    found = outgoing(
        {"role": "assistant", "function_call": LEGACY},
        {"role": "function", "name": "look", "content": "one"},
        {"role": "assistant", "function_call": newer},
        {"role": "function", "name": "look", "content": "two"},
        {"role": "function", "name": "other", "content": "three"},
    )

    assert [r.call_id for r in found.results] == [
        *(echo.id for echo in found.echoes),
        "function_call:other",
    ]


@pytest.mark.parametrize("role", ["Tool", " tool "])
def test_role_counts_in_any_spelling(role: str) -> None:
    assert len(outgoing({**answer(), "role": role}).results) == 1


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "tool", "content": "x"}],
        [{"role": "tool", "tool_call_id": 7, "content": "x"}],
        [{"role": "user", "tool_call_id": "call_1", "content": "x"}],
        ["text"],
        [asked("x")],  # type: ignore[arg-type]  # nonsense
    ],
)
def test_results_that_can_not_be_told_are_refused(messages: list[Any]) -> None:
    with pytest.raises(BodyError):
        outgoing(*messages)


@pytest.mark.parametrize("nothing", [None, ""])
def test_fields_of_a_message_without_anything_in_them_say_nothing(nothing: Any) -> None:
    blank = dict.fromkeys(("tool_call_id", "name"), nothing)
    blank |= dict.fromkeys(("tool_calls", "function_call"))
    found = outgoing({"role": "user", "content": "go on", **blank}, {"role": "assistant", **blank})

    assert (found.results, found.echoes, found.said) == ([], [], ("go on",))


@pytest.mark.parametrize("document", [[], {}, {"messages": {}}, None])
def test_request_that_is_none_is_refused(document: Any) -> None:
    with pytest.raises(BodyError):
        CHAT.read_request(endpoint(), request(), document)


def test_results_are_replaced_and_missing_ones_follow_their_calls() -> None:
    document: Json = {
        "messages": [
            asked(call("a"), call("b")),
            answer("a"),
            answer("z"),
            {"role": "assistant", "function_call": LEGACY},
            {"role": "user", "content": "go on"},
        ]
    }
    legacy = CHAT.read_request(endpoint(), request(), document).echoes[-1].id
    CHAT.replace_results(
        document, [Substitute("a", "no a"), Substitute("b", "no b"), Substitute(legacy, "no c")]
    )

    assert document["messages"] == [
        asked(call("a"), call("b")),
        {"role": "tool", "tool_call_id": "b", "content": "no b"},
        answer("a", "no a"),
        answer("z"),
        {"role": "assistant", "function_call": LEGACY},
        {"role": "function", "name": "look", "content": "no c"},
        {"role": "user", "content": "go on"},
    ]
    with pytest.raises(BodyError):
        CHAT.replace_results([], [])


def test_hosted_tools_are_found_and_removed() -> None:
    tools: Any = [
        {"type": "function", "function": {"name": "f"}},
        {"type": "web_search"},
        {"function": {"name": "g"}},
    ]
    document: Json = {"messages": [], "tools": tools, "web_search_options": {}}
    found = CHAT.read_request(endpoint(), request(), document).hosted_tools
    assert [(t.name, t.path) for t in found] == [
        ("web_search", "web_search_options"),
        ("web_search", "tools[1].type"),
    ]
    CHAT.remove_hosted_tools(document, ["web_search"])
    assert document == {"messages": [], "tools": [tools[0], tools[2]]}

    alone: Json = {"tools": [{"type": "x"}], "tool_choice": "auto", "parallel_tool_calls": True}
    CHAT.remove_hosted_tools(alone, ["x"])
    assert alone == {}
    nothing: Json = {"tools": []}
    CHAT.remove_hosted_tools(nothing, ["x"])
    CHAT.remove_hosted_tools([], ["x"])
    CHAT.remove_hosted_tools({}, ["x"])
    CHAT.ask_before(nothing, ["x"])
    CHAT.inherit_tools(nothing, None)
    assert nothing == {"tools": []}


@pytest.mark.parametrize("tools", [{}, ["x"], [{"type": 7}]])
def test_tools_that_can_not_be_told_are_refused(tools: Any) -> None:
    with pytest.raises(BodyError):
        outgoing(tools=tools)


# -- the rest -----------------------------------------------------------------------------


def test_errors_are_those_that_sdks_raise() -> None:
    raw = CHAT.error_event({"message": "no", "code": "x"}, sse.event)

    assert raw == b'data: {"error":{"message":"no","code":"x"}}\n\n'
    assert isinstance(CHAT.open_events(endpoint(), request(), sse.event), ChatEvents)


def test_the_api_keeps_nothing_that_could_be_asked_for() -> None:
    assert list(CHAT.lookups(request(), "")) == []
    with pytest.raises(ValueError, match="inherit"):
        CHAT.owner(request(), "a")
    with pytest.raises(ValueError, match="wait"):
        CHAT.settlement(request(), "", (), is_streaming=False)


@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded traffic here")
def test_recorded_bodies_show_the_calls_that_the_sdk_sees() -> None:
    seen = 0
    for path in sorted(RECORDED.glob("chat__*.json")):
        exchange = json.loads(path.read_text())
        body, target = exchange["response_body"], "/" + exchange["url"].split("/", 3)[3]
        sent = exchange["request_body"]
        if isinstance(sent, dict) and "messages" in sent:
            results = CHAT.read_request(endpoint(), request(), sent).results
            wanted = [m for m in sent["messages"] if m.get("role") in ("tool", "function")]
            assert len(results) == len(wanted)
        if exchange["method"] == "DELETE" or not isinstance(body, dict):
            continue
        found = [
            (one.name, one.arguments)
            for turn in read(body, exchange["method"], target)
            if not turn.is_told
            for one in turn.calls
        ]
        bodies = [b for b in (body, *body.get("data", ())) if "choices" in b]
        expected = [(n, a) for b in bodies for _, n, a in sdk_calls(b)]
        assert found == expected, path.name
        seen += len(found)
    assert seen > 50


def test_users_and_operators_are_heard_and_nobody_else() -> None:
    messages = [
        {"role": "system", "content": "be nice"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "from the model"},
    ]

    assert outgoing(*messages).said == ("be nice", "hello")


def test_result_of_a_repeated_id_is_that_of_the_call_before_it() -> None:
    first, second = call("c", arguments='{"n":1}'), call("c", arguments='{"n":2}')

    told = outgoing(asked(first, call("d")), answer("c"), asked(second), answer("c")).results
    assert len({"", *(result.digest for result in told)}) == 3

    alone = outgoing(asked(second), answer("c")).results
    assert [result.digest for result in alone] == [""]
    together = outgoing(asked(first), answer("c"), asked(first, second), answer("c")).results
    assert together[1].digest == ""
