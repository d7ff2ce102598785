"""What the Realtime API sends: which messages carry parts of a call, and how to change them.

Types: openai SDK `types/realtime/realtime_server_event.py` and `types/beta/realtime`. A call is
told by `response.output_item.added` and `conversation.item.added` (beta: `.created`), then by
`response.function_call_arguments.delta` … `.done`, at which apps act already, then once more
whole by `conversation.item.done`, `response.output_item.done` and `response.done`. What comes
before the arguments are whole is held; each later message is judged by itself, and the decision
on the call is remembered. The Live API puts events of the Responses API, which tell calls in
the same way, into messages of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl

from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import ToolCall
from callgate.surfaces import fields
from callgate.surfaces import realtime_items as items
from callgate.surfaces.base import Endpoint, Frame, Group, Passing, Turn
from callgate.surfaces.fields import Object
from callgate.surfaces.realtime_calls import (
    PIECE,
    WHOLE,
    Held,
    Known,
    RealtimeGroup,
    Telling,
    document_of,
    is_begun_by,
    key_of,
    mention,
    part_of,
    piece_key,
    refuse_unknown,
    response_of,
    text_of,
    told_of,
)
from callgate.surfaces.realtime_items import Placed
from callgate.surfaces.sse import SseEvent

_PLAIN = ("conversation.item.deleted", "conversation.item.truncated")
"""Refer to an item by its id, and say nothing of what it asks for."""

_REMEMBERED = 4096
"""Calls of a connection that later messages may refer to by id alone."""


class RealtimeEvents:
    """See `Events`."""

    def __init__(self, endpoint: Endpoint, request: Request, frame: Frame) -> None:
        """`request` is the one that opened the connection."""
        self._request = request
        self._frame = frame
        self._scope = endpoint.scope
        query = dict(parse_qsl(request.query))
        self._model = query.get("model") or query.get("deployment", "")
        self._part = part_of(request)
        self._open: dict[str, Telling] = {}
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._owners: dict[str, str] = {}
        """Call id → key of the item that has it."""
        self._count = 0

    begun = ()

    @property
    def scope(self) -> str:
        """See `Events.scope`: `sessions/ID`."""
        return self._scope

    @property
    def held_bytes(self) -> int:
        """See `Events.held_bytes`."""
        return sum(len(one.event.raw) for call in self._open.values() for one in call.held)

    def give_up(self) -> list[bytes]:
        """See `Events.give_up`."""
        held = self._held()
        self._open.clear()
        return [one.event.raw for one in held]

    def _held(self) -> list[Held]:
        held = [one for telling in self._open.values() for one in telling.held]
        return sorted(held, key=lambda one: one.number)

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """See `Events.feed`."""
        document = told_of(document_of(event))
        self._count += 1
        self._learn_session(document)
        placed = items.items_of(document)
        items.refuse_strays(document, placed)
        calls = [one for one in placed if items.is_call(one.item)]
        self._refuse_changed([one for one in placed if one not in calls])
        if document.get("type") in (PIECE, WHOLE):
            yield from self._piece(event, document)
        elif calls:
            yield from self._told(event, document, calls)
        elif document.get("type") not in _PLAIN and (key := self._mentioned(document)):
            yield from self._carrier(event, key)
        elif self._ended(document):
            yield self._group(event, document, [])
        else:
            refuse_unknown(document)
            yield Passing(event.raw, is_text=not self._is_behind(document))

    def finish(self) -> Iterator[Passing | Group]:
        """See `Events.finish`."""
        if self._open:
            yield self._grouped(None, dict.fromkeys(list(self._open)))

    # -- the session ------------------------------------------------------------------------

    def _learn_session(self, document: Object) -> None:
        session = document.get("session")
        if document.get("type") in ("session.created", "session.started"):
            id = session.get("id") if isinstance(session, dict) else None
            model = session.get("model") if isinstance(session, dict) else None
            if isinstance(id, str) and not self._scope:
                self._scope = f"sessions/{id}"
            if isinstance(model, str):
                self._model = model

    # -- parts of calls ---------------------------------------------------------------------

    def _told(
        self, event: SseEvent, document: Object, calls: Sequence[Placed]
    ) -> Iterator[Passing | Group]:
        item = calls[0].item
        if [one.path for one in calls] == ["item"] and is_begun_by(document):
            telling = self._telling(key_of(item))
            telling.is_shown = True
            telling.begin(items.arguments_of(item) if items.is_told(item) else "")
            self._keep(telling, event, document, item)
        else:
            yield self._group(event, document, calls)

    def _piece(self, event: SseEvent, document: Object) -> Iterator[Passing | Group]:
        if items.items_of(document):
            raise BodyError("a piece of a tool call holds another")
        telling = self._telling(piece_key(document))
        told: Object = {"type": telling.item.get("type") or "function_call"}
        told |= {name: document.get(name) for name in ("call_id", "name")}
        if document.get("type") == PIECE:
            telling.deltas += fields.text_of(document, "delta")
            self._keep(telling, event, document, told)
            return
        is_whole = document.get("arguments") is not None
        whole = fields.text_of(document, "arguments") if is_whole else telling.deltas
        telling.learn(told)
        if telling.is_named:
            item: Object = {**telling.item, "id": telling.key, "arguments": whole}
            yield self._grouped(event, {telling.key: item}, document)
        else:
            if telling.whole not in ("", whole):
                raise BodyError("the arguments of a tool call change")
            telling.whole = whole
            self._keep(telling, event, document, told)

    def _carrier(self, event: SseEvent, key: str) -> Iterator[Passing | Group]:
        """A message of an unknown type about a call: it goes the way of the call."""
        if telling := self._open.get(key):
            telling.held.append(Held(self._count, event))
            return
        call = self._known[key].call
        yield self._made([event], Turn(self._scope, {}, [call], is_waiting=True), {key: call.id})

    def _group(self, event: SseEvent, document: Object, calls: Sequence[Placed]) -> Group:
        finals = {key_of(one.item): one.item for one in calls}
        for key in finals:
            self._telling(key).is_shown = True
        if len(finals) != len(calls):
            raise BodyError("an item stands twice in one message")
        unlisted = [key for key in self._ended(document) if key not in finals]
        return self._grouped(event, {**dict.fromkeys(unlisted), **finals}, document)

    def _telling(self, key: str) -> Telling:
        if key not in self._open:
            known = self._known.get(key)
            self._open[key] = Telling(key, dict(known.item) if known else {})
        return self._open[key]

    def _keep(self, telling: Telling, event: SseEvent, document: Object, told: Object) -> None:
        telling.learn(told)
        telling.response = response_of(document) or telling.response
        telling.held.append(Held(self._count, event))
        if telling.is_shown and telling.item.get("call_id"):
            self._claim(telling, items.id_of(telling.item))

    def _claim(self, telling: Telling, id: str) -> None:
        """One call id, one item: apps look up by either id what they were told before."""
        owner = self._owners.get(id, telling.key)
        if owner != telling.key:
            known = self._known.pop(owner, None)
            is_same = known and known.item.get("name") == telling.item.get("name")
            if owner in self._open or not (telling.is_shown or is_same):
                raise BodyError("two different tool calls have the same id")
        self._owners[id] = telling.key

    # -- groups -----------------------------------------------------------------------------

    def _grouped(
        self,
        event: SseEvent | None,
        finals: Mapping[str, Object | None],
        document: Object | None = None,
    ) -> Group:
        """What was held of some calls, with the event that ends them; None where none tells one
        whole."""
        held: list[Held] = []
        calls: list[ToolCall] = []
        ids: dict[str, str] = {}
        programs: set[str] = set()
        for key, final in finals.items():
            telling = self._telling(key)
            telling.learn(final or {})
            told = self._calls(telling, final)
            held += telling.held
            calls += told
            ids[key] = told[0].id
            if items.is_of_program(telling.item):
                programs.add(told[0].id)
            self._claim(telling, told[0].id)
            response = response_of(document or {}) or telling.response
            self._remember(key, Known(telling.item, told[0], response))
        for key in finals:
            del self._open[key]
        turn = Turn(
            self._scope,
            document or {},
            calls,
            is_waiting=True,
            unanswerable=frozenset(programs),
        )
        events = [one.event for one in sorted(held, key=lambda one: one.number)]
        return self._made([*events, event] if event else events, turn, ids)

    def _made(self, events: Sequence[SseEvent], turn: Turn, ids: Mapping[str, str]) -> Group:
        return RealtimeGroup(events, [turn], ids, self._frame, self._part)

    def _calls(self, telling: Telling, final: Object | None) -> list[ToolCall]:
        told = {key: value for key, value in (final or {}).items() if value is not None}
        item: Object = {"id": telling.key, **telling.item, **told}
        if final is None:
            item["arguments"] = telling.whole or telling.deltas or telling.begun
        call = items.call_of(self._request, self._scope, item, self._model)
        others = telling.variants(call.arguments) if items.is_told(item) else ()
        variants: list[Object] = [{**item, "arguments": text} for text in others]
        return [
            call,
            *(items.call_of(self._request, self._scope, one, self._model) for one in variants),
        ]

    def _remember(self, key: str, known: Known) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            _, oldest = self._known.popitem(last=False)
            self._owners.pop(oldest.call.id, None)

    # -- other messages ---------------------------------------------------------------------

    def _mentioned(self, document: Object) -> str:
        """Key of the call that a message is about."""
        key = mention(document)
        return key if key in self._open or key in self._known else ""

    def _ended(self, document: Object) -> list[str]:
        """Keys of the calls that nothing more is told of, because their response is over."""
        response = document.get("response")
        if not isinstance(response, dict):
            return []
        id, is_over = text_of(response, "id"), document.get("type") == "response.done"
        is_over |= response.get("status") not in (None, "queued", "in_progress")
        return [key for key, one in self._open.items() if is_over and one.response == id]

    def _is_behind(self, document: Object) -> bool:
        """Tell whether a message has to keep its place behind calls."""
        id = response_of(document)
        told = [one.response for one in self._known.values()]
        told += [one.response for one in self._open.values()]
        is_of_response = isinstance(document.get("response"), dict) and id in told
        return is_of_response or bool(self._mentioned(document))

    def _refuse_changed(self, others: Sequence[Placed]) -> None:
        for one in others:
            if text_of(one.item, "id") in self._open or text_of(one.item, "id") in self._known:
                raise BodyError("a tool call turns into something else")
