"""What becomes of held events where the stream is not whole."""

from __future__ import annotations

from callgate.surfaces.base import Change
from tests.surfaces.response_objects import call, data_of, out, parts, stream, told

A = call()


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


def test_first_event_that_tells_the_arguments_at_once_is_redacted_too() -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "item": A}
    shown = data_of(out(parts(stream(added, told(A)[-1])), Change({"call_1": '{"x":2}'})))

    assert [one["item"]["arguments"] for one in shown] == ['{"x":2}', '{"x":2}']


def test_other_items_of_a_response_stay_as_they_are() -> None:
    hosted = {"id": "ws_1", "type": "web_search_call"}
    other = call("call_2")
    event = {"type": "response.completed", "response": {"output": [hosted, A, other]}}
    shown = data_of(out(parts(stream(event)), Change(hidden={"call_1": "no"})))[0]["response"]

    assert shown["output"][0] == hosted
    assert shown["output"][1]["type"] == "message"
    assert shown["output"][2] == other
