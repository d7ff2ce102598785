"""Streams of runs: which events are held, what is let out, and what the SDK makes of it."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from callgate.errors import BodyError
from callgate.exchange import Request, segments
from callgate.model import ToolCall
from callgate.surfaces import endpoint_for, sse
from callgate.surfaces.base import Change, Group, Passing
from callgate.surfaces.run_events import RunEvents
from callgate.surfaces.sse import SseReader

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded"
PATH = "/v1/threads/thread_1/runs"

type Json = dict[str, Any]


def machine(target: str = PATH) -> RunEvents:
    endpoint = endpoint_for("POST", segments(target))
    assert endpoint is not None
    return RunEvents(endpoint, Request("POST", "https", "api.test", 443, target), sse.event)


def parts(stream: bytes, target: str = PATH, *cuts: int) -> list[Passing | Group]:
    """What the machine lets out of a stream, whatever the chunks."""
    reader, events = SseReader(1 << 22), machine(target)
    places = [0, *sorted(cuts), len(stream)]
    found: list[Passing | Group] = []
    for start, end in itertools.pairwise(places):
        for event in reader.feed(stream[start:end]):
            found += events.feed(event)
    if last := reader.finish():
        found += events.feed(last)
    return [*found, *events.finish()]


def out(found: list[Passing | Group], change: Change | None = None, comment: bytes = b"") -> bytes:
    return b"".join(
        part.raw
        if isinstance(part, Passing)
        else b"".join(part.render(change or Change(), comment))
        for part in found
    )


def judged(found: list[Passing | Group]) -> dict[str, ToolCall]:
    return {
        call.id: call
        for part in found
        if not isinstance(part, Passing)
        for turn in part.turns
        for call in turn.calls
    }


# -- streams as OpenAI writes them ----------------------------------------------------------


def call(id: str, name: str, arguments: str) -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def run(status: str, *calls: Json) -> Json:
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": list(calls)}}
    return {
        "id": "run_1",
        "object": "thread.run",
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "status": status,
        "required_action": action if calls else None,
    }


def step(*calls: Json, status: str = "in_progress", id: str = "step_1") -> Json:
    return {
        "id": id,
        "object": "thread.run.step",
        "run_id": "run_1",
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "type": "tool_calls",
        "status": status,
        "step_details": {"type": "tool_calls", "tool_calls": list(calls)},
    }


def delta(*items: Json, id: str = "step_1") -> Json:
    details = {"type": "tool_calls", "tool_calls": list(items)}
    return {"id": id, "object": "thread.run.step.delta", "delta": {"step_details": details}}


def text(word: str) -> tuple[str, Json]:
    content = [{"index": 0, "type": "text", "text": {"value": word}}]
    return "thread.message.delta", {"id": "msg_1", "delta": {"content": content}}


def told(*calls: Json) -> list[tuple[str, Json]]:
    """A step and its deltas: names first, then arguments in pieces of three characters."""
    events: list[tuple[str, Json]] = [
        ("thread.run.step.created", step()),
        ("thread.run.step.in_progress", step()),
    ]
    for index, one in enumerate(calls):
        function = one["function"]
        first = {**one, "index": index, "function": {"name": function["name"], "arguments": ""}}
        events.append(("thread.run.step.delta", delta(first)))
        pieces = [function["arguments"][i : i + 3] for i in range(0, len(function["arguments"]), 3)]
        events += [
            (
                "thread.run.step.delta",
                delta({"index": index, "type": "function", "function": {"arguments": piece}}),
            )
            for piece in pieces
        ]
    return events


def stream(*events: tuple[str, Json], done: bool = True) -> bytes:
    raw = b"".join(sse.event(name, json.dumps(data)) for name, data in events)
    return raw + (sse.event("done", "[DONE]") if done else b"")


A = call("call_a", "look", '{"x": "y"}')
B = call("call_b", "wipe", '{"path": "/srv"}')
C = call("call_c", "look", '{"x": "z"}')
WHOLE = stream(
    ("thread.run.created", run("queued")),
    text("one moment"),
    *told(A, B, C),
    ("thread.run.requires_action", run("requires_action", A, B, C)),
)


def sdk_calls(raw: bytes) -> dict[str, tuple[str, str]]:
    """What the SDK would hand to the app: calls of events, and of its step snapshots."""
    from openai._models import construct_type
    from openai.lib.streaming._assistants import accumulate_run_step
    from openai.types.beta import AssistantStreamEvent

    snapshots: dict[str, Any] = {}
    found: dict[str, tuple[str, str]] = {}
    for event in SSEDecoder().iter_bytes(iter([raw])):
        if event.data.startswith("[DONE]"):
            break
        if not (event.event or "").startswith("thread."):
            continue
        data = {"event": event.event, "data": json.loads(event.data)}
        made: Any = construct_type(type_=AssistantStreamEvent, value=data)
        accumulate_run_step(event=made, run_step_snapshots=snapshots)
        if event.event == "thread.run.requires_action" and made.data.required_action:
            for one in made.data.required_action.submit_tool_outputs.tool_calls:
                found[one.id] = (one.function.name, one.function.arguments)
    for snapshot in snapshots.values():
        for one in getattr(snapshot.step_details, "tool_calls", None) or []:
            if one.type == "function":
                found[one.id] = (one.function.name, one.function.arguments)
    return found


def test_calls_are_held_and_text_is_not() -> None:
    found = parts(WHOLE)
    kinds = [
        ("text" if part.is_text else "behind") if isinstance(part, Passing) else "group"
        for part in found
    ]
    assert kinds == ["behind", "text", "group", "behind"]
    assert set(judged(found)) == {"call_a", "call_b", "call_c"}


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 7))
def test_unchanged_stream_keeps_its_bytes_wherever_it_is_cut(cut: int) -> None:
    found = parts(WHOLE, PATH, cut)
    assert out(found) == WHOLE
    assert set(judged(found)) == {"call_a", "call_b", "call_c"}


def test_comment_stands_just_before_the_event_that_completes_the_calls() -> None:
    rendered = out(parts(WHOLE), comment=b": callgate x\n")
    assert rendered.count(b": callgate x\n") == 1
    assert b": callgate x\nevent: thread.run.requires_action\n" in rendered


@pytest.mark.parametrize("hidden", [{"call_a"}, {"call_b"}, {"call_a", "call_c"}, set()])
def test_hidden_calls_leave_no_trace_and_the_others_stay_whole(hidden: set[str]) -> None:
    rendered = out(parts(WHOLE), Change(hidden=dict.fromkeys(hidden, "no")))
    left = {one["id"]: one for one in (A, B, C) if one["id"] not in hidden}
    assert sdk_calls(rendered) == {
        id: (one["function"]["name"], one["function"]["arguments"]) for id, one in left.items()
    }
    for id in hidden:
        assert id.encode() not in rendered
    assert b"one moment" in rendered


def test_step_and_run_whose_calls_are_all_hidden_are_gone() -> None:
    rendered = out(
        parts(WHOLE), Change(hidden=dict.fromkeys(("call_a", "call_b", "call_c"), "no")), b": c\n"
    )
    assert b"step_1" not in rendered
    assert b"requires_action" not in rendered
    assert b": c\n" not in rendered
    assert sdk_calls(rendered) == {}


def test_arguments_are_replaced_in_deltas_and_run_alike() -> None:
    new = '{"path": "[REDACTED:PATH]"}'
    rendered = out(parts(WHOLE), Change({"call_b": new}))
    assert sdk_calls(rendered)["call_b"] == ("wipe", new)
    assert sdk_calls(rendered)["call_a"] == ("look", A["function"]["arguments"])
    assert b"/srv" not in rendered


def test_step_told_in_one_piece_is_judged_at_once() -> None:
    whole = stream(("thread.run.step.created", step(A, B)))
    found = parts(whole)
    assert set(judged(found)) == {"call_a", "call_b"}
    assert out(found) == whole
    rendered = out(found, Change(hidden={"call_b": "no"}))
    assert b"call_b" not in rendered
    assert b"call_a" in rendered
    last = found[-1]
    assert not isinstance(last, Passing)
    assert (list(last.turns), last.render(Change(), b"")) == ([], [sse.event("done", "[DONE]")])


def test_completed_step_after_a_submit_hides_what_was_hidden() -> None:
    finished = step(A, B, status="completed")
    rendered = out(
        parts(stream(("thread.run.step.completed", finished))),
        Change(hidden={"call_b": "no"}),
    )
    assert b"call_b" not in rendered
    assert b"call_a" in rendered


def test_other_ids_in_deltas_are_the_calls_of_the_run() -> None:
    events = told(A, B)
    for number, (_, data) in enumerate(events[2:]):
        data["delta"]["step_details"]["tool_calls"][0]["id"] = f"call_new_{number}"
    whole = stream(*events, ("thread.run.requires_action", run("requires_action", A, B)))
    found = parts(whole)
    assert set(judged(found)) == {"call_a", "call_b"}
    rendered = out(found, Change(hidden={"call_b": "no"}))
    assert b"wipe" not in rendered


def test_call_in_deltas_that_the_run_does_not_name_is_judged_too() -> None:
    found = parts(stream(*told(A, B), ("thread.run.requires_action", run("requires_action", A))))
    assert set(judged(found)) == {"call_a", "call_b"}


def test_hosted_tools_flow() -> None:
    hosted = {"index": 0, "id": "call_h", "type": "code_interpreter", "code_interpreter": {}}
    whole = stream(
        ("thread.run.step.created", step()),
        ("thread.run.step.delta", delta(hosted)),
        ("thread.run.step.delta", delta({"index": 0, "type": "code_interpreter"})),
        ("thread.run.step.completed", step({**hosted}, status="completed")),
    )
    found = parts(whole)
    assert all(isinstance(part, Passing) for part in found)
    assert out(found) == whole


def test_run_that_names_no_calls_is_a_group_of_its_own() -> None:
    waiting = {**run("requires_action"), "expires_at": 1234}
    group = next(p for p in parts(stream(("x", waiting))) if not isinstance(p, Passing))
    assert (list(group.turns[0].calls), group.turns[0].is_settleable) == ([], True)
    assert group.turns[0].expires_at == 1234


def test_stream_that_breaks_off_gives_what_was_held_to_the_judge() -> None:
    whole = stream(*told(A)[:-1], done=False)
    found = parts(whole)
    [cut_off] = judged(found).values()
    assert cut_off.arguments == A["function"]["arguments"][:-1]
    assert out(found) == whole


def test_held_room_is_counted_and_can_be_given_up() -> None:
    events = machine()
    raw = stream(*told(A), done=False)
    for event in SseReader(1 << 20).feed(raw):
        assert list(events.feed(event)) == []
    assert events.held_bytes == len(raw)
    assert b"".join(events.give_up()) == raw
    assert events.held_bytes == 0


@pytest.mark.parametrize(
    "data",
    [
        [],
        5,
        {"delta": {"step_details": {"tool_calls": {}}}},
        {"delta": {"step_details": {"tool_calls": [5]}}},
        {"delta": {"step_details": {"tool_calls": [{"index": -1}]}}},
        {"delta": {"step_details": {"tool_calls": [{"index": True}]}}},
        {"delta": {"step_details": {"tool_calls": [{"index": 0, "function": "x"}]}}},
        {"delta": {"step_details": {"tool_calls": [{"function": {"name": 5}}]}}},
        {"delta": {"step_details": {"tool_calls": [{"function": {"name": "x"}}]}}},
        {"id": "r", "thread_id": "t", "required_action": {"tool_calls": [{"id": 5.5}]}},
    ],
)
def test_what_can_not_be_told_is_an_error(data: object) -> None:
    with pytest.raises(BodyError):
        parts(stream(("thread.run.step.delta", data)))  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [b'data: {"a":1,"a":2}\n\n', b"data: nonsense\n\n"])
def test_data_with_more_than_one_reading_is_an_error(raw: bytes) -> None:
    with pytest.raises(BodyError):
        parts(raw)


MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["drop", "double", "swap", "rename"]), st.integers(0, 40)),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(MUTATIONS, st.lists(st.integers(0, len(WHOLE)), max_size=5))
def test_every_call_that_the_sdk_would_show_was_judged(
    mutations: list[tuple[str, int]], cuts: list[int]
) -> None:
    events = [
        ("thread.run.created", run("queued")),
        *copy.deepcopy(told(A, B)),
        ("thread.run.requires_action", run("requires_action", A, B)),
    ]
    for kind, place in mutations:
        index = place % len(events)
        if kind == "drop":
            del events[index]
        elif kind == "double":
            events.insert(index, copy.deepcopy(events[index]))
        elif kind == "swap":
            events[index], events[-index] = events[-index], events[index]
        else:
            events[index] = ("thread.run.step.created", events[index][1])
    raw = stream(*events)
    try:
        found = parts(raw, PATH, *(min(cut, len(raw)) for cut in cuts))
    except BodyError:
        return
    assert sorted(out(found)) == sorted(raw)
    try:
        shown = sdk_calls(raw)
    except (KeyError, AttributeError, TypeError, IndexError, ValueError):
        return  # the SDK raises: it shows nothing
    seen = {
        (one.name, one.arguments)
        for part in found
        if not isinstance(part, Passing)
        for turn in part.turns
        for one in turn.calls
    }
    for name, arguments in shown.values():
        assert not arguments or ((name or ""), arguments) in seen


def recordings() -> Iterator[Any]:
    for path in sorted(RECORDED.glob("assistants__*.json")) if RECORDED.exists() else ():
        exchange = json.loads(path.read_text())
        if isinstance(exchange["response_body"], str):
            yield pytest.param(exchange, id=path.stem[12:70])


@pytest.mark.parametrize("exchange", list(recordings()))
def test_recorded_stream_keeps_its_bytes_and_shows_its_calls(exchange: Any) -> None:
    raw = exchange["response_body"].encode()
    target = exchange["url"].split("api.openai.com", 1)[1]
    whole = parts(raw, target)
    assert out(whole) == raw
    wanted = set(sdk_calls(raw))
    assert wanted <= set(judged(whole))
    step_size = max(1, len(raw) // 400)
    for cut in range(0, len(raw), step_size):
        found = parts(raw, target, cut)
        assert out(found) == raw
        assert set(judged(found)) == set(judged(whole))


HOSTED = {"index": 0, "id": "call_h", "type": "code_interpreter", "code_interpreter": {}}


def test_call_for_the_app_that_joins_hosted_ones_is_held() -> None:
    function = {"index": 1, **B, "function": {"name": "wipe", "arguments": '{"path": "/srv"}'}}
    whole = stream(
        ("thread.run.step.created", step()),
        ("thread.run.step.delta", delta(HOSTED)),
        ("thread.run.step.delta", delta(function)),
        ("thread.run.requires_action", run("requires_action", B)),
    )
    found = parts(whole)
    assert [type(part) is Passing for part in found] == [True, True, False, True]
    assert out(found) == whole
    assert set(judged(found)) == {"call_b"}
    assert b"wipe" not in out(found, Change(hidden={"call_b": "no"}))


def test_step_that_lists_only_hosted_calls_flows() -> None:
    whole = stream(("thread.run.step.created", step({**HOSTED})), ("x", {"object": "thread"}))
    assert all(isinstance(part, Passing) for part in parts(whole))


def test_step_that_ends_without_any_call_is_let_out() -> None:
    whole = stream(
        ("thread.run.step.created", step()),
        ("thread.run.step.failed", step(status="failed")),
        ("thread.run.failed", run("failed")),
    )
    found = parts(whole)
    assert all(isinstance(part, Passing) for part in found)
    assert out(found) == whole


def test_step_that_ends_with_its_calls_told_by_deltas_is_judged() -> None:
    whole = stream(*told(A), ("thread.run.step.cancelled", step(status="cancelled")))
    found = parts(whole)
    assert set(judged(found)) == {"call_a"}
    assert out(found) == whole


def test_step_whose_end_differs_from_its_deltas_is_judged_twice() -> None:
    other = call("call_a", "look", '{"x": "other"}')
    found = parts(stream(*told(A), ("thread.run.step.completed", step(other, status="completed"))))
    seen = {
        c.arguments for p in found if not isinstance(p, Passing) for t in p.turns for c in t.calls
    }
    assert seen == {A["function"]["arguments"], other["function"]["arguments"]}


def test_run_that_ends_with_a_step_still_open_gives_it_to_the_judge() -> None:
    found = parts(stream(*told(A), ("thread.run.expired", run("expired"))))
    assert set(judged(found)) == {"call_a"}


def test_deltas_of_a_step_that_was_never_created_are_an_error() -> None:
    with pytest.raises(BodyError, match="never created"):
        parts(stream(*told(A)[2:], ("thread.run.requires_action", run("requires_action", A))))


def test_arguments_object_of_a_step_stays_an_object() -> None:
    odd = {**A, "function": {"name": "look", "arguments": {"x": "y"}}}
    whole = stream(("thread.run.step.created", step(odd)))
    rendered = out(parts(whole), Change({"call_a": '{"x":"new"}'}))
    assert b'"arguments":{"x":"new"}' in rendered


def test_run_whose_step_told_nothing_takes_the_step_along() -> None:
    whole = stream(*told(), ("thread.run.requires_action", run("requires_action", A)))
    found = parts(whole)
    assert [type(part) is Passing for part in found] == [False, True]
    assert out(found) == whole


def test_comments_and_events_without_data_keep_their_place() -> None:
    whole = b": hello\n\nevent: x\ndata:\n\n" + stream(("thread.run.created", run("queued")))
    found = parts(whole)
    assert all(isinstance(part, Passing) for part in found)
    assert out(found) == whole


RENAMED = {"index": 0, "type": "function", "function": {"name": "_safe", "arguments": ""}}


@pytest.mark.parametrize(
    "events",
    [
        [*told(A), ("thread.run.step.delta", delta(RENAMED))],
        [*told(A), ("thread.run.step.in_progress", step())],
        [*told(A)[:-1], ("thread.run.queued", told(A)[-1][1])],
        [("", {"event": "thread.run.requires_action", "data": run("requires_action", A)})],
        [("thread.run.step.delta", {**told(A)[-1][1], "delta": [told(A)[-1][1]["delta"]]})],
    ],
    ids=[
        "name in pieces",
        "step begins anew",
        "piece under another name",
        "event in an event",
        "list of deltas",
    ],
)
def test_what_sdks_would_put_together_in_another_way_is_refused(
    events: list[tuple[str, Json]],
) -> None:
    with pytest.raises(BodyError):
        parts(stream(*events))


@pytest.mark.parametrize(
    "document",
    [
        {"object": "thread", "id": "thread_9"},
        {"object": "thread.run", "id": "run_1", "thread_id": "thread_9", "status": "queued"},
        {"object": "thread.message", "id": "msg_1", "thread_id": "thread_9"},
    ],
)
def test_stream_tells_its_thread(document: Json) -> None:
    events = machine("/v1/threads/runs")
    [event] = SseReader(1 << 20).feed(sse.event("thread.created", json.dumps(document)))
    list(events.feed(event))
    list(events.feed(event))

    assert events.begun == ["thread/thread_9"]


def test_stream_that_names_no_thread_tells_none() -> None:
    events = machine()
    [event] = SseReader(1 << 20).feed(sse.event("ping", "{}"))
    list(events.feed(event))

    assert events.begun == []
