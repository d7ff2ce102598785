"""Streams of the Responses API: which events carry parts of a call.

Types: openai SDK `types/responses/response_stream_event.py`; over a WebSocket the same events,
several responses at once in lanes (`stream_id`). Pieces of arguments name neither call nor
tool, only the item's place: so all that refers to an item that is a call is held from the
item's first event to its last, types that nobody here knows too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.surfaces import items, sse
from callgate.surfaces.base import Endpoint, Frame, Group, Passing, Turn
from callgate.surfaces.fields import Object
from callgate.surfaces.item_carriers import model_of, refuse_stray_calls, scope_of
from callgate.surfaces.response_group import Held, ItemGroup, LateGroup, OutputGroup
from callgate.surfaces.sse import SseEvent

_TEXTS = tuple(
    str.split(
        "response.output_text. response.content_part. response.refusal. response.reasoning "
        "response.audio response.output_audio"
    )
)
_HOSTED = tuple(
    str.split(
        "response.web_search_call. response.file_search_call. response.code_interpreter_call "
        "response.image_generation_call. response.mcp_call response.mcp_list_tools."
    )
)

_ENDS = ("response.completed", "response.failed", "response.incomplete", "response.cancelled")


@dataclass(slots=True)
class Lane:
    """One response at a time."""

    scope: str
    id: str = ""
    model: str = ""
    held: dict[str, Held] = field(default_factory=dict)
    """By the item's place; see `_key`."""
    over: dict[str, Object] = field(default_factory=dict)
    """Calls that were told to their end."""
    plain: set[str] = field(default_factory=set)
    """Items that are no calls."""
    names: dict[str, str] = field(default_factory=dict)
    """Item id → place."""
    is_over: bool = False
    """The response has been told to its end."""
    first: int | None = None
    """Index of the first call: what comes behind it in the output waits with it."""
    told: set[str] = field(default_factory=set)
    """Ids of calls that were in a group."""

    def begin(self, id: str) -> None:
        """Forget the items of the response before."""
        self.id, self.is_over = id, False
        self.over, self.plain, self.names, self.first = {}, set(), {}, None


