"""Responses and Conversations: calls are items of an output, results items of the next input.

Source: openai SDK `resources/responses`, `resources/conversations`, `resources/decisions`. What
a request goes on with is named by `previous_response_id` or `conversation`, or quoted. Over a
WebSocket (`wss …/responses`) the app sends `response.create` and its like, the API stream
events. Paths, requests and answers are read here, streams in `response_events`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request, segments
from callgate.model import QUOTED, SurfaceName
from callgate.surfaces import base, hosted_items, item_carriers, item_results, items
from callgate.surfaces.base import (
    Endpoint,
    Frame,
    Hidden,
    Outgoing,
    Substitute,
    Surface,
    Turn,
)
from callgate.surfaces.fields import Object
from callgate.surfaces.paths import Operations, locate, query_of, quoted, with_query
from callgate.surfaces.response_events import ResponseEvents
from callgate.surfaces.said import said_in, texts_of

_OPERATIONS: Operations = (
    (("responses", "compact"), {"POST": "responses.compact"}),
    (("responses", "input_tokens"), {"POST": "responses.input_tokens"}),
    (("responses",), {"POST": "responses.create", "GET": "responses.list"}),
    (("responses", "*"), {"GET": "responses.retrieve"}),
    (("responses", "*", "cancel"), {"POST": "responses.cancel"}),
    (("responses", "*", "input_items"), {"GET": "responses.input_items"}),
    (("conversations",), {"POST": "conversations.create"}),
    (("conversations", "*"), {"GET": "conversations.retrieve", "POST": "conversations.update"}),
    (("conversations", "*", "items"), {"GET": "items.list", "POST": "items.create"}),
    (("conversations", "*", "items", "*"), {"GET": "items.retrieve"}),
    (("decisions",), {"POST": "decisions.create"}),
)
_SOCKET = "responses.list"
"""A WebSocket is opened at the path of the list."""

_READS_REQUEST = frozenset(
    str.split(
        "responses.create responses.list responses.compact responses.input_tokens "
        "conversations.create items.create decisions.create"
    )
)
_MESSAGES = ("response.create", "response.inject", "response.steer")
"""What apps send on a WebSocket with an input; of nothing else it is known where it has one."""

_ADDING = ("response.inject", "response.steer")
"""These add to a response that is at work: it does not wait for all its results at once."""

_INPUTS = ("input", "items")


class Responses(Surface):
    """See `Surface`; the scope of a call is `conversations/ID`, else `responses/ID`."""

    name = SurfaceName.RESPONSES
    words = ("responses",)

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """See `Surface.endpoint`; matches by the end of the path, whatever stands before."""
        # over HTTP/2 a WebSocket is opened by CONNECT
        opens = method.upper() == "CONNECT"
        place = locate(_OPERATIONS, "GET" if opens else method, segments)
        if place is None or (opens and place.operation != _SOCKET):
            return None
        return self._endpoint(place.operation, place.ids)

    def _endpoint(self, operation: str, ids: Sequence[str]) -> Endpoint:
        is_response = operation.startswith("responses.")
        kind = "response" if is_response else "conversation"
        return Endpoint(
            surface=self,
            operation=operation,
            scope=f"{kind}s/{ids[0]}" if ids else "",
            reads_request=operation in _READS_REQUEST,
            reads_response=True,
            is_socket=operation == _SOCKET,
            parameters=dict(zip((kind, "item"), ids, strict=False)),
        )

    # -- requests -------------------------------------------------------------------------

    def read_request(self, endpoint: Endpoint, request: Request, document: Json) -> Outgoing:
        """See `Surface.read_request`: a body, or a message on a WebSocket."""
        body = _object(document)
        inputs = list(_inputs(body))
        if endpoint.is_socket and body.get("type") not in _MESSAGES:
            inputs = []
            _refuse_answer(body)
        told = [item for one in inputs for item in one.items]
        item_carriers.refuse_stray_results(body, {id(item) for item in told})
        quoted = [items.call_of(request, QUOTED, item) for item in told]
        return Outgoing(
            results=[
                result for one in inputs for result in item_results.results_of(one.items, one.path)
            ],
            hosted_tools=list(hosted_items.hosted_in(_tool_holders(body))),
            answers=_continued(endpoint, body),
            echoes=[call for call in quoted if call],
            reaches_back=True,
            is_streaming=body.get("stream") not in (None, False),
            said=tuple(_said(body)),
        )

    def replace_results(self, document: Json, outputs: Sequence[Substitute]) -> None:
        """See `Surface.replace_results`; missing ones stand before what is said anew."""
        body = _object(document)
        missing = list(outputs)
        for one in _inputs(body):
            missing = item_results.replace_results(one.items, one.path, missing)
        added = [item for one in missing if (item := item_results.stand_in(one)) is not None]
        if not added:
            return
        node, key = _place_for(body)
        value = node.get(key)
        if isinstance(value, str):
            value = [{"type": "message", "role": "user", "content": value}]
        listed = value if isinstance(value, list) else []
        place = len(listed)
        while place and "role" in _object(listed[place - 1]):
            place -= 1
        node[key] = [*listed[:place], *added, *listed[place:]]

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.remove_hosted_tools`."""
        hosted_items.remove(_tool_holders(_object(document)), names)

    def ask_before(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.ask_before`: of MCP servers."""
        hosted_items.ask_before(_tool_holders(_object(document)), names)

    # -- answers --------------------------------------------------------------------------

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """See `Surface.read_response`: a response, an item, or a list of either."""
        turns = list(_turns(endpoint, request, document)) if isinstance(document, dict) else []
        read = {id(item) for turn in turns for item in _listed_in(turn.node)}
        item_carriers.refuse_stray_calls(document, read)
        return [turn for turn in turns if turn.calls]

    def begins(self, endpoint: Endpoint, document: Json) -> str:
        """See `Surface.begins`: a response, or a new conversation."""
        if not isinstance(document, dict):
            return ""
        if endpoint.operation == "conversations.create":
            id = document.get("id")
            return f"conversations/{id}" if isinstance(id, str) else ""
        is_response = isinstance(document.get("output"), list)
        return item_carriers.scope_of(document) if is_response else ""

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """See `Surface.replace_arguments`."""
        for item in map(_object, _listed_in(turn.node)):
            if items.is_call(item) and (new := arguments.get(items.id_of(item))) is not None:
                items.replace_arguments(item, new)

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """See `Surface.withhold`; messages with the notices take the places of denied calls."""
        node, listed = turn.node, _listed_in(turn.node)
        if hidden.pending or not hidden.denied:
            node["status"] = "in_progress"
            if node.get("completed_at") is not None:
                node["completed_at"] = None
            listed[:] = [item for item in listed if not items.is_call(_object(item))]
            return
        denied = hidden.denied
        for item in map(_object, listed):
            if items.is_call(item) and (id := items.id_of(item)) in denied:
                # lists are paged by the ids of their items
                kept = {"id": item["id"]} if "output" not in node and item.get("id") else {}
                shown = items.notice_item(item, denied[id]) | kept
                item.clear()
                item.update(shown)
        listed[:] = [item for item in listed if not _answers(_object(item), denied)]

    def open_events(self, endpoint: Endpoint, request: Request, frame: Frame) -> ResponseEvents:
        """See `Surface.open_events`."""
        return ResponseEvents(endpoint, request, frame)

    def error_event(self, error: Mapping[str, Json], frame: Frame, cause: Json = None) -> bytes:
        """See `Surface.error_event`; SDKs raise only for an error that is wrapped once more."""
        told: Object = {"type": "error", "error": dict(error)}
        if frame is base.message:
            told = {"type": "error", "status": 403, "error": dict(error)}
            if isinstance(cause, dict) and cause.get("stream_id") is not None:
                told["stream_id"] = cause["stream_id"]
        return frame("error", canonical.dump(told).decode())

    # -- the API's own --------------------------------------------------------------------

    def lookups(self, request: Request, scope: str) -> list[tuple[Endpoint, Request]]:
        """See `Surface.lookups`: the response, or the conversation's newest items."""
        kind, _, id = scope.partition("/")
        path, query = f"{_base(request)}/{kind}/{quoted(id)}", query_of(request.query)
        if kind == "responses" and id:
            endpoint = self._endpoint("responses.retrieve", (id,))
            return [(endpoint, request.with_target("GET", with_query(path, query)))]
        if kind == "conversations" and id:
            target = with_query(f"{path}/items", query, "limit=100", "order=desc")
            return [(self._endpoint("items.list", (id,)), request.with_target("GET", target))]
        return []

    def owner(self, request: Request, id: str) -> tuple[Endpoint, Request]:
        """See `Surface.owner`; raises ValueError: requests inherit no tools."""
        raise ValueError("responses inherit no tools")

    def inherit_tools(self, document: Json, owner: Json) -> None:
        """See `Surface.inherit_tools`; raises ValueError: requests inherit no tools."""
        raise ValueError("responses inherit no tools")

    def settlement(
        self, request: Request, scope: str, notices: Sequence[Substitute], *, is_streaming: bool
    ) -> Request:
        """See `Surface.settlement`; raises ValueError: the app's next request answers."""
        raise ValueError("responses are answered by the next request")


def _object(document: Json) -> Object:
    if not isinstance(document, dict):
        raise BodyError("the body must be a JSON object")
    return document


# -- requests -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Input:
    """A list of items that a request gives."""

    items: list[Object]
    path: str


def _holders(body: Object) -> Iterator[tuple[Object, str]]:
    """What has an input and tools: the body, or what a message wraps."""
    yield body, ""
    if isinstance(inner := body.get("response"), dict):
        yield inner, "response."


def _inputs(body: Object) -> Iterator[_Input]:
    for holder, path in _holders(body):
        for key in _INPUTS:
            value = holder.get(key)
            if value is not None and not isinstance(value, str):
                yield _Input(items.objects(value, f"{path}{key}"), f"{path}{key}")


def _said(body: Object) -> Iterator[str]:
    """What an input and its instructions say; variables fill an operator's prompt."""
    for holder, _ in _holders(body):
        for key in ("instructions", *_INPUTS):
            value = holder.get(key)
            yield from [value] if isinstance(value, str) else said_in(value)
        prompt = holder.get("prompt")
        variables = prompt.get("variables") if isinstance(prompt, dict) else None
        if isinstance(variables, dict):
            yield from texts_of([*variables.values()])


def _place_for(body: Object) -> tuple[Object, str]:
    """Where further items of an input go."""
    for holder, _ in _holders(body):
        for key in _INPUTS:
            if holder.get(key) is not None:
                return holder, key
    *_, (holder, _) = _holders(body)
    return holder, "input"


def _tool_holders(body: Object) -> hosted_items.Holders:
    loading = [
        found for one in _inputs(body) for found in hosted_items.loading(one.items, one.path)
    ]
    return [*_holders(body), *loading]


def _continued(endpoint: Endpoint, body: Object) -> str:
    """The scope whose results the API wants with this request."""
    if endpoint.operation == "items.create":
        return endpoint.scope
    if endpoint.is_socket and body.get("type") in _ADDING:
        return ""
    scopes = [
        item_carriers.scope_of(holder, "previous_response_id") for holder, _ in _holders(body)
    ]
    return next(filter(None, scopes), "")


def _refuse_answer(message: Object) -> None:
    """Of a message of an unknown type nobody knows what the API makes of it."""
    if any(key in message for key in ("call_id", "output", "approval_request_id")):
        raise BodyError("a message of a type that Callgate does not know answers a call")


# -- answers --------------------------------------------------------------------------------


def _turns(endpoint: Endpoint, request: Request, document: Object) -> Iterator[Turn]:
    listed = document.get("data")
    if endpoint.operation == "items.retrieve":
        yield _told(request, endpoint.scope, [document])
    elif endpoint.operation == "responses.input_items" and isinstance(listed, list):
        yield _told(request, QUOTED, listed)
    elif endpoint.operation in ("items.list", "items.create") and isinstance(listed, list):
        turn = _told(request, endpoint.scope, listed)
        answered = {id for item in map(_object, listed) for id in item_results.ids_of(item)}
        waiting = [call for call in turn.calls if call.id not in answered]
        yield replace(turn, calls=waiting, is_waiting=True)
        yield replace(turn, calls=[call for call in turn.calls if call.id in answered])
    elif endpoint.operation == _SOCKET and isinstance(listed, list):
        for node in items.objects(listed, "data"):
            yield from _of_response(endpoint, request, node)
    else:
        yield from _of_response(endpoint, request, document)


def _of_response(endpoint: Endpoint, request: Request, node: Object) -> Iterator[Turn]:
    if isinstance(quoted := node.get("instructions"), list):
        yield _told(request, QUOTED, quoted)
    if (output := node.get("output")) is None:
        return
    # a compaction repeats what its request told
    is_told = endpoint.operation == "responses.compact"
    yield items.turn_of(
        request,
        QUOTED if is_told else item_carriers.scope_of(node) or endpoint.scope,
        items.objects(output, "output"),
        node,
        model=item_carriers.model_of(node),
        is_waiting=not is_told,
        is_told=is_told,
        is_polled=request.method.upper() == "GET" and node.get("background") is True,
    )


_TOLD = "told"
"""Where the node of a turn that is no response's has its items, in a list of the body's or one
of its own; the items themselves are always the body's."""


def _told(request: Request, scope: str, listed: list[Json]) -> Turn:
    return items.turn_of(
        request,
        scope,
        listed,
        {_TOLD: listed},
        is_waiting=False,
        is_told=True,
        is_polled=False,
    )


def _listed_in(node: Object) -> list[Json]:
    """The items of a turn's node; edits of the list are edits of the body."""
    lists = [value for key in ("output", _TOLD) if isinstance(value := node.get(key), list)]
    return lists[0]


def _answers(item: Object, ids: Mapping[str, str]) -> bool:
    return any(id in ids for id in item_results.ids_of(item))


def _base(request: Request) -> str:
    """What stands before `/responses` in the path of a request of this surface."""
    place = locate(_OPERATIONS, "GET", segments(request.target))
    if place is None:
        raise ValueError(f"not a request of the responses surface: {request.target[:80]!r}")
    return place.base
