"""What a conversation has heard: who named which destination, and whether sensitive data came in.

People and operators say things in requests, tools in results. Of both only identifiers are
kept (`detectors.identifiers`), as marks on the conversation in the store, so that every proxy
knows them: `said:…`, `read:…`, and those of `model.Mark`. A conversation is named as the API
names it; one that the app keeps by itself, by what its requests begin with.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from callgate.bounded import trim
from callgate.canonical import Json
from callgate.detectors.identifiers import Identifiers, identifiers_in
from callgate.errors import StoreError
from callgate.exchange import Request
from callgate.model import Mark, SurfaceName, ToolCall
from callgate.store.base import Store
from callgate.surfaces.base import Events, Group, Outgoing, Passing
from callgate.surfaces.sse import SseEvent

_log = logging.getLogger(__name__)

_NEW = "new/"

_INLINE_CHARACTERS = 16_384
"""Longer texts are read in a thread, so that other flows go on."""
_TEXTS, _NAMES, _MARKS = 2_000, 2_000, 50_000
"""How many are remembered here; the store remembers all that counts."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A result that the model gets to read."""

    output: object
    """Decoded JSON."""
    marks: frozenset[Mark] = frozenset()
    """What else it does to the conversation."""


class Conversations:
    """Remembers marks of conversations, and by which names answers go on with them."""

    def __init__(self, store: Store) -> None:
        """Only what other requests will need is stored."""
        self._store = store
        self._texts: OrderedDict[bytes, Identifiers] = OrderedDict()
        self._first: OrderedDict[str, str] = OrderedDict()
        """Name → the conversation's first name, as far as it was told here."""
        self._begun: OrderedDict[str, set[str]] = OrderedDict()
        """Marks of conversations that begin here: not stored before an answer tells a name by
        which they can be gone on with. Without any mark nobody needs to know of them."""
        self._written: OrderedDict[int, None] = OrderedDict()
        """Hashes of names and marks: the texts would take three times the room."""
        self._joining: set[asyncio.Task[None]] = set()

    async def heard(
        self,
        surface: SurfaceName,
        request: Request,
        outgoing: Outgoing,
        readings: Sequence[Reading] = (),
    ) -> str:
        """Mark what a request tells; return what its conversation is called.

        Empty where it tells nothing. Raises StoreError.
        """
        marks = await self._marks_of(outgoing.said, readings)
        known = outgoing.conversation or outgoing.answers
        name = request.conversation or known or _told(request, outgoing)
        if not name:
            return ""
        if request.conversation:
            await self._connect(surface, request, known)
        key = self._key(surface, request.origin, name)
        if name.startswith(_NEW):
            self._begin(key, marks)
        else:
            await self._mark(key, marks)
        return name

    def _begin(self, key: str, marks: set[str]) -> None:
        self._begun[key] = marks
        trim(self._begun, _NAMES)

    async def _mark(self, key: str, marks: set[str]) -> None:
        if (begun := self._begun.get(key)) is not None:
            begun |= marks
        if new := [mark for mark in marks if hash((key, mark)) not in self._written]:
            await self._store.mark(key, new)
            self._written.update(dict.fromkeys(hash((key, mark)) for mark in new))
            trim(self._written, _MARKS)

    async def _connect(self, surface: SurfaceName, request: Request, known: str) -> None:
        """A connection is a conversation, or goes on with what its first message names."""
        name, other = (_name(surface, request.origin, n) for n in (request.conversation, known))
        if name in self._first:
            return
        if name not in self._begun:
            if known:
                await self._stand_for(name, self._first.get(other, other))
            else:
                self._begin(name, set())
        elif known and other not in self._first:
            await self._stand_for(other, name)

    async def _stand_for(self, name: str, first: str) -> None:
        if name == first:
            return
        self._first[name] = first
        trim(self._first, _NAMES)
        marks = self._begun.get(first)
        try:
            if marks:
                await self._mark(first, marks)
            if marks is None or marks:
                await self._store.join(name, first)
        except StoreError:
            self._first.pop(name, None)
            raise

    async def read(self, call: ToolCall, readings: Sequence[Reading]) -> None:
        """Mark what the model got to read in a call's conversation; raises StoreError."""
        key = self._key(call.surface, call.origin, call.conversation or call.scope)
        await self._mark(key, await self._marks_of((), readings))

    async def continued(self, surface: SurfaceName, request: Request, told: str) -> None:
        """Let what an answer can be gone on with by stand for the request's conversation.

        Raises StoreError.
        """
        name = _name(surface, request.origin, told)
        if told and request.conversation and name not in self._first:
            await self._stand_for(name, self._key(surface, request.origin, request.conversation))

    def continues(self, surface: SurfaceName, request: Request, told: str) -> None:
        """Do as `continued` beside a stream, which goes on meanwhile."""
        task = asyncio.ensure_future(self._join(surface, request, told))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self, surface: SurfaceName, request: Request, told: str) -> None:
        try:
            await self.continued(surface, request, told)
        except StoreError as error:
            _log.error("store: %s", error)

    async def marks(self, call: ToolCall, wanted: Collection[str]) -> frozenset[str]:
        """Return those of the wanted marks that the call's conversation has.

        Raises StoreError.
        """
        if call.conversation.startswith(_NEW):
            return frozenset()  # nothing was read before the first call
        if self._joining:
            await asyncio.wait(self._joining)
        key = self._key(call.surface, call.origin, call.conversation or call.scope)
        return await self._store.marked(key, wanted)

    def _key(self, surface: SurfaceName, origin: str, name: str) -> str:
        key = _name(surface, origin, name)
        return self._first.get(key, key)

    # -- texts ----------------------------------------------------------------------------

    async def _marks_of(self, said: Sequence[str], readings: Sequence[Reading]) -> set[str]:
        marks: set[str] = set()
        for text in said:
            found = await self._identifiers(text)
            marks.update(f"said:{identifier}" for identifier in found.found)
        for reading in readings:
            output: Json = reading.output  # type: ignore[assignment]  # decoded JSON by contract
            found = await self._identifiers(output)
            marks.update(f"read:{identifier}" for identifier in found.found)
            if found.is_cut:
                marks.add(Mark.OVERFLOW)
            marks.update(reading.marks)
        return marks

    async def _identifiers(self, value: Json) -> Identifiers:
        """Histories tell the same texts with every request: each is read once."""
        text = value if isinstance(value, str) else json.dumps(value)
        if len(text) < 8:
            return Identifiers()
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if (known := self._texts.get(key)) is not None:
            return known
        if len(text) > _INLINE_CHARACTERS:
            found = await asyncio.to_thread(identifiers_in, value)
        else:
            found = identifiers_in(value)
        self._texts[key] = found
        trim(self._texts, _TEXTS)
        return found


