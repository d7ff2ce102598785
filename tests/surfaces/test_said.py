"""What people and operators say, on every surface; nothing of a tool's or of the model's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate import surfaces
from callgate.exchange import Request, segments
from callgate.surfaces.base import Outgoing
from callgate.surfaces.said import said_in, texts_of


def told(target: str, document: Any, method: str = "POST") -> Outgoing:
    endpoint = surfaces.endpoint_for(method, segments(target))
    assert endpoint is not None
    request = Request(method, "https", "api.test", 443, target)
    return endpoint.surface.read_request(endpoint, request, json.loads(json.dumps(document)))


USER = {"role": "user", "content": "from the user"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "in a part"}, {"type": "image_url"}]}
MODEL = {"role": "assistant", "content": "from the model"}
THREAD = "/v1/threads/thread_1"
EVENTS = "/v1/agents/sessions/sess_1/events"


@pytest.mark.parametrize(
    ("target", "document", "said"),
    [
        (
            "/v1/chat/completions",
            {
                "messages": [
                    {"role": "System", "content": "be nice"},
                    {"role": "developer", "content": "be brief"},
                    USER,
                    PARTS,
                    MODEL,
                    {"role": "tool", "tool_call_id": "c", "content": "from a tool"},
                    {"role": "function", "name": "f", "content": "from a tool"},
                ]
            },
            ("be nice", "be brief", "from the user", "in a part"),
        ),
        ("/v1/responses", {"input": "hello", "instructions": "be nice"}, ("be nice", "hello")),
        (
            "/v1/responses",
            {
                "input": [
                    USER,
                    {"type": "message", **MODEL},
                    {"type": "message", "role": "user", "content": [{"type": "input_text",
                                                                     "text": "in a part"}]},
                    {"type": "function_call_output", "call_id": "c", "output": "from a tool"},
                ],
                "prompt": {"id": "p", "variables": {"to": "bob", "x": {"type": "input_text",
                                                                       "text": "eve"}}},
            },
            ("from the user", "in a part", "bob", "eve"),
        ),
        ("/v1/conversations/c/items", {"items": [USER, MODEL]}, ("from the user",)),
        ("/v1/conversations", {"items": [USER]}, ("from the user",)),
        (f"{THREAD}/messages", USER, ("from the user",)),
        (f"{THREAD}/messages", PARTS, ("in a part",)),
        (f"{THREAD}/messages", MODEL, ()),
        ("/v1/threads", {"messages": [USER, MODEL]}, ("from the user",)),
        ("/v1/threads", {}, ()),
        (
            f"{THREAD}/runs",
            {
                "assistant_id": "a",
                "instructions": "be nice",
                "additional_instructions": "be brief",
                "additional_messages": [USER, MODEL],
            },
            ("from the user", "be nice", "be brief"),
        ),
        (
            "/v1/threads/runs",
            {"assistant_id": "a", "thread": {"messages": [USER]}, "instructions": None},
            ("from the user",),
        ),
        (f"{THREAD}/runs/r/submit_tool_outputs", {"tool_outputs": []}, ()),
        ("/v1/assistants", {"instructions": "be nice"}, ()),
        (
            EVENTS,
            {
                "events": [
                    {"type": "agent.session.input.message", "input": [USER, PARTS]},
                    {"type": "agent.session.input.tool_result", "call_id": "c", "success": True,
                     "turn_id": "t", "output": "from a tool"},
                ]
            },
            ("from the user", "in a part"),
        ),
        (
            "/v1/agents/sessions",
            {"agent": {"instructions": "be nice"}, "input": "hello"},
            ("be nice", "hello"),
        ),
        ("/v1/agents/sessions", {"agent": {}, "input": [USER]}, ("from the user",)),
        ("/v1/agents", {"instructions": "be nice"}, ()),
    ],
)  # fmt: skip
def test_texts_of_people_and_operators_are_read(
    target: str, document: Any, said: tuple[str, ...]
) -> None:
    assert told(target, document).said == said


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "user",
                         "content": [{"type": "input_text", "text": "hello"}]},
            },
            ("hello",),
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "c", "output": "from a tool"},
            },
            (),
        ),
        ({"type": "session.update", "session": {"instructions": "be nice"}}, ("be nice",)),
        (
            {"type": "response.create", "response": {"instructions": "be brief",
             "input": [{"type": "message", **USER}]}},
            ("be brief", "from the user"),
        ),
        ({"type": "input_audio_buffer.append", "audio": "AAAA"}, ()),
    ],
)  # fmt: skip
def test_messages_of_a_session_say_what_people_and_operators_say(
    document: Any, said: tuple[str, ...]
) -> None:
    assert told("/v1/realtime", document, "GET").said == said


@pytest.mark.parametrize(
    ("target", "document", "conversation"),
    [
        (f"{THREAD}/messages", USER, "thread/thread_1"),
        (f"{THREAD}/runs", {"assistant_id": "a"}, "thread/thread_1"),
        (f"{THREAD}/runs/r/submit_tool_outputs", {"tool_outputs": []}, "thread/thread_1"),
        ("/v1/threads", {}, ""),
        ("/v1/threads/runs", {"assistant_id": "a"}, ""),
        (EVENTS, {"events": []}, "sessions/sess_1"),
        ("/v1/agents/sessions", {}, ""),
        ("/v1/chat/completions", {"messages": []}, ""),
    ],
)
def test_conversation_is_told_by_the_path(target: str, document: Any, conversation: str) -> None:
    assert told(target, document).conversation == conversation


@pytest.mark.parametrize(
    ("target", "document", "begun"),
    [
        ("/v1/threads", {"id": "t", "object": "thread"}, "thread/t"),
        ("/v1/threads/runs", {"id": "r", "object": "thread.run", "thread_id": "t"}, "thread/t"),
        ("/v1/threads/runs", {"error": {}}, ""),
        ("/v1/threads/runs", [], ""),
        (f"{THREAD}/runs", {"id": "r", "object": "thread.run", "thread_id": "t"}, ""),
        ("/v1/responses", {"id": "resp_1", "output": []}, "responses/resp_1"),
        ("/v1/responses", {"id": "r", "output": [], "conversation": {"id": "c"}},
         "conversations/c"),
        ("/v1/responses", {"error": {}}, ""),
        ("/v1/responses", [], ""),
        ("/v1/conversations", {"id": "c"}, "conversations/c"),
        ("/v1/conversations", {"id": 5}, ""),
        ("/v1/agents/sessions", {"id": "s"}, "sessions/s"),
        ("/v1/agents/sessions", [], ""),
        (EVENTS, {"id": "s"}, ""),
        ("/v1/chat/completions", {"id": "chatcmpl-1", "choices": []}, ""),
    ],
)  # fmt: skip
def test_answer_says_by_what_name_requests_can_go_on(
    target: str, document: Any, begun: str
) -> None:
    endpoint = surfaces.endpoint_for("POST", segments(target))
    assert endpoint is not None
    assert endpoint.surface.begins(endpoint, document) == begun


@pytest.mark.parametrize("listed", [None, "text", {}, ["text", None, {"role": 5, "content": "x"}]])
def test_what_is_no_list_of_messages_says_nothing(listed: Any) -> None:
    assert list(said_in(listed)) == []


def test_message_of_a_kind_that_nobody_knows_says_nothing() -> None:
    assert list(said_in([{"type": "tool_message", **USER}, {**USER, "role": "human"}])) == []


def test_text_of_a_stored_message_is_read() -> None:
    assert list(texts_of([{"type": "text", "text": {"value": "hello", "annotations": []}}, 5])) == [
        "hello"
    ]
