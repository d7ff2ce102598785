"""Calls on paths that no surface knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Hidden, Passing, Turn
from callgate.surfaces.elsewhere import Elsewhere

ELSEWHERE = Elsewhere()
CHAT_CALL: Any = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look", "arguments": "{}"},
}
ITEM: Any = {"type": "function_call", "call_id": "call_2", "name": "wipe", "arguments": '{"x":1}'}


def request() -> Request:
    return Request("POST", "https", "api.openai.com", 443, "/v1/unheard-of")


def read(document: Any) -> list[Turn]:
    endpoint = ELSEWHERE.endpoint("POST", ("v1", "unheard-of"))
    assert endpoint is not None
    return ELSEWHERE.read_response(endpoint, request(), document)


def names(document: Any) -> list[str]:
    return sorted(call.name for turn in read(document) for call in turn.calls)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"a": [{"tool_calls": [CHAT_CALL]}]}, ["look"]),
        ({"function_call": {"name": "old", "arguments": "{}"}}, ["old"]),
        ({"deep": {"er": [[ITEM]]}}, ["wipe"]),
        ({"x": {"type": "teleport_call", "id": "t", "to": "moon"}}, ["teleport_call"]),
        ([{"tool_calls": [CHAT_CALL]}, ITEM], ["look", "wipe"]),
        ({"tools": [{"type": "function_call", "call_id": "a", "name": "no"}]}, []),
        ({"type": "web_search_call", "id": "ws"}, []),
        ({"type": "function_call"}, []),
        ({"tool_calls": []}, []),
        ("text", []),
    ],
)
def test_whatever_looks_like_a_call_is_found(document: Any, found: list[str]) -> None:
    assert names(document) == found
    assert all(turn.is_told for turn in read(document))


def test_malformed_calls_are_refused() -> None:
    with pytest.raises(BodyError):
        read({"tool_calls": ["x"]})


def test_arguments_are_replaced_and_nothing_is_taken_out() -> None:
    document: Any = {"a": {"tool_calls": [dict(CHAT_CALL, function=dict(CHAT_CALL["function"]))]}}
    document["b"] = [dict(ITEM), dict(ITEM, call_id="call_3")]
    for turn in read(document):
        ELSEWHERE.replace_arguments(turn, {"call_1": '{"n":1}', "call_2": '{"n":2}'})
    assert document["a"]["tool_calls"][0]["function"]["arguments"] == '{"n":1}'
    assert [one["arguments"] for one in document["b"]] == ['{"n":2}', '{"x":1}']
    with pytest.raises(BodyError):
        ELSEWHERE.withhold(read(document)[0], Hidden({"call_1": "no"}, {}))


def parts(*documents: Any) -> list[Any]:
    endpoint = ELSEWHERE.endpoint("POST", ())
    assert endpoint is not None
    events = ELSEWHERE.open_events(endpoint, request(), sse.event)
    raw = b"".join(
        sse.event("", one if isinstance(one, str) else json.dumps(one)) for one in documents
    )
    found = [part for event in sse.SseReader(1 << 20).feed(raw) for part in events.feed(event)]
    assert (events.held_bytes, events.give_up(), list(events.finish())) == (0, [], [])
    return found


def test_each_event_is_read_by_itself() -> None:
    text, call, done = parts({"text": "hi"}, {"item": ITEM}, "[DONE]")

    assert isinstance(text, Passing)
    assert isinstance(done, Passing)
    raw = sse.event("", json.dumps({"item": ITEM}))
    assert call.render(Change(), b"") == [raw]
    assert call.render(Change(), b": c\n") == [b": c\n", raw]
    with pytest.raises(BodyError):
        call.render(Change(hidden={"call_2": "no"}), b"")
    [changed] = call.render(Change({"call_2": '{"n":1}'}), b"")
    assert json.loads(changed[6:])["item"]["arguments"] == '{"n":1}'


def test_nothing_else_is_known_of_such_a_path() -> None:
    endpoint = ELSEWHERE.endpoint("POST", ())
    assert endpoint is not None
    assert not ELSEWHERE.read_request(endpoint, request(), {}).results
    assert list(ELSEWHERE.lookups(request(), "")) == []
    document: Any = {"tools": [{"type": "x"}]}
    ELSEWHERE.replace_results(document, [])
    ELSEWHERE.remove_hosted_tools(document, ["x"])
    ELSEWHERE.ask_before(document, ["x"])
    ELSEWHERE.inherit_tools(document, None)
    assert document == {"tools": [{"type": "x"}]}
    assert ELSEWHERE.error_event({"message": "no"}, sse.event).startswith(b"event: error\n")
    with pytest.raises(ValueError, match="inherit"):
        ELSEWHERE.owner(request(), "")
    with pytest.raises(ValueError, match="answer"):
        ELSEWHERE.settlement(request(), "", (), is_streaming=False)


@pytest.mark.parametrize("data", ['{"item":1,"item":2}', '["a",{"item":1,"item":2}]', "[ [{NaN"])
def test_event_with_two_readings_is_refused(data: str) -> None:
    with pytest.raises(BodyError):
        parts(data)


@pytest.mark.parametrize("data", ["no JSON at all", "[END]", "[NaN"])
def test_event_that_is_no_json_passes(data: str) -> None:
    [passing] = parts(data)
    assert isinstance(passing, Passing)