class ResponseEvents:
    """See `Events`."""

    scope = ""

    def __init__(self, endpoint: Endpoint, request: Request, frame: Frame) -> None:
        """The endpoint's scope counts until the stream tells its response."""
        self._request = request
        self._frame = frame
        self._scope = endpoint.scope
        self._lanes: dict[str, Lane] = {}

    @property
    def begun(self) -> list[str]:
        """See `Events.begun`: the responses told so far."""
        return [lane.scope for lane in self._lanes.values() if lane.scope]

    @property
    def held_bytes(self) -> int:
        """See `Events.held_bytes`."""
        return sum(
            len(event.raw)
            for lane in self._lanes.values()
            for held in lane.held.values()
            for event in held.events
        )

    def give_up(self) -> list[bytes]:
        """See `Events.give_up`."""
        lanes, self._lanes = self._lanes, {}
        return [
            event.raw
            for lane in lanes.values()
            for held in lane.held.values()
            for event in held.events
        ]

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """See `Events.feed`."""
        document = sse.document(event)
        if document is None:
            if event.data:
                yield from self.finish()
            yield Passing(event.raw)
            return
        id = document.get("stream_id")
        lane = self._lanes.setdefault(id if isinstance(id, str) else "", Lane(self._scope))
        if isinstance(document.get("response"), dict):
            yield from self._response(lane, event, document)
        elif isinstance(document.get("item"), dict):
            yield from self._item(lane, event, document)
        else:
            yield from self._other(lane, event, document)

    def finish(self) -> Iterator[Passing | Group]:
        """See `Events.finish`."""
        for lane in self._lanes.values():
            yield from self._release(lane)

    # -- events ---------------------------------------------------------------------------

    def _response(self, lane: Lane, event: SseEvent, document: Object) -> Iterator[Passing | Group]:
        response = document["response"]
        assert isinstance(response, dict)  # noqa: S101  for the type checker
        now = response.get("id")
        if isinstance(now, str) and now != lane.id:
            # the next response of a connection: its items are counted anew
            yield from self._release(lane)
            lane.begin(now)
        lane.scope = scope_of(response) or lane.scope
        lane.model = model_of(response) or lane.model
        output = response.get("output")
        listed = items.objects([] if output is None else output, "output")
        refuse_stray_calls(document, {id(item) for item in listed})
        if response.get("status") not in ("in_progress", "queued"):
            yield from self._release(lane)
        if document.get("type") in _ENDS:
            lane.is_over = True
        turn = self._turn(lane, listed, response)
        if not turn.calls:
            yield Passing(event.raw)
            return
        is_new = any(call.id not in lane.told for call in turn.calls)
        lane.told |= {call.id for call in turn.calls}
        yield OutputGroup(event, document, [replace(turn, is_waiting=is_new)], self._frame)

    def _item(self, lane: Lane, event: SseEvent, document: Object) -> Iterator[Passing | Group]:
        item = document["item"]
        assert isinstance(item, dict)  # noqa: S101  for the type checker
        refuse_stray_calls(document, {id(item)})
        key = self._place(lane, document, item)
        if not items.is_call(item):
            if key in lane.held or key in lane.over:
                raise BodyError("a tool call turns into something else")
            lane.plain.add(key)
            yield Passing(event.raw, is_text=self._is_before(lane, document))
            return
        if key in lane.plain:
            raise BodyError("an item turns into a tool call")
        if document.get("type") == "response.output_item.added" and (
            lane.is_over or key in lane.over or key in lane.held
        ):
            # openai-node adds another item each time
            raise BodyError("a tool call is added twice, or to a response that is over")
        if key in lane.over:
            _refuse_change(lane.over[key], item)
            yield LateGroup(event, self._turns(lane, [lane.over[key], item]))
            return
        held = lane.held.setdefault(key, Held(document.get("output_index")))
        if held.item:
            _refuse_change(held.item, item)
        held.learn(item)
        held.keep(event, document)
        self._note(lane, document)
        if document.get("type") == "response.output_item.done":
            del lane.held[key]
            yield self._group(lane, key, held)

    def _other(self, lane: Lane, event: SseEvent, document: Object) -> Iterator[Passing | Group]:
        refuse_stray_calls(document, ())
        kind = document.get("type")
        if not isinstance(kind, str):
            kind = event.name
        key = self._place(lane, document)
        if key in lane.over:
            _refuse_more(lane.over[key], document)
            yield LateGroup(event, self._turns(lane, [lane.over[key]]))
        elif key in lane.held or self._opens(lane, key, kind):
            held = lane.held.setdefault(key, Held(document.get("output_index")))
            held.is_partial |= not held.item
            held.keep(event, document)
            self._note(lane, document)
            held.learn_piece(kind, document)
        else:
            is_text = kind.startswith(_TEXTS) and self._is_before(lane, document)
            yield Passing(event.raw, is_text=is_text, is_typical=is_text)

    def _opens(self, lane: Lane, key: str, kind: str) -> bool:
        """A piece of a call whose begin was not told, as in a stream that is resumed."""
        is_piece = "_call" in kind and not kind.startswith(_HOSTED)
        return is_piece and bool(key) and key not in lane.plain

    # -- places ---------------------------------------------------------------------------

    def _place(self, lane: Lane, document: Object, item: Object | None = None) -> str:
        """What an event is about; empty for none. Raises BodyError where it says two things."""
        index = document.get("output_index")
        by_index = f"#{index}" if isinstance(index, int) and not isinstance(index, bool) else ""
        name = document.get("item_id")
        if item is not None:
            # llama.cpp told neither index nor id at first, and the call's id in its pieces
            name = item.get("id") or (item.get("call_id") if not by_index else None)
        if not isinstance(name, str) or not name:
            return by_index
        known = lane.names.get(name)
        if known is None:
            known = lane.names[name] = by_index or f"={name}"
        if by_index and known != by_index:
            raise BodyError("an event's item_id and output_index mean different items")
        return known

    def _note(self, lane: Lane, document: Object) -> None:
        index = document.get("output_index")
        if isinstance(index, int):
            lane.first = index if lane.first is None else min(lane.first, index)

    def _is_before(self, lane: Lane, document: Object) -> bool:
        """SDKs keep items in order: what follows a call in the output can not overtake it."""
        index = document.get("output_index")
        return lane.first is None or (isinstance(index, int) and index < lane.first)

    # -- groups ---------------------------------------------------------------------------

    def _release(self, lane: Lane) -> Iterator[Group]:
        """Calls whose last event did not come."""
        held, lane.held = lane.held, {}
        for key, one in held.items():
            yield self._group(lane, key, one)

    def _group(self, lane: Lane, key: str, held: Held) -> Group:
        if not held.item:
            raise BodyError("pieces of a tool call that was never told")
        if not _has_arguments(held.item) and (text := held.text):
            held.item = {**held.item, held.key: text}
        lane.over[key] = held.item
        turns = self._turns(lane, held.readings())
        lane.told |= {call.id for turn in turns for call in turn.calls}
        return ItemGroup(held.events, held.documents, turns, held.item, self._frame)

    def _turns(self, lane: Lane, readings: Sequence[Object]) -> list[Turn]:
        return [self._turn(lane, [item], item) for item in readings]

    def _turn(self, lane: Lane, listed: Sequence[Object], holder: Object) -> Turn:
        return items.turn_of(
            self._request,
            lane.scope,
            list(listed),
            holder,
            model=lane.model,
            is_waiting=True,
            is_told=False,
            is_polled=False,
        )


def _has_arguments(item: Object) -> bool:
    return bool(item.get("arguments") or item.get("input"))


def _refuse_change(before: Object, now: Object) -> None:
    for key in ("type", "call_id", "name", "namespace", "server_label"):
        if before.get(key) not in (None, "") and now.get(key) != before[key]:
            raise BodyError(f"a tool call changes its {key}")


def _refuse_more(item: Object, document: Object) -> None:
    """openai-node puts late pieces into the call, even of a response that is complete."""
    tells = [document[key] != item.get(key) for key in ("arguments", "input") if key in document]
    if document.get("delta") or any(tells):
        raise BodyError("a tool call goes on after its end")
