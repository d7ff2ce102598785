"""What becomes of held events: as they came, changed alike wherever they tell a call, or gone."""

from __future__ import annotations

import pytest

from callgate.surfaces.base import Change
from tests.surfaces.response_objects import (
    Json,
    call,
    data_of,
    judged,
    out,
    parts,
    response,
    stream,
    told,
)

A = call()
COMPLETED: Json = {"type": "response.completed", "response": response(A)}
CODE: Json = {
    "id": "ctc_1",
    "type": "custom_tool_call",
    "call_id": "call_1",
    "name": "code",
    "input": "print(1)",
}
SHELL: Json = {
    "id": "sh_1",
    "type": "shell_call",
    "call_id": "call_1",
    "status": "completed",
    "action": {"commands": ["cat key"]},
}
SEARCH: Json = {
    "id": "ts_1",
    "type": "tool_search_call",
    "call_id": "call_1",
    "execution": "client",
    "arguments": {"goal": "pay"},
}
COMMENT = b": c\n"


def with_piece(item: Json) -> list[Json]:
    """The events of a call whose pieces nobody here can tell anew."""
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": f"response.{item['type']}.delta", "output_index": 0, "delta": "cat key"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]


# -- as they came -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [Change(), Change({"call_2": "{}"}), Change(hidden={"call_2": "no"})],
    ids=["none", "redacts another", "hides another"],
)
def test_events_of_a_call_that_is_not_changed_keep_their_bytes(change: Change) -> None:
    late = {**told(A)[-2], "note": "again"}
    raw = stream(*told(A), late, COMPLETED)

    assert out(parts(raw), change) == raw


@pytest.mark.parametrize(
    ("before", "last"), [(told(A)[:-1], told(A)[-1]), ([], COMPLETED)], ids=["item", "response"]
)
def test_comment_stands_just_before_the_event_that_completes_a_call(
    before: list[Json], last: Json
) -> None:
    shown = out(parts(stream(*before, last)), comment=COMMENT)

    assert shown == stream(*before) + COMMENT + stream(last)


@pytest.mark.parametrize("change", [Change({"call_1": "{}"}), Change(hidden={"call_1": "no"})])
def test_comment_stands_before_what_completes_a_changed_call_too(change: Change) -> None:
    found = parts(stream(*told(A)))
    before, last = out(found, change, COMMENT).split(COMMENT)

    assert [one["type"] for one in data_of(last)] == ["response.output_item.done"]
    assert before + last == out(found, change)


# -- readings ---------------------------------------------------------------------------------


def arguments_judged(*events: Json) -> list[str]:
    return [arguments for _, _, arguments in judged(parts(stream(*events)))]


def test_every_text_that_an_app_could_take_for_the_arguments_is_judged() -> None:
    added, piece, *_, whole, done = told(A)
    other = {**piece, "delta": '{"in":"pieces"}'}
    end = {**whole, "arguments": '{"at":"the end"}'}

    assert arguments_judged(added, other, end, done) == [
        '{"x":1}',
        '{"in":"pieces"}',
        '{"at":"the end"}',
    ]
    assert arguments_judged(*told(A)) == ['{"x":1}']
    assert arguments_judged(added, done) == ['{"x":1}']


def test_pieces_are_put_together_by_the_type_of_their_events_too() -> None:
    added, piece, *_, done = told(call(arguments='{"p":"/tmp/etc"}'))
    bits = [{**piece, "delta": text} for text in ('{"p":"/', "tmp/", 'etc"}')]
    bits[1]["type"] = "response.function_call_arguments.more"

    assert arguments_judged(added, *bits, done) == ['{"p":"/tmp/etc"}', '{"p":"/etc"}', "tmp/"]


def test_every_end_of_the_pieces_is_judged() -> None:
    added, *_, end, done = told(A)
    other = {**end, "arguments": '{"x":2}'}

    assert arguments_judged(added, other, end, done) == ['{"x":1}', '{"x":2}']
    assert arguments_judged(added, end, other) == ['{"x":2}', '{"x":1}']


def test_input_of_a_custom_call_has_its_readings_too() -> None:
    added, *_, whole, done = told(CODE)
    end = {**whole, "input": "print(2)"}

    assert arguments_judged(added, end, done) == ['{"input":"print(1)"}', '{"input":"print(2)"}']


def test_pieces_whose_beginning_was_missed_are_no_reading() -> None:
    _, _, *rest = told(A)

    assert arguments_judged(*rest) == ['{"x":1}']


@pytest.mark.parametrize(
    ("item", "arguments"), [(SHELL, '{"commands":["cat key"]}'), (SEARCH, '{"goal":"pay"}')]
)
def test_call_whose_pieces_are_not_its_arguments_has_one_reading(
    item: Json, arguments: str
) -> None:
    assert arguments_judged(*with_piece(item)) == [arguments]