class Followed:
    """See `Events`; says by which names requests can go on with a stream, each once."""

    def __init__(self, events: Events, tell: Callable[[str], None]) -> None:
        """`tell` is called before the events that tell the name go on."""
        self._events = events
        self._tell = tell
        self._told: set[str] = set()

    @property
    def scope(self) -> str:
        """See `Events.scope`."""
        return self._events.scope

    @property
    def begun(self) -> Collection[str]:
        """See `Events.begun`."""
        return self._events.begun

    @property
    def held_bytes(self) -> int:
        """See `Events.held_bytes`."""
        return self._events.held_bytes

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """See `Events.feed`."""
        for part in self._events.feed(event):
            self._tell_new()
            yield part
        self._tell_new()

    def finish(self) -> Iterator[Passing | Group]:
        """See `Events.finish`."""
        return self._events.finish()

    def give_up(self) -> Sequence[bytes]:
        """See `Events.give_up`."""
        return self._events.give_up()

    def _tell_new(self) -> None:
        for name in self._events.begun:
            if name not in self._told:
                self._told.add(name)
                self._tell(name)


def _name(surface: SurfaceName, origin: str, name: str) -> str:
    return json.dumps([surface, origin, name])


def _told(request: Request, outgoing: Outgoing) -> str:
    """A name for a conversation that the request does not name; empty where it tells nothing.

    A history with results is told again with every request, and grows: its first texts and its
    first call are the conversation's name. Without results it may be anyone's.
    """
    if outgoing.results:
        parts = [request.caller(), list(outgoing.said[:2]), outgoing.results[0].call_id]
        return f"told/{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}"
    return f"{_NEW}{uuid.uuid4().hex}" if outgoing.said else ""
