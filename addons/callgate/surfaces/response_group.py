"""Held events of the Responses API, and what becomes of them.

A hidden call gives way to a message with the notice, told by the events that SDKs expect of
one (openai SDK `lib/streaming/responses`): they take the call's place in the output.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from callgate import canonical
from callgate.canonical import Json
from callgate.surfaces import items
from callgate.surfaces.base import Change, Frame, Turn
from callgate.surfaces.fields import Object
from callgate.surfaces.sse import SseEvent

_PIECES = ("delta", "arguments", "input")
_SPELLED = frozenset(("function", "custom"))
"""Kinds whose pieces are text that can be told anew."""


@dataclass(slots=True)
class Held:
    """A call that is being told, with its events."""

    index: Json = None
    item: Object = field(default_factory=dict)
    events: list[SseEvent] = field(default_factory=list)
    documents: list[Object] = field(default_factory=list)
    pieces: list[tuple[str, str]] = field(default_factory=list)
    """Of its text, each with the type of its event: SDKs put together those that they know."""
    is_partial: bool = False
    """The stream began in the middle of the call: its first pieces are missing."""
    wholes: list[str] = field(default_factory=list)
    """As each event that ends the pieces tells it."""
    versions: list[str] = field(default_factory=list)
    """As each event with the whole item tells it."""
    items: list[Object] = field(default_factory=list)
    """What those events tell."""

    def keep(self, event: SseEvent, document: Object) -> None:
        """Hold an event of this call."""
        self.events.append(event)
        self.documents.append(document)

    def learn_piece(self, kind: str, document: Object) -> None:
        """Take in what an event of some type tells of the call's text."""
        if isinstance(piece := document.get("delta"), str):
            self.pieces.append((kind, piece))
        self.wholes += [
            text for name in ("arguments", "input") if isinstance(text := document.get(name), str)
        ]

    def learn(self, item: Object) -> None:
        """Take in the call as one event tells it whole."""
        self.item = {**self.item, **item}
        self.items.append(item)
        if isinstance(text := item.get(self.key), str):
            self.versions.append(text)

    @property
    def text(self) -> str:
        """As the events without the whole item tell it; the end counts for more than pieces."""
        return next(filter(None, reversed(self.wholes)), "".join(one for _, one in self.pieces))

    @property
    def key(self) -> str:
        """The field that the pieces make up."""
        return "input" if items.kind_of(self.item) == "custom" else "arguments"

    def readings(self) -> list[Object]:
        """The item, and every other way in which an app could put it together."""
        found = [self.item]
        if items.kind_of(self.item) not in _SPELLED:
            found += [{**self.item, **item} for item in self.items if not _begins(item, self.item)]
        else:
            for text in (*self._joined(), *self.wholes, *self.versions):
                other = {**self.item, self.key: text}
                if text and all(text != one.get(self.key) for one in found):
                    found.append(other)
        return found

    def _joined(self) -> Iterator[str]:
        if self.is_partial:
            return
        by_kind: dict[str, list[str]] = {}
        for kind, piece in self.pieces:
            by_kind.setdefault(kind, []).append(piece)
        yield "".join(piece for _, piece in self.pieces)
        yield from map("".join, by_kind.values())


