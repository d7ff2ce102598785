"""Streams of agent sessions: which events carry calls, and what becomes of them.

Types: openai SDK `types/beta/agent_session_event.py`. An item's event tells a call whole, and
SDKs run it at the first one; events about a session repeat the actions that it requires. So
each event is judged by itself, and nothing is put together from pieces.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from callgate import canonical
from callgate.bounded import trim
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import ToolCall
from callgate.surfaces import agent_items as items
from callgate.surfaces import agent_sessions as sessions
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Endpoint, Frame, Group, Hidden, Passing, Turn
from callgate.surfaces.fields import Object
from callgate.surfaces.sse import SseEvent

_REQUIRES = "agent.session.requires_action"
_IN_PROGRESS = "agent.session.in_progress"
_ITEMS = frozenset(("agent.session.turn.item.added", "agent.session.turn.item.done"))
_TEXTS = frozenset(
    f"agent.session.turn.{name}"
    for name in str.split(
        "created in_progress content_part.added content_part.done output_text.delta "
        "output_text.done reasoning_summary_part.added reasoning_summary_part.done "
        "reasoning_summary_text.delta reasoning_summary_text.done"
    )
) | {"agent.output.command_execution_output.delta"}
"""What the agent says, and where it begins to."""

_OTHERS = (
    frozenset(
        f"agent.session.{name}"
        for name in str.split(
            "created idle in_progress requires_action failed turn.completed turn.failed "
            "turn.cancelled"
        )
    )
    | _ITEMS
    | {"error"}
)
_STATES = ("agent.session.environment.", "agent.session.subagent.")
_PIECES = ("call", "argument", "tool", "approval")
_REMEMBERED = 1024
"""Calls whose later events are known to be theirs; as many as the SDK remembers events."""


@dataclass(frozen=True, slots=True)
class EventGroup:
    """See `Group`: one event with calls."""

    event: SseEvent
    turns: Sequence[Turn]
    read: Callable[[Object], Sequence[Turn]]
    frame: Frame

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`; a message with the notice takes the place of a hidden item."""
        ids = {call.id for turn in self.turns for call in turn.calls}
        raw = self.event.raw
        if ids & (change.hidden.keys() | change.arguments.keys()):
            raw = self._changed(change)
        return [comment, raw] if comment else [raw]

    def _changed(self, change: Change) -> bytes:
        document = sse.document(self.event)
        assert document is not None  # noqa: S101  for the type checker
        for turn in self.read(document):
            sessions.replace_arguments(turn, change.arguments)
            sessions.withhold(turn, Hidden(change.hidden, {}))
        session = document.get("session")
        is_moving = isinstance(session, dict) and session.get("status") == "in_progress"
        if document.get("type") == _REQUIRES and is_moving:
            document["type"] = _IN_PROGRESS
        name = str(document.get("type")) if self.event.name else ""
        return self.frame(name, canonical.dump(document).decode())


@dataclass(frozen=True, slots=True)
class LateGroup:
    """See `Group`: what is said of a call after it was told."""

    event: SseEvent
    turns: Sequence[Turn]
    is_result: bool

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`; of a hidden call nothing more is said, of a changed one no piece."""
        ids = {call.id for turn in self.turns for call in turn.calls}
        gone = change.hidden.keys() | (() if self.is_result else change.arguments.keys())
        return [] if ids & gone else [self.event.raw]


class AgentEvents:
    """See `Events`."""

    scope = ""
    held_bytes = 0

    def __init__(self, endpoint: Endpoint, request: Request, frame: Frame) -> None:
        """The endpoint's scope counts where an event tells no session."""
        self._request = request
        self._frame = frame
        self._scope = endpoint.scope
        self._model = ""
        self._told: OrderedDict[str, list[ToolCall]] = OrderedDict()
        """By the id of the call, and of its item."""

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """See `Events.feed`."""
        document = sse.document(event)
        if document is None:
            yield Passing(event.raw)
            return
        kind = document.get("type")
        if not isinstance(kind, str):
            kind = event.name
        if isinstance(session := document.get("session"), dict):
            self._model = sessions.model_of(session) or self._model
            if session.get("id") is not None:
                self._scope = sessions.scope_of(session["id"])
        turns = self._read(document)
        if turns:
            is_new = self._remember(document, turns)
            shown = [replace(turn, is_waiting=turn.is_waiting and is_new) for turn in turns]
            yield EventGroup(event, shown, self._read, self._frame)
            return
        item = document.get("item")
        calls = self._told_of(document, item if isinstance(item, dict) else {})
        if calls:
            turn = Turn(calls[0].scope, {}, calls)
            yield LateGroup(event, [turn], is_result=isinstance(item, dict))
            return
        self._refuse_piece(kind, document)
        yield Passing(event.raw, is_text=_is_text(kind, item))

    @property
    def begun(self) -> list[str]:
        """See `Events.begun`: the session."""
        return [self._scope] if self._scope else []

    def finish(self) -> Iterator[Passing | Group]:
        """See `Events.finish`: nothing is held."""
        return iter(())

    def give_up(self) -> list[bytes]:
        """See `Events.give_up`: nothing is held."""
        return []

    def _read(self, document: Object) -> list[Turn]:
        scope = self._scope
        if document.get("session_id") is not None:
            # where apps send their results
            scope = sessions.scope_of(document["session_id"])
        turns: list[Turn] = []
        read: set[int] = set()
        item, session = document.get("item"), document.get("session")
        if isinstance(item, dict):
            read.add(id(item))
            if items.is_call(item) and not scope:
                raise BodyError("a tool call of a session that was never told")
            turns += sessions.item_turns(self._request, scope, [item], self._model, is_polled=False)
        if isinstance(session, dict):
            read.add(id(session.get("required_actions")))
            turns += sessions.session_turns(self._request, session, scope, is_polled=False)
        items.refuse_stray_calls(document, read)
        return turns

    def _remember(self, document: Object, turns: Sequence[Turn]) -> bool:
        """Know later events of these calls; tell whether one of the calls is new."""
        item = document.get("item")
        name = item.get("id") if isinstance(item, dict) else None
        is_new = False
        for call in (call for turn in turns for call in turn.calls):
            for key in (call.id, *((name,) if isinstance(name, str) else ())):
                told = self._told.setdefault(key, [])
                if call not in told:
                    told.append(call)
                    is_new = True
        trim(self._told, _REMEMBERED)
        return is_new

    def _told_of(self, document: Object, item: Object) -> list[ToolCall]:
        """The calls that an event is about, though it does not tell them itself."""
        names = (items.answered_id(item) if item else document.get("item_id"),)
        return [
            call for name in names if isinstance(name, str) for call in self._told.get(name, ())
        ]

    def _refuse_piece(self, kind: str, document: Object) -> None:
        """Of an event of an unknown type nobody knows what apps make of it."""
        if kind in _TEXTS or kind in _OTHERS or kind.startswith(_STATES):
            return
        if "arguments" in document or any(word in kind for word in _PIECES):
            raise BodyError("an event of a type that Callgate does not know is about a tool call")


def _is_text(kind: str, item: Json) -> bool:
    """Whatever the agent says goes past held calls, and what it has the API do."""
    if kind in _ITEMS:
        return isinstance(item, dict) and not items.answered_id(item)
    return kind in _TEXTS
