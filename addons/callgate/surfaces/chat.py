"""Chat Completions (`/chat/completions`): calls in choices, results in the next request.

Source: openai SDK `resources/chat/completions`, `types/chat`. A request quotes the whole
conversation, so each result names its call, and the call can be judged again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import QUOTED, SurfaceName, ToolResult
from callgate.surfaces import messages
from callgate.surfaces.base import (
    Endpoint,
    Frame,
    Hidden,
    HostedTool,
    Outgoing,
    Substitute,
    Surface,
    Turn,
)
from callgate.surfaces.chat_events import ChatEvents
from callgate.surfaces.fields import Object
from callgate.surfaces.messages import Entry, entries
from callgate.surfaces.paths import Operations, locate
from callgate.surfaces.said import said_in

_OPERATIONS: Operations = (
    (("chat", "completions"), {"POST": "completions.create", "GET": "completions.list"}),
    (
        ("chat", "completions", "*"),
        {"GET": "completions.retrieve", "POST": "completions.update"},
    ),
    (("chat", "completions", "*", "messages"), {"GET": "completions.messages"}),
)
_OWN_TYPES = frozenset(("function", "custom"))


class Chat(Surface):
    """See `Surface`; the scope of a call is its completion's id."""

    name = SurfaceName.CHAT
    words = ("chat", "completions")

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """See `Surface.endpoint`; matches by the end of the path, whatever stands before."""
        place = locate(_OPERATIONS, method, segments)
        if place is None:
            return None
        return Endpoint(
            surface=self,
            operation=place.operation,
            scope=place.ids[0] if place.ids else "",
            reads_request=place.operation == "completions.create",
            reads_response=True,
        )

    def read_request(self, endpoint: Endpoint, request: Request, document: Json) -> Outgoing:
        """See `Surface.read_request`."""
        if not isinstance(document, dict):
            raise BodyError("the body must be a JSON object")
        told = list(_messages(document))
        return Outgoing(
            results=_results(told),
            echoes=[
                entry.call(request, QUOTED) for m in told for entry in entries(m) if _is_model(m)
            ],
            reaches_back=True,
            hosted_tools=_hosted_tools(document),
            is_streaming=document.get("stream") not in (None, False),
            said=tuple(said_in(document.get("messages"))),
        )

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """See `Surface.read_response`: a completion, a list of some, or stored messages."""
        turns = []
        for node in _nodes(document):
            scope, model = _text(node, "id") or endpoint.scope, _text(node, "model")
            choices = [c for c in _list(node, "choices") if isinstance(c, dict)]
            # an id that is another call's in another choice could not be told apart
            messages.calls_of(request, scope, [_message(choice) for choice in choices])
            for choice in choices:
                calls = messages.calls_of(request, scope, [_message(choice)], model)
                if calls:
                    turns.append(Turn(scope, choice, calls, is_waiting=True))
            if quoted := messages.calls_of(request, QUOTED, [node]):
                turns.append(Turn(QUOTED, node, quoted, is_told=True))
        messages.refuse_strays(document, {id(_message(turn.node)) for turn in turns})
        return turns

    def open_events(self, endpoint: Endpoint, request: Request, frame: Frame) -> ChatEvents:
        """See `Surface.open_events`."""
        return ChatEvents(request, frame)

    def error_event(self, error: Mapping[str, Json], frame: Frame, cause: Json = None) -> bytes:
        """See `Surface.error_event`."""
        return frame("", canonical.dump({"error": dict(error)}).decode())

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """See `Surface.replace_arguments`."""
        messages.replace_arguments(_message(turn.node), arguments)

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """See `Surface.withhold`; a message left without calls tells the notices."""
        if messages.withhold(_message(turn.node), hidden.denied) and "finish_reason" in turn.node:
            turn.node["finish_reason"] = "stop"

    def replace_results(self, document: Json, outputs: Sequence[Substitute]) -> None:
        """See `Surface.replace_results`; a missing one follows the message with its call."""
        if not isinstance(document, dict):
            raise BodyError("the body must be a JSON object")
        placed = {output.path: output.text for output in outputs if output.path}
        texts = {output.call_id: output.text for output in outputs if not output.path}
        told = list(_messages(document))
        missing = dict(texts)
        for result, message in _answers(told):
            if (text := placed.get(result.path, texts.get(result.call_id))) is not None:
                missing.pop(result.call_id, None)
                message["content"] = text
        complete: list[Json] = []
        for message in told:
            complete.append(message)
            for entry in entries(message):
                if (text := missing.pop(entry.id, None)) is not None:
                    complete.append(_answer(entry, text))
        document["messages"] = complete

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.remove_hosted_tools`; what chooses among tools goes with the last one."""
        if not isinstance(document, dict):
            return
        if "web_search" in names:
            document.pop("web_search_options", None)
        if isinstance(tools := document.get("tools"), list):
            kept = [t for t in tools if not (isinstance(t, dict) and t.get("type") in names)]
            document["tools"] = kept
            if tools and not kept:
                for key in ("tools", "tool_choice", "parallel_tool_calls"):
                    document.pop(key, None)

    def ask_before(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.ask_before`; no hosted tool of this API can ask."""

    def owner(self, request: Request, id: str) -> tuple[Endpoint, Request]:
        """See `Surface.owner`; raises ValueError: requests inherit no tools."""
        raise ValueError("chat completions inherit no tools")

    def inherit_tools(self, document: Json, owner: Json) -> None:
        """See `Surface.inherit_tools`: there are none."""

    def lookups(self, request: Request, scope: str) -> list[tuple[Endpoint, Request]]:
        """See `Surface.lookups`: the API keeps no conversations."""
        return []

    def settlement(
        self, request: Request, scope: str, notices: Sequence[Substitute], *, is_streaming: bool
    ) -> Request:
        """See `Surface.settlement`; raises ValueError: no turn is settleable."""
        raise ValueError("chat completions wait for nothing")


def _nodes(document: Json) -> list[Object]:
    if not isinstance(document, dict):
        return []
    return [document, *(item for item in _list(document, "data") if isinstance(item, dict))]


def _list(node: Object, key: str) -> list[Json]:
    value = node.get(key)
    return value if isinstance(value, list) else []


def _text(node: Object, key: str) -> str:
    value = node.get(key)
    return value if isinstance(value, str) else ""


def _message(node: Object) -> Object:
    """A choice's message; a stored message is its own."""
    message = node.get("message")
    return message if isinstance(message, dict) else node


