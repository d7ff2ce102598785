"""Calls of a Realtime connection that are still being told, and the messages that tell them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import ToolCall
from callgate.surfaces import fields
from callgate.surfaces import realtime_items as items
from callgate.surfaces.base import Change, Frame, Turn
from callgate.surfaces.fields import Object
from callgate.surfaces.sse import SseEvent

BEGINS = ("response.output_item.added", "conversation.item.added", "conversation.item.created")
PIECE = "response.function_call_arguments.delta"
WHOLE = "response.function_call_arguments.done"
NESTED = "response.event"
_CALLS = ("function_call", "tool_call", "shell_call", "apply_patch_call", "computer_call")
_IDENTITY = ("type", "call_id", "name", "namespace", "server_label")


def document_of(event: SseEvent) -> Object:
    """The JSON object of a message; raises BodyError for anything else."""
    return _typed(canonical.parse(event.data or ""))


def told_of(document: Object) -> Object:
    """What a message tells: of the Live API, an event of the Responses API inside it."""
    if document.get("type") != NESTED:
        return document
    items.refuse_strays({key: value for key, value in document.items() if key != "event"}, [])
    return _typed(document.get("event"))


def _typed(document: Json) -> Object:
    if not isinstance(document, dict) or not isinstance(document.get("type", ""), str):
        raise BodyError("a message must be a JSON object with a type")
    return document


def part_of(request: Request) -> Object:
    """A text of the assistant's, but for the text: the beta's, which Azure has too, differs."""
    is_beta = (
        "realtime=v1" in request.header("openai-beta")
        or "realtime-v1" in request.header("sec-websocket-protocol")
        or "api-version=" in request.query
    )
    return {"type": "text" if is_beta else "output_text"}


def mention(document: Object) -> str:
    """What a message says of the item that it is about."""
    return text_of(document, "item_id") or text_of(document, "call_id")


def piece_key(document: Object) -> str:
    """What tells the call of a piece; raises BodyError for one that could be any's."""
    key = fields.text_of(document, "item_id") or fields.text_of(document, "call_id")
    if not key:
        raise BodyError("a piece of a tool call without its item_id")
    return key


def response_of(document: Object) -> str:
    """Id of the response that a message belongs to."""
    response = document.get("response")
    return (
        text_of(response, "id") if isinstance(response, dict) else text_of(document, "response_id")
    )


def key_of(item: Object) -> str:
    """What later messages refer to an item by; raises BodyError for nothing at all."""
    return fields.text_of(item, "id") or items.id_of(item)


def text_of(node: Object, key: str) -> str:
    """A field as text; empty where it is none."""
    value: Json = node.get(key)
    return value if isinstance(value, str) else ""


def is_begun_by(document: Object) -> bool:
    """A call that began and is not whole yet."""
    item = document.get("item")
    if document.get("type") not in BEGINS or not isinstance(item, dict):
        return False
    is_empty = items.is_told(item) and not item.get("arguments")
    return is_empty or item.get("status") == "in_progress"


def refuse_unknown(document: Object) -> None:
    """Raise BodyError for a piece of a call in a message that nobody here knows."""
    kind = text_of(document, "type")
    if document.get("call_id") is not None or any(word in kind for word in _CALLS):
        raise BodyError("a message tells something of a tool call that is not known")


@dataclass(frozen=True, slots=True)
class Held:
    """A message that waits for its call to be whole."""

    number: int
    event: SseEvent


@dataclass(slots=True)
class Telling:
    """A call whose arguments are still being told."""

    key: str
    item: Object = field(default_factory=dict)
    """What is known of it besides its arguments."""
    is_shown: bool = False
    """Its item was told, from which apps learn what is called."""
    begun: str = ""
    """Arguments that it began with."""
    deltas: str = ""
    whole: str = ""
    """Arguments of an `arguments.done` that did not tell what is called."""
    response: str = ""
    held: list[Held] = field(default_factory=list)

    def learn(self, told: Object) -> None:
        """Take in who it is; raises BodyError where that differs from what was told before."""
        for name in _IDENTITY:
            value = fields.text_of(told, name)
            if value and self.item.setdefault(name, value) != value:
                raise BodyError(f"the {name} of a tool call changes")
        if told.get("caller") is not None:
            self.item["caller"] = told["caller"]

    def begin(self, arguments: str) -> None:
        """Take in arguments that it began with; raises BodyError where they are others now."""
        if not arguments.startswith(self.begun):
            raise BodyError("the arguments of a tool call change")
        self.begun = arguments

    @property
    def is_named(self) -> bool:
        """What was told is enough for an app to act on, but for the arguments."""
        return bool(self.item.get("name") and self.item.get("call_id"))

    def variants(self, final: str) -> Iterator[str]:
        """Arguments that an app could have put together otherwise than `final`."""
        for text in dict.fromkeys((self.begun, self.deltas, self._joined(), self.whole)):
            # what is cut off can not be acted on, or reads the same
            if text and not final.startswith(text):
                yield text

    def _joined(self) -> str:
        return "" if self.begun == self.deltas else self.begun + self.deltas


@dataclass(frozen=True, slots=True)
class Known:
    """A call that was let out: later messages may tell it again, or only refer to it."""

    item: Object
    call: ToolCall
    response: str


@dataclass(frozen=True, slots=True)
class RealtimeGroup:
    """See `Group`: the messages that tell some calls."""

    events: Sequence[SseEvent]
    turns: Sequence[Turn]
    ids: Mapping[str, str]
    """Key of the item → id of its call; pieces may not tell it."""
    frame: Frame
    part: Object
    """See `part_of`."""

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`: a hidden call's items become messages with the notice."""
        concerned = {call.id for turn in self.turns for call in turn.calls}
        if concerned & (change.hidden.keys() | change.arguments.keys()):
            written: set[str] = set()
            kept = [raw for event in self.events if (raw := self._render(event, change, written))]
        else:
            kept = [event.raw for event in self.events]
        if kept and comment:
            kept.insert(-1, comment)
        return kept

    def _render(self, event: SseEvent, change: Change, written: set[str]) -> bytes:
        document, original = document_of(event), document_of(event)
        told = told_of(document)
        if items.items_of(told):
            # the Responses API's texts have annotations
            part: Object = self.part if told is document else {**self.part, "annotations": []}
            items.edit_items(told, change, self.ids, part, is_begun=is_begun_by(told))
        elif not self._edit_piece(told, change, written):
            return b""
        if document == original:
            return event.raw
        return self.frame(text_of(document, "type"), canonical.dump(document).decode())

    def _edit_piece(self, told: Object, change: Change, written: set[str]) -> bool:
        """Put other arguments into a piece; False for one that is to go."""
        id, kind = self.ids.get(mention(told), ""), told.get("type")
        if id in change.hidden:
            return False
        if id in change.arguments:
            if kind not in (PIECE, WHOLE) or (kind == PIECE and id in written):
                return False
            written.add(id)
            told["delta" if kind == PIECE else "arguments"] = change.arguments[id]
        return True
