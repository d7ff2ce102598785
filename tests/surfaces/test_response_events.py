"""Streams of the Responses API: what is held, what goes past, what SDKs make of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.errors import BodyError
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Passing
from callgate.surfaces.response_events import ResponseEvents
from tests.surfaces.response_objects import (
    RECORDED,
    Json,
    call,
    data_of,
    endpoint,
    judged,
    messages,
    out,
    parts,
    request,
    response,
    said,
    script,
    sdk_stream,
    stream,
    told,
)

A, B = call(), call("call_2", "wipe", '{"y":[1,2]}')
BOTH = [("call_1", "look", '{"x":1}'), ("call_2", "wipe", '{"y":[1,2]}')]
WHOLE = stream(*script(said(), A, B))


# -- what is found ------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 311))
def test_calls_are_found_whole_and_allowed_bytes_stay_as_they_are(cut: int) -> None:
    found = parts(WHOLE, [cut])

    assert judged(found) == BOTH
    assert out(found) == WHOLE


def test_stream_byte_by_byte_and_without_names_is_the_same() -> None:
    assert judged(parts(WHOLE, range(1, len(WHOLE)))) == BOTH
    nameless = stream(*script(said(), A, B), named=False)
    assert judged(parts(nameless)) == BOTH
    assert out(parts(nameless)) == nameless


def test_scope_is_the_conversation_or_the_response() -> None:
    def scopes(**more: Any) -> set[str]:
        events = [
            {"type": "response.created", "response": response(status="in_progress", **more)},
            *told(A),
        ]
        return {
            one.scope
            for part in parts(stream(*events))
            if not isinstance(part, Passing)
            for turn in part.turns
            for one in turn.calls
        }

    assert scopes() == {"responses/resp_1"}
    assert scopes(conversation={"id": "conv_1"}) == {"conversations/conv_1"}
    resumed = stream(*told(A))
    [group] = [
        part
        for part in parts(resumed, target="/v1/responses/resp_7")
        if not isinstance(part, Passing)
    ]
    assert group.turns[0].scope == "responses/resp_7"


def test_text_before_a_call_goes_at_once_and_what_follows_it_waits() -> None:
    events = [*script(said(), A, said("later", "msg_2"))]
    kinds = {
        json.loads(part.raw.split(b"data: ")[1])["type"]: part.is_text
        for part in parts(stream(*events[:-1]))
        if isinstance(part, Passing)
        and json.loads(part.raw.split(b"data: ")[1]).get("output_index") == 0
    }
    assert all(kinds.values())
    later = [
        part
        for part in parts(stream(*events))
        if isinstance(part, Passing) and b'"output_index": 2' in part.raw
    ]
    assert later
    assert not any(part.is_text for part in later)


def test_held_room_is_counted_and_can_be_given_up() -> None:
    machine = ResponseEvents(endpoint(), request(), sse.event)
    raw = stream(*told(A)[:-1])
    held = [part for event in sse.SseReader(1 << 20).feed(raw) for part in machine.feed(event)]
    assert held == []
    assert machine.held_bytes == len(raw)
    assert b"".join(machine.give_up()) == raw
    assert machine.held_bytes == 0


def test_interleaved_calls_are_told_apart() -> None:
    first, second = told(A), told(B, 1)
    mixed = [one for pair in zip(first, second, strict=False) for one in pair]
    mixed += first[len(second) :] + second[len(first) :]

    assert sorted(judged(parts(stream(*mixed)))) == BOTH


def test_calls_without_a_last_event_are_released_with_the_response() -> None:
    unfinished = [*told(A)[:-1], {"type": "response.completed", "response": response(A)}]
    assert judged(parts(stream(*unfinished))) == BOTH[:1]
    assert judged(parts(stream(*told(A)[:-1]))) == BOTH[:1]
    only_pieces = [one for one in told(A)[:-1] if not one["type"].endswith("arguments.done")]
    assert judged(parts(stream(*only_pieces))) == BOTH[:1]
    assert judged(parts(stream(*told(A)[:1]))) == [("call_1", "look", "")]
    done = parts(stream(*told(A)[:-1]) + b"data: [DONE]\n\n")
    assert judged(done) == BOTH[:1]


def test_stream_that_begins_in_the_middle_of_a_call_is_held() -> None:
    assert judged(parts(stream(*told(A)[2:]))) == BOTH[:1]
    terminal = [{"type": "response.completed", "response": response(A)}]
    assert judged(parts(stream(*terminal))) == BOTH[:1]
    with pytest.raises(BodyError):
        parts(stream(told(A)[2]))


@pytest.mark.parametrize("end", ["incomplete", "failed", "cancelled"])
def test_every_end_of_a_response_shows_its_calls(end: str) -> None:
    raw = stream({"type": f"response.{end}", "response": response(A, status=end)})

    assert judged(parts(raw)) == BOTH[:1]


def test_empty_output_at_the_end_hides_nothing() -> None:
    events = [*script(A)[:-1], {"type": "response.completed", "response": response()}]

    assert judged(parts(stream(*events))) == BOTH[:1]


def test_other_readings_of_the_arguments_are_judged_too() -> None:
    events = told(A)
    events[1] = {**events[1], "delta": '{"z'}
    found = judged(parts(stream(*events)))

    assert ("call_1", "look", '{"x":1}') in found
    assert len(found) == 2


def test_unknown_events_of_a_call_are_held_with_it() -> None:
    events = told(A)
    events.insert(2, {"type": "response.new_thing.delta", "output_index": 0, "delta": 7})
    shown = out(parts(stream(*events)), Change(hidden={"call_1": "no"}))

    assert b"new_thing" not in shown
    assert b"new_thing" in out(parts(stream(*events)))


def test_late_events_of_a_call_go_with_it() -> None:
    late = {"type": "response.function_call_arguments.done", "output_index": 0}
    late["arguments"] = A["arguments"]
    again = {"type": "response.output_item.done", "output_index": 0, "item": A}
    raw = stream(*told(A), late, again)
    assert out(parts(raw)) == raw
    shown = out(parts(raw), Change(hidden={"call_1": "no"}))
    assert b"function_call" not in shown


def test_hosted_calls_pass() -> None:
    hosted = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": hosted},
        {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
        {"type": "response.mcp_call_arguments.delta", "output_index": 5, "delta": "{}"},
        {"type": "response.output_item.done", "output_index": 0, "item": hosted},
    ]
    raw = stream(*events)

    assert judged(parts(raw)) == []
    assert out(parts(raw)) == raw


def test_calls_of_an_unknown_type_are_calls() -> None:
    item = {"id": "x_1", "type": "teleport_call", "call_id": "call_9", "target": "moon"}
    [(id, name, _)] = judged(
        parts(stream({"type": "response.output_item.done", "output_index": 0, "item": item}))
    )
    assert (id, name) == ("call_9", "teleport_call")


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "response.completed", "response": {**response(), "output": {}}}],
        [{"type": "response.completed", "response": {**response(), "output": ["x"]}}],
        [*told(A), {"type": "response.output_item.done", "output_index": 0, "item": said()}],
        [*told(said()), {"type": "response.output_item.done", "output_index": 0, "item": A}],
        [told(A)[0], {**told(A)[-1], "item": {**A, "name": "other"}}],
        [told(A)[0], {**told(A)[-1], "item": {**A, "call_id": "other"}}],
        [*told(A), {**told(A)[-1], "item": {**A, "name": "other"}}],
        [*told(A)[:2], {**told(A)[2], "output_index": 3}],
        [{"type": "response.future", "inner": {"deep": A}}],
        [{"type": "response.output_item.added", "output_index": 0, "item": said(), "more": A}],
        [{"type": "response.completed", "response": response(A, call("call_1", "other"))}],
        [{"type": "response.shell_call_command.delta", "output_index": 4, "delta": "rm"}],
        [*told(A), told(A)[1]],
        [*script(A), {**told(A)[-2], "arguments": '{"x":2}'}],
        [*told(A)[:2], told(A)[0]],
        [*script(A), told(A)[0]],
    ],
    ids=range(16),
)
def test_what_clients_would_read_in_different_ways_is_refused(events: list[Json]) -> None:
    with pytest.raises(BodyError):
        parts(stream(*events))


@pytest.mark.parametrize("data", ["[]", "{", '{"a":1,"a":2}'])
def test_data_that_is_no_object_is_refused(data: str) -> None:
    with pytest.raises(BodyError):
        parts(f"data: {data}\n\n".encode())


def test_what_is_no_event_of_an_item_passes() -> None:
    raw = b": hello\n\n" + stream({"type": "error", "error": {"message": "no"}}) + b"data: {}\n\n"

    assert out(parts(raw)) == raw


# -- over a WebSocket ---------------------------------------------------------------------


def test_lanes_of_a_websocket_are_independent() -> None:
    one = [{**event, "stream_id": "a"} for event in told(A)]
    two = [{**event, "stream_id": "b"} for event in told({**B, "id": "fc_call_1"})]
    mixed = [event for pair in zip(one, two, strict=False) for event in pair]
    mixed += one[len(two) :] + two[len(one) :]
    found = messages(*mixed)

    assert sorted(judged(found)) == BOTH
    documents = [json.loads(raw) for raw in out_messages(found, Change(hidden={"call_1": "no"}))]
    assert {d["stream_id"] for d in documents} == {"a", "b"}
    assert all("wipe" in json.dumps(d) or d["stream_id"] == "a" for d in documents if "item" in d)


def out_messages(found: Any, change: Change) -> list[bytes]:
    rendered: list[bytes] = []
    for part in found:
        rendered += [part.raw] if isinstance(part, Passing) else part.render(change, b"")
    return rendered


# -- what goes out ------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [{"call_1"}, {"call_2"}, {"call_1", "call_2"}])
@pytest.mark.parametrize("named", [True, False])
def test_hidden_calls_give_way_to_messages_with_the_notice(hidden: set[str], named: bool) -> None:
    raw = stream(*script(said(), A, B), named=named)
    shown = out(parts(raw), Change(hidden={id: f"no {id}" for id in hidden}))
    eager, final, text = sdk_stream(shown)

    assert eager == final == [one for one in BOTH if one[0] not in hidden]
    assert text == "hello" + "".join(f"no {id}" for id in sorted(hidden))
    numbers = [d["sequence_number"] for d in data_of(shown)]
    assert numbers == sorted(numbers)
    for id, name, _ in BOTH:
        assert (name.encode() in shown) is (id not in hidden)
        assert (f"fc_{id}".encode() in shown) is (id not in hidden)


def test_redacted_arguments_are_the_same_in_pieces_item_and_response() -> None:
    shown = out(parts(WHOLE), Change({"call_2": '{"y":"new"}'}))
    eager, final, _ = sdk_stream(shown)

    assert eager == final == [BOTH[0], ("call_2", "wipe", '{"y":"new"}')]
    of_call = [d for d in data_of(shown) if d.get("item_id") == "fc_call_2"]
    assert "".join(d.get("delta", "") for d in of_call) == '{"y":"new"}'
    assert b"[1,2]" not in shown


def test_custom_and_shell_calls_are_redacted_without_their_pieces() -> None:
    custom = {
        "id": "ctc_1",
        "type": "custom_tool_call",
        "call_id": "call_c",
        "name": "code",
        "input": "print(1)",
    }
    shown = out(parts(stream(*script(custom))), Change({"call_c": '{"input":"new"}'}))
    assert b"print" not in shown
    assert sdk_stream(shown)[1] == [("call_c", "code", "new")]

    shell = {
        "id": "sh_1",
        "type": "shell_call",
        "call_id": "call_s",
        "status": "completed",
        "action": {"commands": ["echo secret"]},
    }
    piece = {"type": "response.shell_call_command.delta", "output_index": 0, "delta": "echo secret"}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": shell},
        piece,
        {"type": "response.output_item.done", "output_index": 0, "item": shell},
    ]
    shown = out(parts(stream(*events)), Change({"call_s": '{"commands":["echo x"]}'}))
    assert b"secret" not in shown
    assert data_of(shown)[-1]["item"]["action"]["commands"] == ["echo x"]


def test_comment_stands_before_the_event_that_completes_a_call() -> None:
    before, after = out(parts(stream(*told(A))), comment=b": c\n").split(b": c\n")

    assert after.startswith(b"event: response.output_item.done\n")
    assert before + after == stream(*told(A))


# -- beside the SDK -----------------------------------------------------------------------


def recorded_streams() -> list[bytes]:
    found = []
    for path in sorted(RECORDED.glob("responses__*.json")):
        body = json.loads(path.read_text())["response_body"]
        if isinstance(body, str) and body.startswith("event:"):
            found.append(body.encode())
    return found


@pytest.mark.no_cover
@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded traffic here")
def test_recorded_streams_show_the_calls_that_the_sdk_sees_and_keep_their_bytes() -> None:
    streams = recorded_streams()
    assert len(streams) > 10
    for raw in streams:
        _, final, _ = sdk_stream(raw)
        for cuts in (range(1, len(raw)), range(7, len(raw), 7)):
            found = parts(raw, cuts)
            assert out(found) == raw
            assert judged(found) == final


@st.composite
def scripts(draw: st.DrawFn) -> list[Json]:
    """The events of some items, perhaps mangled."""
    output = [
        call(f"call_{n}", draw(st.sampled_from(["look", "wipe"])), '{"x":1}')
        if draw(st.booleans())
        else said(id=f"msg_{n}")
        for n in range(draw(st.integers(1, 3)))
    ]
    events = script(*output)
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(1, len(events) - 2))
        match draw(st.sampled_from(["drop", "double", "swap", "index"])):
            case "drop" if len(events) > 4:
                events.pop(place)
            case "double":
                events.insert(place, events[draw(st.integers(0, len(events) - 1))])
            case "swap":
                events[place], events[place + 1] = events[place + 1], events[place]
            case _:
                events[place] = {**events[place], "output_index": draw(st.integers(0, 3))}
    return events


@settings(max_examples=60, deadline=None)
@given(events=scripts(), hidden=st.sets(st.sampled_from(["call_0", "call_1", "call_2"])))
def test_sdk_never_hands_out_what_was_not_judged_or_was_hidden(
    events: list[Json], hidden: set[str]
) -> None:
    raw = stream(*events)
    try:
        found = parts(raw)
    except BodyError:
        return
    known = set(judged(found))
    try:
        eager, final, _ = sdk_stream(raw)
    except Exception:  # noqa: BLE001  what the SDK can not read it does not hand out
        eager, final = [], []
    assert {*eager, *final} <= known
    rendered = out(found, Change(hidden=dict.fromkeys(hidden, "no")))
    assert not any(f'"{id}"'.encode() in rendered for id in hidden)


def test_items_without_a_place_are_told_by_their_id() -> None:
    events = [
        {key: value for key, value in event.items() if key != "output_index"} for event in told(A)
    ]

    assert judged(parts(stream(*events))) == BOTH[:1]
    assert b"look" not in out(parts(stream(*events)), Change(hidden={"call_1": "no"}))


def test_items_without_id_and_place_are_told_by_their_calls() -> None:
    # as llama.cpp told them at first: pieces have the call's id for the item's
    placed = {"output_index", "item_id", "id"}
    events: list[Json] = []
    for item in (said(), call("fc_1"), call("fc_2", "wipe")):
        for event in told(item):
            bare = {key: value for key, value in event.items() if key not in placed}
            if item["type"] == "message":
                bare |= {"item_id": item["id"]} if "item_id" in event else {}
            elif "item_id" in event:
                bare["item_id"] = item["call_id"]
            else:
                bare["item"] = {k: v for k, v in event["item"].items() if k != "id"}
            events.append(bare)
    raw = stream(*events)

    assert judged(parts(raw)) == [("fc_1", "look", '{"x":1}'), ("fc_2", "wipe", '{"x":1}')]
    assert out(parts(raw)) == raw
    assert b"wipe" not in out(parts(raw), Change(hidden={"fc_2": "no"}))


def test_next_response_of_a_connection_counts_its_items_anew() -> None:
    again = [
        {**event, "response": {**event["response"], "id": "resp_2"}}
        if "response" in event
        else event
        for event in script(call("call_9", "other"))
    ]
    found = messages(*script(said(), A), *again)

    assert judged(found) == [BOTH[0], ("call_9", "other", '{"x":1}')]
    scopes = [
        one.scope
        for part in found
        if not isinstance(part, Passing)
        for turn in part.turns
        for one in turn.calls
    ]
    assert scopes == ["responses/resp_1"] * 2 + ["responses/resp_2"] * 2


def test_stream_tells_what_requests_go_on_with_before_any_call() -> None:
    events = ResponseEvents(endpoint(), request(), sse.event)
    assert events.begun == []
    begun = stream({"type": "response.created", "response": response(status="in_progress")})
    [event] = sse.SseReader(1 << 20).feed(begun)
    list(events.feed(event))

    assert events.begun == ["responses/resp_1"]