def _messages(document: Object) -> Iterator[Object]:
    listed = document.get("messages")
    if not isinstance(listed, list):
        raise BodyError("messages must be a list", "messages")
    for index, message in enumerate(listed):
        if not isinstance(message, dict):
            raise BodyError(f"messages[{index}] must be an object", f"messages[{index}]")
        yield message


def _role(message: Object) -> str:
    return _text(message, "role").strip().lower()


def _is_model(message: Object) -> bool:
    return _role(message) not in ("tool", "function")


def _results(told: Sequence[Object]) -> list[ToolResult]:
    return [result for result, _ in _answers(told)]


def _repeated(told: Sequence[Object]) -> set[str]:
    """Ids that calls of several messages have: some servers count anew with each answer."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for message in filter(_is_model, told):
        ids = {entry.id for entry in entries(message) if not entry.is_legacy}
        repeated |= ids & seen
        seen |= ids
    return repeated


def _digests(message: Object, ids: Collection[str]) -> dict[str, set[str]]:
    """Of a message's calls under some ids; one message may have several under one."""
    found: dict[str, set[str]] = {}
    for entry in entries(message) if ids else ():
        if not entry.is_legacy and entry.id in ids:
            found.setdefault(entry.id, set()).add(entry.digest)
    return found


def _answers(told: Sequence[Object]) -> Iterator[tuple[ToolResult, Object]]:
    """Results with the messages that hold them; one answers the last call of its id or name."""
    legacy: dict[str, str] = {}
    repeated = _repeated(told)
    last: dict[str, set[str]] = {}
    for index, message in enumerate(told):
        path = f"messages[{index}]"
        if _is_model(message):
            legacy |= {e.name: e.id for e in entries(message) if e.is_legacy}
            last |= _digests(message, repeated)
            if message.get("tool_call_id") not in (None, ""):
                raise BodyError(f"{path} is a result of no known role", f"{path}.role")
            continue
        if _role(message) == "function":
            name = _text(message, "name")
            call_id = legacy.get(name, f"function_call:{name}")
        else:
            call_id = _text(message, "tool_call_id")
            if not call_id:
                raise BodyError(f"{path}.tool_call_id must be a string", f"{path}.tool_call_id")
        output, meant = messages.text_of(message.get("content")), last.get(call_id, set())
        digest = next(iter(meant)) if len(meant) == 1 else ""
        yield ToolResult(call_id, output, f"{path}.content", digest=digest), message


def _answer(entry: Entry, text: str) -> Object:
    if entry.is_legacy:
        return {"role": "function", "name": entry.name, "content": text}
    return {"role": "tool", "tool_call_id": entry.id, "content": text}


def _hosted_tools(document: Object) -> list[HostedTool]:
    found = []
    if document.get("web_search_options") is not None:
        found.append(HostedTool("web_search", "web_search_options"))
    tools = document.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise BodyError("tools must be a list", "tools")
    for index, tool in enumerate(tools or ()):
        kind = tool.get("type", "function") if isinstance(tool, dict) else None
        if not isinstance(kind, str):
            raise BodyError(f"tools[{index}].type must be a string", f"tools[{index}].type")
        if kind not in _OWN_TYPES:
            found.append(HostedTool(kind, f"tools[{index}].type"))
    return found
