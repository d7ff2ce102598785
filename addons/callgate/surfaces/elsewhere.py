"""Paths of gated hosts that no surface knows: calls in their bodies are judged all the same.

What such a path is for nobody here can tell, so nothing is taken out: in `withhold` a body or
stream with a denied call is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError, JsonError
from callgate.exchange import Request
from callgate.model import SurfaceName
from callgate.surfaces import items, messages
from callgate.surfaces.base import (
    Change,
    Endpoint,
    Frame,
    Group,
    Hidden,
    Outgoing,
    Passing,
    Substitute,
    Surface,
    Turn,
)
from callgate.surfaces.fields import Object
from callgate.surfaces.messages import CARRIERS
from callgate.surfaces.sse import SseEvent

SCOPE = "elsewhere"
"""Scope of calls that stand in a body of an unknown kind."""

_DESCRIBED = frozenset(("tools", "tool_choice", "metadata"))
_LISTED = "listed"
_STUCK = "a tool call that is denied stands where Callgate can not take it out"


class Elsewhere(Surface):
    """See `Surface`; reads answers only."""

    name = SurfaceName.CHAT
    words = ()

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """See `Surface.endpoint`: any path."""
        return Endpoint(self, "unknown", SCOPE, reads_response=True)

    def read_request(self, endpoint: Endpoint, request: Request, document: Json) -> Outgoing:
        """See `Surface.read_request`: of what an app sends there nothing is known."""
        return Outgoing()

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """See `Surface.read_response`: whatever looks like a call, wherever it stands."""
        turns: list[Turn] = []
        for node in _nodes(document):
            if any(isinstance(node.get(key), dict | list) and node[key] for key in CARRIERS):
                calls = messages.calls_of(request, SCOPE, [node])
                turns.append(Turn(SCOPE, node, calls, is_told=True))
            elif _is_item(node):
                turns.append(
                    items.turn_of(
                        request,
                        SCOPE,
                        [node],
                        {_LISTED: [node]},
                        is_waiting=False,
                        is_told=True,
                        is_polled=False,
                    )
                )
        return [turn for turn in turns if turn.calls]

    def open_events(self, endpoint: Endpoint, request: Request, frame: Frame) -> ElsewhereEvents:
        """See `Surface.open_events`."""
        return ElsewhereEvents(self, endpoint, request, frame)

    def error_event(self, error: Mapping[str, Json], frame: Frame, cause: Json = None) -> bytes:
        """See `Surface.error_event`."""
        return frame("error", canonical.dump({"error": dict(error)}).decode())

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """See `Surface.replace_arguments`."""
        listed = turn.node.get(_LISTED)
        if not isinstance(listed, list):
            messages.replace_arguments(turn.node, arguments)
            return
        for item in items.objects(listed, _LISTED):
            if (new := arguments.get(items.id_of(item))) is not None:
                items.replace_arguments(item, new)

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """See `Surface.withhold`; raises BodyError: nobody knows what would be left."""
        raise BodyError(_STUCK)

    def replace_results(self, document: Json, outputs: Sequence[Substitute]) -> None:
        """See `Surface.replace_results`: none are known."""

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.remove_hosted_tools`: none are known."""

    def ask_before(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.ask_before`: none are known."""

    def owner(self, request: Request, id: str) -> tuple[Endpoint, Request]:
        """See `Surface.owner`; raises ValueError: requests inherit nothing."""
        raise ValueError("unknown requests inherit nothing")

    def inherit_tools(self, document: Json, owner: Json) -> None:
        """See `Surface.inherit_tools`: there are none."""

    def lookups(self, request: Request, scope: str) -> list[tuple[Endpoint, Request]]:
        """See `Surface.lookups`: nobody knows where to look."""
        return []

    def settlement(
        self, request: Request, scope: str, notices: Sequence[Substitute], *, is_streaming: bool
    ) -> Request:
        """See `Surface.settlement`; raises ValueError: no turn is settleable."""
        raise ValueError("nobody knows how to answer an unknown turn")


def _nodes(document: Json) -> Iterator[Object]:
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            yield node
            waiting += [value for key, value in node.items() if key not in _DESCRIBED]


def _is_item(node: Object) -> bool:
    kind = node.get("type")
    is_named = isinstance(kind, str) and kind.endswith(("_call", "_approval_request"))
    return is_named and ("call_id" in node or "id" in node) and items.is_call(node)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """See `Group`: one event with calls."""

    surface: Elsewhere
    event: SseEvent
    document: Json
    turns: Sequence[Turn]
    frame: Frame

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`; raises BodyError for a hidden call."""
        ids = {call.id for turn in self.turns for call in turn.calls}
        if ids & change.hidden.keys():
            raise BodyError(_STUCK)
        raw = self.event.raw
        if ids & change.arguments.keys():
            for turn in self.turns:
                self.surface.replace_arguments(turn, change.arguments)
            raw = self.frame(self.event.name, canonical.dump(self.document).decode())
        return [comment, raw] if comment else [raw]


class ElsewhereEvents:
    """See `Events`; what is no JSON at all passes."""

    scope = ""
    begun = ()
    held_bytes = 0

    def __init__(
        self, surface: Elsewhere, endpoint: Endpoint, request: Request, frame: Frame
    ) -> None:
        """`surface` reads each event by itself."""
        self._surface = surface
        self._endpoint = endpoint
        self._request = request
        self._frame = frame

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """See `Events.feed`."""
        try:
            document = canonical.parse(event.data or "")
        except JsonError:
            text = (event.data or "").lstrip()
            if text.startswith(("{", "[")) and "{" in text:
                raise
            yield Passing(event.raw)
            return
        turns = self._surface.read_response(self._endpoint, self._request, document)
        if turns:
            yield EventGroup(self._surface, event, document, turns, self._frame)
        else:
            yield Passing(event.raw)

    def finish(self) -> Iterator[Passing | Group]:
        """See `Events.finish`: nothing is held."""
        return iter(())

    def give_up(self) -> list[bytes]:
        """See `Events.give_up`: nothing is held."""
        return []
