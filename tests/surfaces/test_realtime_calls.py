"""Calls that are still being told, and the messages that tell them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.errors import BodyError
from callgate.surfaces import realtime_calls as calls
from callgate.surfaces import realtime_items as items
from callgate.surfaces.base import Change, Turn, message
from callgate.surfaces.realtime_calls import RealtimeGroup, Telling
from callgate.surfaces.sse import SseEvent
from tests.surfaces.realtime_objects import (
    A,
    B,
    Json,
    about,
    begun,
    delta,
    done,
    hiding,
    nested,
    raw,
    request,
    whole,
)


def event(document: object) -> SseEvent:
    return SseEvent(raw(document), "", json.dumps(document))


def group(*documents: Json) -> RealtimeGroup:
    judged = [items.call_of(request(), "s", item) for item in (A, B)]
    ids = {A["id"]: "call_a", B["id"]: "call_b"}
    part = calls.part_of(request())
    return RealtimeGroup(
        [event(one) for one in documents], [Turn("s", {}, judged)], ids, message, part
    )


def rendered(change: Change, *documents: Json) -> list[Json]:
    return [json.loads(one) for one in group(*documents).render(change, b"")]


def test_group_without_a_change_keeps_its_bytes() -> None:
    documents = [delta(A, "{"), whole(A)]
    for change in (Change(), hiding("call_of_others"), Change({"call_of_others": "{}"})):
        assert group(*documents).render(change, b"") == [raw(one) for one in documents]


def test_only_what_tells_a_changed_call_is_rewritten() -> None:
    documents = [delta(B, "{"), {"type": "x", "n": 1.0}, about("x", B), done(B)]
    assert group(*documents).render(hiding("call_a"), b"") == [raw(one) for one in documents]


def test_comment_stands_before_the_message_that_completes_the_calls() -> None:
    documents = [delta(A, "{"), whole(A)]
    assert group(*documents).render(Change(), b": c\n")[1] == b": c\n"
    assert group(*documents).render(hiding("call_a"), b": c\n") == []


def test_pieces_of_a_hidden_call_vanish_and_its_items_become_messages() -> None:
    left = rendered(
        hiding("call_a"),
        about("response.output_item.added", begun(A)),
        delta(A, "{"),
        {"type": "unknown", "item_id": A["id"]},
        whole(A),
        nested(about("response.output_item.done", A)),
    )
    assert [one["type"] for one in left] == ["response.output_item.added", "response.event"]
    assert left[0]["item"]["content"] == []
    [content] = left[1]["event"]["item"]["content"]
    assert content == {"type": "output_text", "annotations": [], "text": "blocked"}


def test_other_arguments_are_told_once() -> None:
    left = rendered(
        Change({"call_a": "{}"}),
        delta(A, '{"x"'),
        delta(A, ': "y"}'),
        {"type": "unknown", "item_id": A["id"]},
        whole(A),
        nested(whole(A)),
    )
    told: list[Any] = [one.get("delta", one.get("arguments")) for one in left]
    assert told == ["{}", "{}", None]
    assert left[2]["event"]["arguments"] == "{}"


@pytest.mark.parametrize("data", [None, "", "[]", "5", '{"type":5}', "{", '{"a":1,"a":1}'])
def test_message_that_is_no_event_is_an_error(data: str | None) -> None:
    with pytest.raises(BodyError):
        calls.document_of(SseEvent(b"", "", data))


def test_event_inside_a_message_is_what_it_tells() -> None:
    assert calls.told_of(nested(whole(A))) == whole(A)
    assert calls.told_of({"event": {}}) == {"event": {}}
    for document in (nested([]), {**nested(whole(A)), "more": A}):  # type: ignore[arg-type]
        with pytest.raises(BodyError):
            calls.told_of(document)


def test_keys_tell_what_a_message_is_about() -> None:
    assert calls.piece_key({"item_id": "i", "call_id": "c"}) == calls.mention({"item_id": "i"})
    assert calls.piece_key({"call_id": "c"}) == calls.mention({"call_id": "c", "item_id": 5})
    assert (calls.key_of({"id": "i"}), calls.key_of({"call_id": "c"})) == ("i", "c")
    for document in ({}, {"item_id": 5}):
        with pytest.raises(BodyError):
            calls.piece_key(document)  # type: ignore[arg-type]
    assert calls.response_of({"response": {"id": "r"}, "response_id": "s"}) == "r"
    assert calls.response_of({"response_id": "s"}) == "s"


@pytest.mark.parametrize(
    ("kind", "item", "is_begun"),
    [
        ("conversation.item.added", {**A, "status": "in_progress"}, True),
        ("conversation.item.created", {**A, "arguments": ""}, True),
        ("conversation.item.added", A, False),
        ("conversation.item.done", {**A, "status": "in_progress"}, False),
        ("response.output_item.added", {"type": "shell_call", "status": "completed"}, False),
        ("response.output_item.added", None, False),
    ],
)
def test_item_is_begun_until_its_arguments_are_whole(kind: str, item: Any, is_begun: bool) -> None:
    assert calls.is_begun_by({"type": kind, "item": item}) == is_begun


def test_text_has_the_name_that_the_app_expects() -> None:
    assert calls.part_of(request()) == {"type": "output_text"}
    assert calls.part_of(request(**{"openai-beta": "realtime=v1"})) == {"type": "text"}
    browser = {"sec-websocket-protocol": "realtime, openai-beta.realtime-v1"}
    assert calls.part_of(request(**browser)) == {"type": "text"}
    assert calls.part_of(request("/openai/realtime?api-version=1")) == {"type": "text"}


@pytest.mark.parametrize(
    "document",
    [
        {"type": "x", "call_id": "c"},
        {"type": "response.custom_tool_call_input.delta"},
        {"type": "response.shell_call_command.delta", "command_index": 0},
    ],
)
def test_unknown_pieces_are_an_error(document: Json) -> None:
    with pytest.raises(BodyError):
        calls.refuse_unknown(document)


def test_unknown_messages_of_other_things_are_none() -> None:
    calls.refuse_unknown({"type": "response.mcp_call.in_progress", "item_id": "i"})
    calls.refuse_unknown({})


def test_call_is_learnt_bit_by_bit_and_never_changes() -> None:
    telling = Telling("i")
    telling.learn({"call_id": "c", "name": "", "caller": {"type": "program"}})
    assert not telling.is_named
    telling.learn({"call_id": None, "name": "look"})
    assert telling.is_named
    assert items.is_of_program(telling.item)
    with pytest.raises(BodyError):
        telling.learn({"name": "wipe"})
    telling.begin("")
    telling.begin('{"x"')
    telling.begin('{"x":1}')
    with pytest.raises(BodyError):
        telling.begin("{}")


@pytest.mark.parametrize(
    ("telling", "final", "variants"),
    [
        (Telling("i", deltas='{"x'), '{"x":1}', []),
        (Telling("i", deltas="{}"), '{"x":1}', ["{}"]),
        (Telling("i", begun="{}", deltas="{}"), "{}", []),
        (Telling("i", begun="[]", deltas="{}"), "{}", ["[]", "[]{}"]),
        (Telling("i", whole="[]"), "{}", ["[]"]),
    ],
)
def test_arguments_that_could_be_taken_otherwise(
    telling: Telling, final: str, variants: list[str]
) -> None:
    assert list(telling.variants(final)) == variants
