"""Realtime (`/realtime`) and Live (`/live/sessions`): WebSockets whose messages are events.

Source: openai SDK `resources/realtime`, `resources/live`, `types/realtime`. Azure has the same
paths below `/openai`. Requests and the app's messages are read here, items in `realtime_items`,
what the API sends in `realtime_events`. WebRTC and SIP sessions send their events past every
proxy; they are only named here (`Endpoint.hides`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import QUOTED, SurfaceName
from callgate.surfaces import fields
from callgate.surfaces import realtime_items as items
from callgate.surfaces.base import (
    Change,
    Endpoint,
    Events,
    Frame,
    Hidden,
    HostedTool,
    Outgoing,
    Substitute,
    Surface,
    Turn,
)
from callgate.surfaces.fields import Object, made_id
from callgate.surfaces.paths import Operations, locate
from callgate.surfaces.realtime_events import RealtimeEvents
from callgate.surfaces.said import said_in

_WEBRTC = "a WebRTC session, whose events no proxy sees"
_SIP = "a phone call, whose events only a WebSocket of its own would show"
_SECRET = "a client secret, whose sessions need not pass any proxy"  # noqa: S105 - words


_PART: Object = {"type": "output_text"}

_REALTIME: Operations = (
    # the beta's WebRTC offer goes to where its WebSocket is; Azure's has a host of its own
    (("realtime",), {"GET": "realtime.connect", "POST": "realtime.offer"}),
    (("realtimertc",), {"POST": "realtime.offer"}),
    (("realtime", "translations"), {"GET": "realtime.translations.connect"}),
    (("realtime", "translations", "calls"), {"POST": "realtime.translations.calls.create"}),
    (
        ("realtime", "translations", "client_secrets"),
        {"POST": "realtime.translations.client_secrets.create"},
    ),
    (("realtime", "calls"), {"POST": "realtime.calls.create"}),
    (("realtime", "calls", "*", "accept"), {"POST": "realtime.calls.accept"}),
    (("realtime", "calls", "*", "refer"), {"POST": "realtime.calls.refer"}),
    (("realtime", "calls", "*", "reject"), {"POST": "realtime.calls.reject"}),
    (("realtime", "calls", "*", "hangup"), {"POST": "realtime.calls.hangup"}),
    (("realtime", "client_secrets"), {"POST": "realtime.client_secrets.create"}),
    (("realtime", "sessions"), {"POST": "realtime.sessions.create"}),
    (("realtime", "transcription_sessions"), {"POST": "realtime.transcription_sessions.create"}),
)
_LIVE: Operations = (
    (("live", "sessions"), {"GET": "live.connect", "POST": "live.create"}),
    (("live", "sessions", "*", "attach"), {"GET": "live.sessions.attach"}),
    (
        ("live", "sessions", "*", "fork"),
        {"GET": "live.sessions.connect_fork", "POST": "live.sessions.fork"},
    ),
    (("live", "sessions", "*", "accept"), {"POST": "live.sessions.accept"}),
    (("live", "sessions", "*", "refer"), {"POST": "live.sessions.refer"}),
    (("live", "sessions", "*", "reject"), {"POST": "live.sessions.reject"}),
    (("live", "sessions", "*", "hangup"), {"POST": "live.sessions.hangup"}),
    (("live", "sessions", "*", "content"), {"GET": "live.sessions.download_recording"}),
)
_SOCKETS = frozenset(
    (
        "realtime.connect",
        "realtime.translations.connect",
        "live.connect",
        "live.sessions.attach",
        "live.sessions.connect_fork",
    )
)
_HIDES = {
    "realtime.offer": _WEBRTC,
    "realtime.calls.create": _WEBRTC,
    "realtime.translations.calls.create": _WEBRTC,
    "realtime.calls.accept": _SIP,
    "realtime.calls.refer": _SIP,
    "realtime.client_secrets.create": _SECRET,
    "realtime.translations.client_secrets.create": _SECRET,
    "realtime.sessions.create": _SECRET,
    "realtime.transcription_sessions.create": _SECRET,
    "live.create": _WEBRTC,
    "live.sessions.fork": _WEBRTC,
    "live.sessions.accept": _SIP,
    "live.sessions.refer": _SIP,
}
_WITHOUT_SESSION = frozenset(
    (
        "realtime.offer",
        "realtime.calls.create",
        "realtime.translations.calls.create",
        "realtime.calls.refer",
        "live.sessions.refer",
    )
)
"""Hidden, and with a body that is no JSON or names no tools."""


class Realtime(Surface):
    """See `Surface`; the scope of a call is `sessions/ID`, as soon as the API has told it."""

    name = SurfaceName.REALTIME
    words: Sequence[str] = ("realtime",)
    operations: Operations = _REALTIME

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """See `Surface.endpoint`; matches by the end of the path, whatever stands before."""
        # over HTTP/2 a WebSocket is opened by CONNECT
        verb = "GET" if method.upper() == "CONNECT" else method
        place = locate(self.operations, verb, segments)
        if place is None:
            return None
        is_socket, hides = place.operation in _SOCKETS, _HIDES.get(place.operation, "")
        is_attached = place.operation == "live.sessions.attach"
        return Endpoint(
            surface=self,
            operation=place.operation,
            scope=f"sessions/{place.ids[0]}" if is_attached else "",
            reads_request=is_socket or (bool(hides) and place.operation not in _WITHOUT_SESSION),
            reads_response=is_socket,
            is_socket=is_socket,
            hides=hides,
            parameters=dict(zip(("session",), place.ids, strict=False)),
        )

    def read_request(self, endpoint: Endpoint, request: Request, document: Json) -> Outgoing:
        """See `Surface.read_request`: a message, or the body that sets up a session."""
        message = _object(document)
        placed = items.items_of(message)
        items.refuse_strays(message, placed)
        results = list(items.results_of(placed))
        continues = bool(results) or message.get("type") == "response.create"
        return Outgoing(
            results=results,
            hosted_tools=list(_hosted_tools(message)),
            answers=endpoint.scope if continues else "",
            echoes=[
                items.call_of(request, QUOTED, one.item)
                for one in placed
                if items.is_call(one.item)
            ],
            reaches_back=True,
            said=tuple(_said(message, placed)),
        )

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """See `Surface.read_response`: none of these has calls; raises BodyError for any."""
        if isinstance(document, dict):
            items.refuse_strays(document, [])
        return []

    def open_events(self, endpoint: Endpoint, request: Request, frame: Frame) -> Events:
        """See `Surface.open_events`."""
        return RealtimeEvents(endpoint, request, frame)

    def error_event(self, error: Mapping[str, Json], frame: Frame, cause: Json = None) -> bytes:
        """See `Surface.error_event`; an app tells by `event_id` which of its messages it was."""
        told = self._told_cause(cause.get("event_id") if isinstance(cause, dict) else None)
        seed = canonical.dump([dict(error), cause])
        document: Object = {
            "type": "error",
            "event_id": made_id("event", seed),
            "error": {**error, **told},
        }
        return frame("error", canonical.dump(document).decode())

    def _told_cause(self, event_id: Json) -> Object:
        return {"event_id": event_id}

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """See `Surface.replace_arguments`; streams change their messages by themselves."""
        items.edit_items(turn.node, Change(arguments=arguments), {}, _PART)

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """See `Surface.withhold`; a message takes the place of each call."""
        notices = {**hidden.pending, **hidden.denied}
        items.edit_items(turn.node, Change(hidden=notices), {}, _PART)

    def replace_results(self, document: Json, outputs: Sequence[Substitute]) -> None:
        """See `Surface.replace_results`; what creates one item has no room for missing ones."""
        items.replace_results(_object(document), outputs)

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.remove_hosted_tools`."""
        for listed in _tool_lists(_object(document)):
            listed.tools[:] = [tool for tool in listed.tools if _hosted(tool) not in names]

    def ask_before(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.ask_before`: of MCP servers."""
        for listed in _tool_lists(_object(document)):
            for tool in listed.tools:
                if isinstance(tool, dict) and _hosted(tool) in names:
                    tool["require_approval"] = "always"

    def owner(self, request: Request, id: str) -> tuple[Endpoint, Request]:
        """See `Surface.owner`; sessions inherit no tools."""
        raise ValueError("a realtime session inherits no tools")

    def inherit_tools(self, document: Json, owner: Json) -> None:
        """See `Surface.inherit_tools`."""
        raise ValueError("a realtime session inherits no tools")

    def lookups(self, request: Request, scope: str) -> list[tuple[Endpoint, Request]]:
        """See `Surface.lookups`; only the connection itself shows calls."""
        return []

    def settlement(
        self, request: Request, scope: str, notices: Sequence[Substitute], *, is_streaming: bool
    ) -> Request:
        """See `Surface.settlement`; only the connection itself takes results."""
        raise ValueError("a realtime session takes results on its own connection only")


def _object(document: Json) -> Object:
    if not isinstance(document, dict):
        raise BodyError("a message must be a JSON object")
    return document


def _said(message: Object, placed: Sequence[items.Placed]) -> Iterator[str]:
    """What a message's items say, and its instructions; speech is no text here."""
    for holder in (message.get("session"), message.get("response"), message):
        text = holder.get("instructions") if isinstance(holder, dict) else None
        if isinstance(text, str):
            yield text
    yield from said_in([one.item for one in placed])


@dataclass(frozen=True, slots=True)
class _Tools:
    path: str
    tools: list[Json]


_HOLDERS = ("", "session", "response", "session.delegation.responses")


def _tool_lists(document: Object) -> Iterator[_Tools]:
    for holder in _HOLDERS:
        node: Json = document
        for key in filter(None, holder.split(".")):
            node = node.get(key) if isinstance(node, dict) else None
        tools = node.get("tools") if isinstance(node, dict) else None
        path = f"{holder}.tools" if holder else "tools"
        if isinstance(tools, list):
            yield _Tools(path, tools)
        elif tools is not None:
            raise BodyError(f"{path} must be a list", path)


_RUN_BY_APP = frozenset(
    ("function", "custom", "namespace", "tool_search", "computer", "apply_patch")
)


def _hosted(tool: Json) -> str:
    """Name of a tool that the API runs; empty for the app's own."""
    node = tool if isinstance(tool, dict) else {}
    kind = node.get("type", "function")
    if kind == "mcp":
        return f"mcp.{fields.text_of(node, 'server_label')}"
    environment = node.get("environment")
    where = environment.get("type") if isinstance(environment, dict) else None
    is_local = kind == "shell" and where in (None, "local")
    return "" if kind in _RUN_BY_APP or is_local else str(kind)


def _hosted_tools(document: Object) -> Iterator[HostedTool]:
    for listed in _tool_lists(document):
        for index, tool in enumerate(listed.tools):
            path = f"{listed.path}[{index}]"
            if not isinstance(tool, dict) or not isinstance(tool.get("type", ""), str):
                raise BodyError(f"{path}.type must be a string", f"{path}.type")
            if name := _hosted(tool):
                is_mcp = tool.get("type") == "mcp"
                yield HostedTool(name, f"{path}.type", can_ask=is_mcp)


class Live(Realtime):
    """See `Surface`: the Live API, whose calls come inside events of the Responses API."""

    words: Sequence[str] = ("live", "sessions")
    operations = _LIVE

    def _told_cause(self, event_id: Json) -> Object:
        return {"client_event_id": event_id}
