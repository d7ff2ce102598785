"""Messages of Realtime connections as the API sends them, and what apps make of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from callgate.errors import BodyError
from callgate.exchange import Request, segments
from callgate.model import ToolCall
from callgate.surfaces.base import Change, Endpoint, Events, Group, Passing, message
from callgate.surfaces.realtime import Live, Realtime
from callgate.surfaces.sse import SseEvent

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded"
TARGET = "/v1/realtime?model=gpt-realtime"

type Json = dict[str, Any]
type Shown = set[tuple[str, str, str]]
"""Call id, name and arguments, as an app would run them."""

_SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def request(target: str = TARGET, **headers: str) -> Request:
    pairs = (("authorization", "Bearer sk-" + "x" * 20), *headers.items())
    return Request("GET", "https", "api.openai.com", 443, target, pairs)


def endpoint(target: str = TARGET, method: str = "GET") -> Endpoint:
    parts = segments(target)
    found = Realtime().endpoint(method, parts) or Live().endpoint(method, parts)
    assert found is not None
    return found


def opened(target: str = TARGET) -> Events:
    where = endpoint(target)
    return where.surface.open_events(where, request(target), message)


def raw(document: object) -> bytes:
    return json.dumps(document).encode()


def fed(events: Events, document: object) -> list[Passing | Group]:
    data = document if isinstance(document, bytes) else raw(document)
    return list(events.feed(SseEvent(data, "", data.decode())))


def parts(*documents: object, target: str = TARGET) -> list[Passing | Group]:
    events = opened(target)
    found = [part for document in documents for part in fed(events, document)]
    return [*found, *events.finish()]


def groups(found: Iterable[Passing | Group]) -> list[Group]:
    return [part for part in found if not isinstance(part, Passing)]


def judged(found: Iterable[Passing | Group]) -> list[ToolCall]:
    return [c for group in groups(found) for turn in group.turns for c in turn.calls]


def out(found: Iterable[Passing | Group], change: Change | None = None) -> list[Json]:
    """What leaves, parsed."""
    left: list[bytes] = []
    for part in found:
        left += [part.raw] if isinstance(part, Passing) else part.render(change or Change(), b"")
    return [json.loads(one) for one in left]


def hiding(*ids: str) -> Change:
    return Change(hidden=dict.fromkeys(ids, "blocked"))


def refused(*documents: object, target: str = TARGET) -> str:
    """Why a connection can not be read; fails where it can."""
    try:
        parts(*documents, target=target)
    except BodyError as error:
        return str(error)
    raise AssertionError("was read")


def sdk_event(document: Json) -> Any:
    """What the SDK makes of a message of the API's, without any leniency."""
    return _SERVER_EVENT.validate_json(json.dumps(document), strict=True)


# -- the API's messages ---------------------------------------------------------------------

CREATED = {
    "type": "session.created",
    "event_id": "event_0",
    "session": {"type": "realtime", "id": "sess_1", "model": "gpt-realtime"},
}


def call(
    id: str = "call_a", name: str = "look", arguments: str = '{"x": "y"}', **changes: object
) -> Json:
    return {
        "id": f"item_{id}",
        "type": "function_call",
        "status": "completed",
        "name": name,
        "call_id": id,
        "arguments": arguments,
        **changes,
    }


def begun(item: Json) -> Json:
    return {**item, "status": "in_progress", "arguments": ""}


def about(kind: str, item: Json, **fields: object) -> Json:
    """An event that holds an item."""
    of_response: Json = {"response_id": "resp_1", "output_index": 0}
    where = of_response if kind.startswith("response.") else {"previous_item_id": "item_0"}
    return {"type": kind, "event_id": "event_1", **where, "item": item, **fields}


def piece(item: Json, **fields: object) -> Json:
    return {
        "event_id": "event_1",
        "response_id": "resp_1",
        "item_id": item["id"],
        "output_index": 0,
        "call_id": item["call_id"],
        **fields,
    }


def delta(item: Json, text: str) -> Json:
    return {"type": "response.function_call_arguments.delta", **piece(item, delta=text)}


def whole(item: Json, **fields: object) -> Json:
    told = piece(item, name=item["name"], arguments=item["arguments"])
    return {"type": "response.function_call_arguments.done", **told, **fields}


def done(*items: Json, status: str = "completed", id: str = "resp_1") -> Json:
    response = {"object": "realtime.response", "id": id, "status": status, "output": [*items]}
    return {"type": "response.done", "event_id": "event_9", "response": response}


def text(word: str = "one moment") -> Json:
    return {
        "type": "response.output_text.delta",
        "event_id": "event_2",
        "response_id": "resp_1",
        "item_id": "item_text",
        "output_index": 1,
        "content_index": 0,
        "delta": word,
    }


def told(item: Json) -> list[Json]:
    """A call as the API tells it, but for `response.done`."""
    arguments = item["arguments"]
    return [
        about("response.output_item.added", begun(item)),
        about("conversation.item.added", begun(item)),
        *(delta(item, arguments[place : place + 4]) for place in range(0, len(arguments), 4)),
        whole(item),
        about("conversation.item.done", item),
        about("response.output_item.done", item),
    ]


A = call()
B = call("call_b", "wipe", '{"path": "/srv"}')
WHOLE = [CREATED, *told(A), text(), *told(B), done(A, B)]


def nested(event: Json) -> Json:
    """An event of the Responses API in a message of the Live API."""
    return {"type": "response.event", "event_id": "event_5", "delegation_id": "d", "event": event}


# -- apps -----------------------------------------------------------------------------------


def shown(documents: Iterable[Json]) -> Shown:
    """Every call that some app would run: at `arguments.done`, by either id; from deltas put
    together; from any whole item, wherever it comes."""
    names: dict[Any, str] = {}
    deltas: dict[Any, str] = {}
    found: Shown = set()
    for document in documents:
        kind, key = document.get("type"), document.get("item_id")
        for item in _items(document):
            names[item.get("id")] = names[item.get("call_id")] = item["name"]
            if item.get("arguments"):
                found.add((item["call_id"], item["name"], item["arguments"]))
        if kind == "response.function_call_arguments.delta":
            deltas[key] = deltas.get(key, "") + document["delta"]
        elif kind == "response.function_call_arguments.done":
            id = document.get("call_id")
            for name in {document.get("name") or names.get(key), names.get(id), names.get(key)}:
                for arguments in (document["arguments"], deltas.get(key, "")):
                    if name and id and arguments:
                        found.add((id, name, arguments))
    return found


def _items(document: Json) -> list[Json]:
    listed = [document.get("item"), *(document.get("response") or {}).get("output", [])]
    return [item for item in listed if item and item.get("type") == "function_call"]
