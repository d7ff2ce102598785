"""What the Realtime API sends: what is held, what is let out, and what apps make of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.errors import BodyError
from callgate.model import SurfaceName
from callgate.surfaces import realtime_events
from callgate.surfaces.base import Change, Group, Passing
from tests.surfaces.realtime_objects import (
    CREATED,
    RECORDED,
    WHOLE,
    A,
    B,
    Json,
    about,
    begun,
    call,
    delta,
    done,
    endpoint,
    fed,
    groups,
    hiding,
    judged,
    nested,
    opened,
    out,
    parts,
    piece,
    raw,
    refused,
    request,
    sdk_event,
    shown,
    text,
    told,
    whole,
)


def recordings() -> Iterator[Any]:
    for path in sorted(RECORDED.glob("realtime__*.json")) if RECORDED.exists() else ():
        frames = json.loads(path.read_text())["response_body"]
        received = [one["data"] for one in frames if one["direction"] == "received"]
        yield pytest.param(received, id=path.stem[-40:])


@pytest.mark.parametrize("received", list(recordings()))
def test_recorded_session_keeps_its_bytes_and_shows_its_calls(received: list[Json]) -> None:
    events = opened()
    left: list[bytes] = []
    for document in received:
        for part in fed(events, document):
            left += [part.raw] if isinstance(part, Passing) else part.render(Change(), b"")
    assert left == [raw(document) for document in received]
    assert list(events.finish()) == []
    by_sdk = {
        (item.call_id, item.name, item.arguments)
        for event in map(sdk_event, received)
        if event.type == "response.done"
        for item in event.response.output
        if item.type == "function_call"
    }
    found = judged(parts(*received))
    assert by_sdk
    assert {(one.id, one.name, one.arguments) for one in found} == by_sdk == shown(received)
    assert {one.scope for one in found} == {events.scope} != {""}
    assert {one.model for one in found} == {"gpt-realtime"}


@pytest.mark.parametrize("received", list(recordings()))
def test_what_is_left_of_a_recorded_session_is_the_sdks(received: list[Json]) -> None:
    found = parts(*received)
    ids = {one.id for one in judged(found)}
    hidden = out(found, hiding(*ids))
    for document in hidden:
        sdk_event(document)
    assert shown(hidden) == set()
    assert not any('"function_call"' in json.dumps(one) for one in hidden)
    redacted = out(found, Change(dict.fromkeys(ids, '{"x":"[REDACTED]"}')))
    for document in redacted:
        sdk_event(document)
    assert {arguments for _, _, arguments in shown(redacted)} == {'{"x":"[REDACTED]"}'}


def test_calls_are_held_until_their_arguments_are_whole_and_text_is_not() -> None:
    events = opened()
    counts = [len(fed(events, document)) for document in told(A)]
    assert counts == [0] * (len(counts) - 3) + [1, 1, 1]
    [passed] = fed(events, text())
    assert isinstance(passed, Passing)
    assert passed.is_text


def test_calls_belong_to_the_session_that_the_api_names() -> None:
    first = judged(parts(*WHOLE))[0]
    assert first.surface is SurfaceName.REALTIME
    assert first.scope == "sessions/sess_1"
    assert (first.kind, first.name, first.origin) == ("function", "look", "api.openai.com:443")
    events = opened()
    assert events.scope == ""
    fed(events, CREATED)
    fed(events, {**CREATED, "session": {"id": "sess_2"}})
    assert events.scope == "sessions/sess_1"


@pytest.mark.parametrize("session", [None, "sess_1", {"id": 5, "model": 5}])
def test_session_without_an_id_leaves_the_scope_empty(session: object) -> None:
    events = opened("/v1/realtime?deployment=voice")
    fed(events, {"type": "session.created", "session": session})
    assert events.scope == ""
    [found] = groups(fed(events, about("conversation.item.done", A)))
    assert (found.turns[0].scope, found.turns[0].calls[0].model) == ("", "voice")


def test_hidden_call_becomes_a_message_wherever_it_is_told() -> None:
    left = out(parts(*WHOLE), hiding("call_b"))
    assert {id for id, _, _ in shown(left)} == {"call_a"}
    assert "wipe" not in json.dumps(left)
    assert "/srv" not in json.dumps(left)
    for document in left[1:]:
        sdk_event(document)
    standing = [one["item"] for one in left if one.get("item", {}).get("id") == "item_call_b"]
    assert [one["status"] for one in standing] == ["in_progress"] * 2 + ["completed"] * 2
    assert [len(one["content"]) for one in standing] == [0, 0, 1, 1]
    listed = left[-1]["response"]["output"]
    assert [one["type"] for one in listed] == ["function_call", "message"]
    assert listed[1]["content"] == [{"type": "output_text", "text": "blocked"}]
    assert left[-1]["response"]["status"] == "completed"


def test_beta_apps_get_its_kind_of_text() -> None:
    where = endpoint()
    beta = request(**{"OpenAI-Beta": "realtime=v1"})
    for events in (
        where.surface.open_events(where, beta, lambda _, data: data.encode()),
        opened("/openai/realtime?api-version=2024-10-01-preview&deployment=d"),
    ):
        [item] = [one["item"] for one in out(fed(events, about("x", A)), hiding("call_a"))]
        assert item["content"] == [{"type": "text", "text": "blocked"}]


def test_arguments_are_replaced_wherever_they_are_told() -> None:
    new = '{"path": "[REDACTED]"}'
    left = out(parts(*WHOLE), Change({"call_b": new}))
    assert {one for one in shown(left) if one[0] == "call_b"} == {("call_b", "wipe", new)}
    assert "/srv" not in json.dumps(left)
    assert A["arguments"] in json.dumps(left).replace('\\"', '"')


def test_interleaved_calls_are_groups_of_their_own() -> None:
    mixed = [
        one for pair in zip(told(A), told(call("call_b", "wipe")), strict=True) for one in pair
    ]
    found = parts(CREATED, *mixed)
    assert [one.id for one in judged(found)[:2]] == ["call_a", "call_b"]
    assert {id for id, _, _ in shown(out(found, hiding("call_b")))} == {"call_a"}


def test_response_that_is_over_gives_what_was_held_to_the_judge() -> None:
    found = parts(*told(A)[:4], done(status="cancelled", id="resp_2"))
    assert [type(part) is Passing for part in found] == [True, False]
    found = parts(
        about("response.output_item.added", begun(A)),
        delta(A, '{"x"'),
        about("response.output_item.added", begun(B)),
        done(status="cancelled"),
    )
    [group] = groups(found)
    assert {(one.id, one.arguments) for one in judged(found)} == {
        ("call_a", '{"x"'),
        ("call_b", ""),
    }
    assert [one["type"] for one in out(found, hiding("call_a"))] == [
        "response.output_item.added",
        "response.output_item.added",
        "response.done",
    ]
    assert len(group.render(Change(), b": c\n")) == 5
    assert group.render(Change(), b": c\n")[-2] == b": c\n"


def test_response_that_goes_on_gives_nothing_out() -> None:
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    found = parts(about("response.output_item.added", begun(A)), created, whole(A))
    assert [type(part) is Passing for part in found] == [True, False]


def test_response_that_lists_a_held_call_tells_it() -> None:
    found = parts(about("conversation.item.added", begun(A)), done(A))
    assert [one.arguments for one in judged(found)] == [A["arguments"]]
    assert len(out(found)) == 2


def test_pieces_may_come_before_the_item() -> None:
    found = parts(
        {**delta(A, '{"x": '), "call_id": None},
        delta(A, '"y"}'),
        {**whole(A), "name": None},
        about("response.output_item.added", begun(A)),
        about("response.output_item.done", A),
    )
    assert [(one.name, one.arguments) for one in judged(found)] == [("look", A["arguments"])]
    assert shown(out(found, hiding("call_a"))) == set()


def test_name_may_come_with_the_item_alone() -> None:
    found = parts(about("conversation.item.created", begun(A)), {**whole(A), "name": None})
    assert [one.name for one in judged(found)] == ["look"]


def test_done_without_arguments_means_the_deltas() -> None:
    silent = {key: value for key, value in whole(A).items() if key != "arguments"}
    found = parts(about("conversation.item.added", begun(A)), delta(A, A["arguments"]), silent)
    assert [one.arguments for one in judged(found)] == [A["arguments"]]


@pytest.mark.parametrize(
    ("messages", "wanted"),
    [
        ([begun(A), delta(A, '{"x": "other"}'), whole(A)], {A["arguments"], '{"x": "other"}'}),
        ([begun(A), delta(A, '{"x"'), whole(A)], {A["arguments"]}),
        ([begun(A), delta(A, "{}"), whole(A, arguments="")], {"", "{}"}),
        (
            [{**A, "status": "in_progress"}, delta(A, A["arguments"]), whole(A)],
            {A["arguments"]},
        ),
        (
            [{**A, "status": "in_progress"}, whole(A, arguments='{"x":"z"}')],
            {A["arguments"], '{"x":"z"}'},
        ),
        (
            [{**A, "status": "in_progress"}, delta(A, "{}"), whole(A, arguments='{"x":"z"}')],
            {A["arguments"], A["arguments"] + "{}", "{}", '{"x":"z"}'},
        ),
    ],
)
def test_every_way_to_put_arguments_together_is_judged(
    messages: list[Json], wanted: set[str]
) -> None:
    first, *rest = messages
    found = parts(about("response.output_item.added", first), *rest)
    assert {one.arguments for one in judged(found)} == wanted


def test_call_told_anew_after_it_was_let_out_is_judged_anew() -> None:
    found = parts(*told(A), delta(A, "{}"), whole(A, name=None, arguments="{}"))
    assert [one.arguments for one in judged(found)][-1] == "{}"
    assert judged(found)[-1].name == "look"


def test_item_that_begins_whole_is_judged_at_once() -> None:
    for kind in ("conversation.item.added", "conversation.item.created", "x.unknown"):
        found = parts(about(kind, A))
        assert [one.id for one in judged(found)] == ["call_a"]
        assert shown(out(found, hiding("call_a"))) == set()


def test_retrieved_call_is_judged() -> None:
    retrieved = {"type": "conversation.item.retrieved", "event_id": "e", "item": B}
    assert [one.id for one in judged(parts(retrieved))] == ["call_b"]


def test_server_approval_request_is_a_call() -> None:
    item = {
        "id": "mcpr_1",
        "type": "mcp_approval_request",
        "server_label": "docs",
        "name": "search",
        "arguments": "{}",
    }
    found = parts(about("response.output_item.added", item), done(item))
    first = judged(found)[0]
    assert (first.kind, first.id, first.name) == (item["type"], "mcpr_1", "mcp.docs.search")
    assert len(groups(found)) == 2
    left = out(found, hiding("mcpr_1"))
    assert [one["type"] for one in (left[0]["item"], left[1]["response"]["output"][0])] == [
        "message"
    ] * 2


def test_unknown_message_about_a_call_goes_its_way() -> None:
    odd = {"type": "response.obfuscated", "item_id": A["id"], "secret": 1}
    found = parts(about("conversation.item.added", begun(A)), odd, whole(A), odd)
    assert [len(out([part])) for part in found] == [3, 1]
    for change in (hiding("call_a"), Change({"call_a": "{}"})):
        assert "secret" not in json.dumps(out(found, change))
    assert len(out(found)) == 4


def test_message_that_only_refers_to_a_call_keeps_its_place() -> None:
    deleted = {"type": "conversation.item.deleted", "event_id": "e", "item_id": A["id"]}
    ended = {"type": "response.done", "response": {"id": "resp_1", "status": "completed"}}
    found = parts(*told(A), deleted, ended)
    assert [part.is_text for part in found if isinstance(part, Passing)] == [False, False]


def test_speech_and_other_responses_go_past_calls() -> None:
    others = [
        {"type": "input_audio_buffer.speech_started", "item_id": "item_u"},
        {"type": "response.created", "response": {"id": "resp_2", "output": []}},
        {"type": "response.output_audio.delta", "item_id": "item_t", "delta": "AAAA"},
        {"type": "response.mcp_call_arguments.done", "item_id": "item_m", "arguments": "{}"},
        about("conversation.item.added", {"id": "m", "type": "message", "role": "user"}),
        about("x", {"type": "function_call_output", "call_id": "call_a", "output": "1"}),
        done(id="resp_2"),
        {"no": "type"},
    ]
    found = parts(about("conversation.item.added", begun(A)), *others, whole(A))
    assert [part.is_text for part in found if isinstance(part, Passing)] == [True] * len(others)


def test_stream_that_breaks_off_gives_what_was_held_to_the_judge() -> None:
    found = parts(about("conversation.item.added", begun(A)), delta(A, '{"x'))
    assert [one.arguments for one in judged(found)] == ['{"x']
    assert len(out(found)) == 2


def test_held_room_is_counted_and_can_be_given_up() -> None:
    events = opened()
    mixed = [about("conversation.item.added", begun(A)), delta(B, "{"), delta(A, "{")]
    for document in mixed:
        assert fed(events, document) == []
    held = [raw(document) for document in mixed]
    assert events.held_bytes == sum(map(len, held))
    assert events.give_up() == held
    assert events.held_bytes == 0


def test_calls_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_events, "_REMEMBERED", 1)
    assert "without" in refused(*told(A), *told(B), whole(A, name=None), done())
    assert judged(parts(*told(A), *told(B), whole(A)))[-1].name == "look"


def test_id_that_comes_again_with_another_item_is_the_new_ones() -> None:
    again = {**B, "call_id": "call_a"}
    found = parts(*told(A), *told(again))
    assert [one.name for one in judged(found)] == ["look"] * 3 + ["wipe"] * 3
    # an app that looks up by call id would take this for the other one
    assert "without" in refused(*told(A), *told(again), {**whole(A), "name": None})


@pytest.mark.parametrize(
    "messages",
    [
        [about("x", begun(A)), about("conversation.item.added", begun({**A, "id": "item_2"}))],
        [about("conversation.item.added", begun(A)), about("x", {**A, "id": "item_2"})],
        [done(A, {**A, "id": "item_2", "name": "wipe"})],
        [done(A, A)],
    ],
)
def test_two_calls_with_one_id_are_an_error(messages: list[Json]) -> None:
    first, *rest = messages
    assert refused({**first, "type": "conversation.item.added"} if rest else first, *rest)


@pytest.mark.parametrize(
    "change",
    [{"name": "wipe"}, {"call_id": "call_2"}, {"type": "custom_tool_call"}, {"type": "message"}],
)
def test_item_that_becomes_another_is_an_error(change: Json) -> None:
    for messages in ([about("conversation.item.added", begun(A))], told(A)):
        assert refused(*messages, about("conversation.item.done", {**A, **change}))


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"nonsense",
        b'{"a":1,"a":2}',
        {"type": 5},
        {"type": "x", "item": [A]},
        {"type": "x", "items": [A]},
        {"type": "x", "Item": A},
        {"type": "x", "response": {"Output": []}},
        {"type": "x", "response": {"output": {}}},
        {"type": "x", "response": {"output": [5]}},
        {"type": "x", "item": {"type": "message", "Call_id": "c"}},
        {"type": "x", "item": {"type": 5}},
        {"type": "x", "item": {"type": "function_call", "name": "look"}},
        {"type": "x", "item": {"type": "function_call", "call_id": "c"}},
        {"type": "x", "item": {"type": "function_call", "call_id": "c", "name": 5}},
        {"type": "x", "data": {"type": "response.function_call_arguments.done"}},
        {"type": "x", "call_id": "call_a", "arguments": "{}"},
        {"type": "response.custom_tool_call_input.done", "item_id": "i", "input": "x"},
        {"type": "response.function_call_arguments.delta", "delta": "{"},
        {**delta(A, ""), "delta": 5},
        {**whole(A), "item": B},
        {**whole(A), "arguments": {}},
        {"type": "response.event"},
        {"type": "response.event", "event": {"type": 5}},
        {"type": "response.event", "event": {}, "item": A},
    ],
)
def test_what_can_not_be_told_is_an_error(document: object) -> None:
    assert refused(document)


@pytest.mark.parametrize(
    "messages",
    [
        [delta(A, "{"), done()],
        [delta(A, "{")],
        [{**whole(A), "name": None}, {**whole(A), "name": None, "arguments": "{}"}],
        [
            about("response.output_item.added", {**A, "status": "in_progress"}),
            about("conversation.item.added", {**begun(A), "arguments": "{}"}),
        ],
    ],
)
def test_call_that_is_never_told_is_an_error(messages: list[Json]) -> None:
    assert refused(*messages)


def test_call_without_an_item_id_is_known_by_its_own() -> None:
    bare = {key: value for key, value in A.items() if key != "id"}
    found = parts(about("conversation.item.created", begun(bare)), about("x", bare))
    assert shown(out(found, hiding("call_a"))) == set()
    assert "id" not in out(found, hiding("call_a"))[0]["item"]
    by_call = {key: value for key, value in whole(A).items() if key != "item_id"}
    found = parts(about("conversation.item.created", begun(bare)), by_call)
    assert [one.arguments for one in judged(found)] == [A["arguments"]]


# -- Live -----------------------------------------------------------------------------------

LIVE = "/v1/live/sessions"


def test_call_inside_a_message_of_the_live_api_is_judged() -> None:
    started = {"type": "session.started", "event_id": "e", "session": {"id": "live_1"}}
    inner = [
        {"type": "response.created", "response": {"id": "resp_1", "status": "queued"}},
        *told(B)[:-2],
        {"type": "response.output_item.done", "output_index": 0, "item": B},
        {
            "type": "response.completed",
            "response": {"id": "resp_1", "status": "completed", "output": [B]},
        },
    ]
    whole_live = [started, *map(nested, inner)]
    found = parts(*whole_live, target=LIVE)
    assert out(found) == whole_live
    assert {(one.surface, one.scope, one.id) for one in judged(found)} == {
        (SurfaceName.REALTIME, "sessions/live_1", "call_b")
    }
    left = out(found, hiding("call_b"))
    assert "wipe" not in json.dumps(left)
    last = left[-1]
    assert (last["event_id"], last["delegation_id"]) == ("event_5", "d")
    content = last["event"]["response"]["output"][0]["content"]
    assert content == [{"type": "output_text", "annotations": [], "text": "blocked"}]


def test_call_of_a_program_can_not_be_answered_with_a_notice() -> None:
    caller = {"type": "program", "caller_id": "prog_1"}
    item = {**A, "caller": caller}
    found = parts(*map(nested, told(item)), target=LIVE)
    assert [group.turns[0].unanswerable for group in groups(found)] == [{"call_a"}] * 3


def test_attached_connection_knows_its_session() -> None:
    assert opened("/v1/live/sessions/live_7/attach").scope == "sessions/live_7"


def test_item_of_an_unknown_type_is_a_call_of_that_type() -> None:
    item = {"type": "teleport_call", "id": "i", "call_id": "c", "where": "home", "status": "done"}
    found = parts(nested(about("response.output_item.done", item)), target=LIVE)
    [one] = judged(found)
    assert (one.kind, one.name, one.arguments) == (
        "teleport_call",
        "teleport",
        '{"where":"home"}',
    )
    left = out(found, Change({"c": '{"where":"work"}'}))
    assert left[0]["event"]["item"]["where"] == "work"


# -- hostile servers ------------------------------------------------------------------------

KINDS = [
    "drop", "double", "swap", "whole", "other item", "other call", "other name", "arguments",
    "unnamed",
]  # fmt: skip
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 40), st.integers(0, 40)), max_size=5
)


def mutated(mutations: list[tuple[str, int, int]]) -> list[Json]:
    mixed = [one for pair in zip(told(A), told(B), strict=False) for one in pair]
    documents = copy.deepcopy([CREATED, *mixed, about("response.output_item.done", B), done(A, B)])
    for kind, place, other in mutations:
        index, second = place % len(documents), other % len(documents)
        if kind == "drop" and len(documents) > 1:
            del documents[index]
        elif kind == "double":
            documents.insert(second, copy.deepcopy(documents[index]))
        elif kind == "swap":
            documents[index], documents[second] = documents[second], documents[index]
        else:
            change(documents[index], kind, is_first=bool(other % 2))
    return documents


def change(document: Json, kind: str, *, is_first: bool) -> None:
    holder = document.get("item") or document
    changes: dict[str, Json] = {
        "other item": {"item_id" if holder is document else "id": "item_other"},
        "other call": {"call_id": "call_a" if is_first else "call_other"},
        "other name": {"name": "steal"},
        "arguments": {"delta" if "delta" in holder else "arguments": '{"evil": 1}'},
        "unnamed": {"name": None} if holder is document else {},
    }
    holder |= changes.get(kind, {})
    if kind == "whole":
        document["item"] = copy.deepcopy(A if is_first else B)


def is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


@pytest.mark.no_cover
@settings(max_examples=600, deadline=None)
@given(MUTATIONS, st.sampled_from(["call_a", "call_b"]))
def test_every_call_that_an_app_would_run_was_judged(
    mutations: list[tuple[str, int, int]], hidden: str
) -> None:
    events = opened()
    documents = mutated(mutations)
    found: list[Passing | Group] = []
    try:
        for document in documents:
            found += fed(events, document)
        found += events.finish()
        assert sorted(map(raw, out(found))) == sorted(map(raw, documents))
    except BodyError:
        pass  # what was let out before counts all the same
    seen = {(one.id, one.name, one.arguments) for one in judged(found)}
    try:
        runnable = {one for one in shown(out(found)) if is_json(one[2])}
    except KeyError:
        return  # the app fails
    assert runnable <= seen
    left = out(found, hiding(hidden))
    assert hidden not in {id for id, _, _ in shown(left)}


def test_pieces_for_every_field_are_the_apis() -> None:
    for document in [*told(A), delta(A, "x"), whole(A)]:
        sdk_event(document)
    assert piece(A)["call_id"] == "call_a"