def _begins(part: Json, whole: Json, key: str = "") -> bool:
    """Tell whether an item as it was told first says nothing that it does not say at its end."""
    if part in (None, "", [], {}) or key == "status":
        return True
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(_begins(value, whole.get(name), name) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(
            _begins(*pair) for pair in zip(part, whole, strict=False)
        )
    if key == "diff" and isinstance(part, str) and isinstance(whole, str):
        return whole.startswith(part)
    return type(part) is type(whole) and part == whole


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """See `Group`: the events of one call."""

    events: Sequence[SseEvent]
    documents: Sequence[Object]
    turns: Sequence[Turn]
    item: Object
    frame: Frame

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`."""
        id = items.id_of(self.item)
        if id in change.hidden:
            told = list(self._message(change.hidden[id]))
        elif (new := change.arguments.get(id)) is not None:
            told = list(self._sanitized(new))
        else:
            told = [event.raw for event in self.events]
        if told and comment:
            told.insert(-1, comment)
        return told

    def _frame(self, document: Object) -> bytes:
        name = document.get("type") if any(event.name for event in self.events) else ""
        return self.frame(str(name), canonical.dump(document).decode())

    def _message(self, notice: str) -> Iterator[bytes]:
        whole = items.notice_item(self.item, notice)
        numbers = [document.get("sequence_number") for document in self.documents]
        common: Object = {
            key: self.documents[0][key]
            for key in ("output_index", "stream_id")
            if key in self.documents[0]
        }
        part: Object = {"type": "output_text", "annotations": [], "logprobs": []}
        of_part: Object = {"item_id": whole["id"], **common, "content_index": 0}
        steps: list[Object] = [
            {
                "type": "response.output_item.added",
                **common,
                "item": {**whole, "status": "in_progress", "content": []},
            },
            {"type": "response.content_part.added", **of_part, "part": {**part, "text": ""}},
            {"type": "response.output_text.delta", **of_part, "delta": notice, "logprobs": []},
            {"type": "response.output_text.done", **of_part, "text": notice, "logprobs": []},
            {"type": "response.content_part.done", **of_part, "part": {**part, "text": notice}},
            {"type": "response.output_item.done", **common, "item": whole},
        ]
        for place, step in enumerate(steps):
            is_last = place == len(steps) - 1
            number = numbers[-1 if is_last else min(place, len(numbers) - 1)]
            yield self._frame({**step, **({} if number is None else {"sequence_number": number})})

    def _sanitized(self, new: str) -> Iterator[bytes]:
        is_spelled = items.kind_of(self.item) in _SPELLED
        key = "input" if items.kind_of(self.item) == "custom" else "arguments"
        text, is_told = _with(self.item, new).get(key), False
        for document in self.documents:
            changed = {**document}
            item = document.get("item")
            if isinstance(item, dict):
                changed["item"] = _with(item, new) if _says(item) else item
            elif not is_spelled:
                continue
            for name in _PIECES:
                if not isinstance(document.get(name), str):
                    continue
                changed[name] = "" if name == "delta" and is_told else text
                is_told |= name == "delta"
            yield self._frame(changed)


def _says(item: Object) -> bool:
    """The item already tells what is to be done; at first its arguments are empty."""
    if items.kind_of(item) in _SPELLED:
        return bool(item.get("arguments") or item.get("input"))
    return True


def _with(item: Object, new: str) -> Object:
    changed = copy.deepcopy(item)
    items.replace_arguments(changed, new)
    return changed


@dataclass(frozen=True, slots=True)
class OutputGroup:
    """See `Group`: an event that repeats a response's output."""

    event: SseEvent
    document: Object
    turns: Sequence[Turn]
    frame: Frame

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`."""
        concerned = {call.id for turn in self.turns for call in turn.calls}
        raw = self.event.raw
        if concerned & (change.hidden.keys() | change.arguments.keys()):
            document = {**self.document, "response": self._response(change)}
            raw = self.frame(self.event.name, canonical.dump(document).decode())
        return [comment, raw] if comment else [raw]

    def _response(self, change: Change) -> Json:
        response = self.document["response"]
        assert isinstance(response, dict)  # noqa: S101  for the type checker
        output = items.objects(response["output"], "output")
        return {**response, "output": [_shown(item, change) for item in output]}


def _shown(item: Object, change: Change) -> Object:
    if not items.is_call(item):
        return item
    id = items.id_of(item)
    if id in change.hidden:
        return items.notice_item(item, change.hidden[id])
    new = change.arguments.get(id)
    return item if new is None else _with(item, new)


@dataclass(frozen=True, slots=True)
class LateGroup:
    """See `Group`: what is said of a call that was told to its end before."""

    event: SseEvent
    turns: Sequence[Turn]

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`; nothing more is said of a call that was changed."""
        ids = {call.id for turn in self.turns for call in turn.calls}
        if ids & (change.hidden.keys() | change.arguments.keys()):
            return []
        return [self.event.raw]
