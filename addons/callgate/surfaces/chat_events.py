"""Streams of Chat Completions: which chunks carry pieces of calls, and how to change them.

Types: openai SDK `types/chat/chat_completion_chunk.py`, `lib/streaming/_deltas.py`. A call comes
in pieces, by choice and index. From its first piece on, what belongs to its choice is held
until the choice says that it has finished; other choices' text goes past.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.surfaces import messages, sse
from callgate.surfaces.base import Change, Frame, Group, Passing, Turn
from callgate.surfaces.fields import Object
from callgate.surfaces.messages import CARRIERS, entries
from callgate.surfaces.sse import SseEvent

type Place = tuple[int, int | None]
"""Choice and index of a call; no index for the legacy `function_call`."""

_MAX_INDEX = 10_000


@dataclass(slots=True)
class Part:
    """One call, as its pieces tell it so far."""

    item: Object = field(default_factory=dict)

    def add(self, piece: Object, *, is_legacy: bool) -> None:
        """Take in one piece; raises BodyError where SDKs would put it together differently."""
        messages.refuse_odd_keys(piece)
        if is_legacy:
            _join(self.item, piece)
            return
        for key in ("id", "type"):
            value = piece.get(key)
            if value is not None and not isinstance(value, str):
                raise BodyError(f"the {key} of a tool call must be a string")
            if value and self.item.setdefault(key, value) != value:
                raise BodyError(f"a tool call changes its {key}")
        for key in ("function", "custom"):
            inner = piece.get(key)
            if inner is None:
                continue
            holder = self.item.setdefault(key, {})
            if not isinstance(inner, dict) or not isinstance(holder, dict):
                raise BodyError(f"the {key} of a tool call must be an object")
            _join(holder, inner)


def _join(holder: Object, piece: Object) -> None:
    for key in ("arguments", "input", "name"):
        value = piece.get(key)
        if value is None:
            continue
        if not isinstance(value, str):
            raise BodyError(f"the {key} of a tool call must be a string")
        before = holder.get(key, "")
        if key == "name" and before and value:
            # openai-python appends, openai-node overwrites
            raise BodyError("the name of a tool call is told in pieces")
        holder[key] = f"{before}{value}"


@dataclass(slots=True)
class Choice:
    """A choice with calls."""

    parts: dict[int | None, Part] = field(default_factory=dict)
    forms: dict[bool, frozenset[str]] = field(default_factory=dict)
    """How the pieces of legacy and of other calls are told; see `_form`."""
    is_finished: bool = False

    def told(self) -> Object:
        """The message as if it had been told in one piece."""
        calls: list[Json] = [
            self.parts[i].item for i in sorted(i for i in self.parts if i is not None)
        ]
        message: Object = {"tool_calls": calls} if calls else {}
        if legacy := self.parts.get(None):
            message["function_call"] = legacy.item
        return message


@dataclass(frozen=True, slots=True)
class ChatGroup:
    """See `Group`: the chunks of some choices' calls."""

    events: Sequence[SseEvent]
    documents: Sequence[Object]
    """None of a comment or of what is no JSON: empty."""
    turns: Sequence[Turn]
    ids: Mapping[Place, str]
    frame: Frame

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`."""
        concerned = {call.id for turn in self.turns for call in turn.calls}
        if concerned & (change.hidden.keys() | change.arguments.keys()):
            edit = _Edit(change, self.ids, self.frame)
            pairs = zip(self.events, self.documents, strict=True)
            kept = [raw for event, document in pairs for raw in edit.render(event, document)]
            kept += edit.rest(self.documents[-1])
        else:
            kept = [event.raw for event in self.events]
        if kept and comment:
            kept.insert(-1, comment)
        return kept


class _Edit:
    """Changes the chunks of one group, in their order."""

    def __init__(self, change: Change, ids: Mapping[Place, str], frame: Frame) -> None:
        self._change = change
        self._ids = ids
        self._frame = frame
        self._written: set[str] = set()
        self._untold = {choice for choice, _ in ids if self._hides_all(choice)}
        """Choices whose notices the app has still to be told."""

    def _of(self, choice: int) -> list[str]:
        return [id for (owner, _), id in self._ids.items() if owner == choice]

    def _hides_all(self, choice: int) -> bool:
        return all(id in self._change.hidden for id in self._of(choice))

    def render(self, event: SseEvent, document: Object) -> list[bytes]:
        """The chunk without hidden calls and with other arguments; none where nothing is left."""
        if not document:
            return [event.raw]
        before, had_calls = [], False
        for choice in _choices(document):
            index, delta = _index(choice), _delta(choice)
            had_calls |= any(key in delta for key in CARRIERS)
            self._edit(index, delta)
            if _is_finished(choice) and index in self._untold:
                before.append(self._notice(document, index))
            if _is_finished(choice) and self._is_hidden(index):
                choice["finish_reason"] = "stop"
        if had_calls and _is_empty(document):
            return before
        return [*before, self._frame(event.name, canonical.dump(document).decode())]

    def rest(self, document: Object) -> list[bytes]:
        """Notices of choices that never finish."""
        return [self._notice(document, index) for index in sorted(self._untold)]

    def _is_hidden(self, choice: int) -> bool:
        return bool(self._of(choice)) and self._hides_all(choice)

    def _notice(self, document: Object, index: int) -> bytes:
        self._untold.discard(index)
        texts = [self._change.hidden[id] for id in self._of(index)]
        said: Object = {"content": "\n".join(dict.fromkeys(texts))}
        chunk = {key: value for key, value in document.items() if key != "usage"}
        chunk["choices"] = [{"index": index, "delta": said, "finish_reason": None}]
        return self._frame("", canonical.dump(chunk).decode())

    def _edit(self, choice: int, delta: Object) -> None:
        listed = delta.get("tool_calls")
        if isinstance(listed, list):
            listed[:] = self._kept(choice, [item for item in listed if isinstance(item, dict)])
            if not listed:
                del delta["tool_calls"]
        legacy, id = delta.get("function_call"), self._ids.get((choice, None))
        if isinstance(legacy, dict) and id is not None:
            if id in self._change.hidden:
                del delta["function_call"]
            elif (new := self._change.arguments.get(id)) is not None:
                self._replace(legacy, id, "arguments", new)

    def _kept(self, choice: int, items: Sequence[Object]) -> list[Json]:
        kept: list[Json] = []
        for position, item in enumerate(items):
            index = _place(item, position)
            id = self._ids[choice, index]
            if id in self._change.hidden:
                continue
            item["index"] = index - sum(
                owner == choice and place is not None and place < index
                for (owner, place), other in self._ids.items()
                if other in self._change.hidden
            )
            new = self._change.arguments.get(id)
            if new is not None and isinstance(inner := item.get("function"), dict):
                self._replace(inner, id, "arguments", new)
            if new is not None and isinstance(inner := item.get("custom"), dict):
                self._replace(inner, id, "input", messages.input_in(new))
            kept.append(item)
        return kept

    def _replace(self, holder: Object, id: str, key: str, new: str) -> None:
        if holder.get(key):
            holder[key] = "" if id in self._written else new
            self._written.add(id)


class ChatEvents:
    """See `Events`."""

    scope = ""
    begun = ()

    def __init__(self, request: Request, frame: Frame) -> None:
        """`request` is the one that the stream answers."""
        self._request = request
        self._frame = frame
        self._id = ""
        self._model = ""
        self._open: dict[int, Choice] = {}
        self._over: set[int] = set()
        self._events: list[SseEvent] = []
        self._documents: list[Object] = []

    @property
    def held_bytes(self) -> int:
        """See `Events.held_bytes`."""
        return sum(len(event.raw) for event in self._events)

    def give_up(self) -> list[bytes]:
        """See `Events.give_up`."""
        events, self._events = self._events, []
        self._open, self._documents = {}, []
        return [event.raw for event in events]

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """See `Events.feed`."""
        document = sse.document(event)
        if document is None:
            if event.data:
                yield from self.finish()
            yield Passing(event.raw)
            return
        self._id = self._id or _text(document, "id")
        self._model = self._model or _text(document, "model")
        choices = _choices(document)
        told = [self._add(document, choice) for choice in choices]
        messages.refuse_strays(document, {id(_delta(choice)) for choice in choices})
        finished = {_index(choice) for choice in choices if _is_finished(choice)}
        if not any(told) and not (finished and self._open) and _is_text(choices):
            yield Passing(event.raw, is_text=True, is_typical=True)
        elif not self._open:
            yield Passing(event.raw)
        else:
            self._events.append(event)
            self._documents.append(document)
        for index in finished & self._open.keys():
            self._open[index].is_finished = True
        if self._open and all(choice.is_finished for choice in self._open.values()):
            yield from self.finish()

    def finish(self) -> Iterator[Passing | Group]:
        """See `Events.finish`."""
        opened, self._open = self._open, {}
        events, self._events = self._events, []
        documents, self._documents = self._documents, []
        if not opened:
            return
        self._over |= opened.keys()
        told = {index: choice.told() for index, choice in sorted(opened.items())}
        messages.calls_of(self._request, self._id, list(told.values()))
        turns = [
            Turn(
                self._id,
                message,
                messages.calls_of(self._request, self._id, [message], self._model),
                is_waiting=True,
            )
            for message in told.values()
        ]
        yield ChatGroup(events, documents, turns, _ids(opened), self._frame)

    def _add(self, document: Object, choice: Object) -> bool:
        """Take in the pieces of calls in a choice; False where it has none."""
        pieces = list(_pieces(_delta(choice)))
        index = _index(choice)
        if not pieces:
            return False
        if index in self._over:
            raise BodyError("a tool call goes on after its choice has finished")
        begun = self._open.setdefault(index, Choice())
        parts = begun.parts
        for place, piece in pieces:
            form = _form(document, choice, piece)
            if begun.forms.setdefault(place is None, form) != form:
                raise BodyError("some pieces of a choice's tool calls are told in another form")
            if place is not None and place not in parts and place != len(parts.keys() - {None}):
                # SDKs would put its pieces into another call
                raise BodyError("the index of a tool call skips another")
            parts.setdefault(place, Part()).add(piece, is_legacy=place is None)
        return True


def _ids(opened: Mapping[int, Choice]) -> dict[Place, str]:
    ids: dict[Place, str] = {}
    for index, choice in opened.items():
        places = [place for place in choice.parts if place is not None]
        listed: list[int | None] = [*sorted(places), *([None] if None in choice.parts else [])]
        for place, entry in zip(listed, entries(copy.copy(choice.told())), strict=True):
            ids[index, place] = entry.id
    return ids


def _text(document: Object, key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _choices(document: Object) -> list[Object]:
    listed = document.get("choices")
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise BodyError("choices must be a list")
    found = [choice for choice in listed if isinstance(choice, dict)]
    if len(found) < len(listed):
        raise BodyError("a choice must be an object")
    return found


def _delta(choice: Object) -> Object:
    """What a choice tells; some servers call it a message, as in a body that is no stream.

    Beside a delta, a message repeats the text so far (Perplexity); it has no calls then.
    """
    told = choice.get("delta") or choice.get("message") or {}
    if not isinstance(told, dict):
        raise BodyError("a delta must be an object")
    return told


def _form(document: Object, choice: Object, piece: Object) -> frozenset[str]:
    """What apps go by when they put pieces together, as far as it is there.

    openai-python's helper skips what does not say that it is a chunk, code by hand keeps pieces
    without an index apart from those that have one, and few look at a message.
    """
    is_chunk = document.get("object") == "chat.completion.chunk"
    told = {"chunk": is_chunk, "choice": "index" in choice, "call": "index" in piece}
    told["delta"] = bool(choice.get("delta"))
    return frozenset(key for key, is_told in told.items() if is_told)


def _index(choice: Object) -> int:
    return _number(choice.get("index", 0))


def _place(item: Object, position: int) -> int:
    return _number(item.get("index", position))


def _number(index: Json) -> int:
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < _MAX_INDEX:
        raise BodyError("the index of a choice or of a tool call must be a number")
    return index


def _pieces(delta: Object) -> Iterator[tuple[int | None, Object]]:
    listed = delta.get("tool_calls")
    if listed is not None and not isinstance(listed, list):
        raise BodyError("tool_calls of a delta must be a list")
    for position, item in enumerate(listed or ()):
        if not isinstance(item, dict):
            raise BodyError("a tool call must be an object")
        yield _place(item, position), item
    legacy = delta.get("function_call")
    if legacy is not None:
        if not isinstance(legacy, dict):
            raise BodyError("function_call of a delta must be an object")
        yield None, legacy


def _is_text(choices: Sequence[Object]) -> bool:
    return bool(choices) and not any(map(_is_finished, choices))


def _is_finished(choice: Object) -> bool:
    """Some servers tell an empty reason with every chunk: to SDKs it is none."""
    return bool(choice.get("finish_reason"))


def _is_empty(document: Object) -> bool:
    """Nothing is left in a chunk but what every chunk has."""
    if document.get("usage"):
        return False
    return all(
        not _is_finished(choice) and not any(value is not None for value in _delta(choice).values())
        for choice in _choices(document)
    )