PATCH: Json = {
    "id": "ap_1",
    "type": "apply_patch_call",
    "call_id": "call_1",
    "operation": {"type": "update_file", "path": "a", "diff": "+new"},
}


@pytest.mark.parametrize(
    ("item", "first", "count"),
    [
        (SHELL, {"action": {"commands": ["rm -r ~"]}}, 2),
        (SHELL, {"action": {"commands": ["cat"]}}, 2),
        (SHELL, {"action": {"commands": []}, "status": "in_progress"}, 1),
        (SHELL, {"action": {"commands": ["cat key", "rm -r ~"]}}, 2),
        (PATCH, {"operation": {"type": "update_file", "path": "a", "diff": "+n"}}, 1),
        (PATCH, {"operation": {"type": "update_file", "path": "b", "diff": ""}}, 2),
        (SEARCH, {"arguments": {"goal": None}}, 1),
        (SEARCH, {"arguments": {"goal": 1}}, 2),
    ],
)
def test_call_that_was_told_otherwise_at_first_is_judged_as_that_too(
    item: Json, first: Json, count: int
) -> None:
    added, *rest = with_piece(item)
    found = arguments_judged({**added, "item": {**item, **first}}, *rest)

    assert len(found) == len(set(found)) == count
    assert arguments_judged(*rest)[0] == found[0]


# -- hidden -----------------------------------------------------------------------------------


def test_notice_is_told_whole_however_few_events_there_were() -> None:
    [only] = [told(A)[-1]]
    shown = data_of(out(parts(stream(only)), Change(hidden={"call_1": "no"})))

    assert [one["type"] for one in shown] == [
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    assert all("sequence_number" not in one for one in shown)
    assert len({one.get("item_id", shown[0]["item"]["id"]) for one in shown}) == 1


@pytest.mark.parametrize("change", [Change({"call_1": "{}"}), Change(hidden={"call_1": "no"})])
def test_nothing_more_is_said_of_a_changed_call_after_its_end(change: Change) -> None:
    late = [told(A)[-2], told(A)[-1]]

    assert out(parts(stream(*told(A), *late)), change) == out(parts(stream(*told(A))), change)


# -- redacted ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "new", "key", "text"),
    [
        (call(arguments='{"key":"hidden"}'), '{"key":"-"}', "arguments", '{"key":"-"}'),
        ({**CODE, "input": "hidden"}, '{"input":"-"}', "input", "-"),
    ],
    ids=["function", "custom"],
)
def test_redacted_text_is_told_once_in_pieces_and_whole_at_the_end(
    item: Json, new: str, key: str, text: str
) -> None:
    events = told(item)
    assert len([one for one in events if "delta" in one]) > 1
    shown = data_of(out(parts(stream(*events)), Change({"call_1": new})))

    assert [one["type"] for one in shown] == [one["type"] for one in events]
    deltas = [one["delta"] for one in shown if "delta" in one]
    assert deltas == [text, *[""] * (len(deltas) - 1)]
    assert shown[-2][key] == shown[-1]["item"][key] == text
    assert shown[0] == events[0], "nothing was told of the arguments yet"


def test_redacted_call_whose_pieces_can_not_be_told_anew_is_told_without_them() -> None:
    raw = out(parts(stream(*with_piece(SHELL))), Change({"call_1": '{"commands":["cat -"]}'}))

    assert b"cat key" not in raw
    assert [(one["type"], one["item"]["action"]["commands"]) for one in data_of(raw)] == [
        ("response.output_item.added", ["cat -"]),
        ("response.output_item.done", ["cat -"]),
    ]


def test_first_event_that_tells_the_arguments_at_once_is_redacted_too() -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "item": A}
    shown = data_of(out(parts(stream(added, told(A)[-1])), Change({"call_1": '{"x":2}'})))

    assert [one["item"]["arguments"] for one in shown] == ['{"x":2}', '{"x":2}']


def test_arguments_that_the_first_event_tells_otherwise_are_judged_too() -> None:
    other = {**A, "arguments": '{"x":2}', "status": "in_progress"}
    added = {"type": "response.output_item.added", "output_index": 0, "item": other}
    shown = judged(parts(stream(added, *told(A)[1:])))

    assert {arguments for _, _, arguments in shown} == {'{"x":1}', '{"x":2}'}


# -- whole responses ---------------------------------------------------------------------------


def test_other_items_of_a_response_stay_as_they_are() -> None:
    hosted = {"id": "ws_1", "type": "web_search_call"}
    other = call("call_2")
    event = {"type": "response.completed", "response": {"output": [hosted, A, other]}}
    shown = data_of(out(parts(stream(event)), Change(hidden={"call_1": "no"})))[0]["response"]

    assert shown["output"][0] == hosted
    assert shown["output"][1]["type"] == "message"
    assert shown["output"][2] == other
