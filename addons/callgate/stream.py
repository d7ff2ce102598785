"""One stream of events on its way to the app: text flows, calls wait for their verdict.

Sans-I/O but for the judging: bytes are fed in and taken out, in order. A group of events that
carries calls opens a *slot*; what comes behind it waits, text goes past a slot that is not
decided at once. The proxy asks for `wait` while a slot is open and takes what has become ready.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from callgate.errors import BodyError, CallgateError
from callgate.exchange import ApiError
from callgate.outcome import RefusedError
from callgate.sources import Source
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Events, Group, Passing
from callgate.surfaces.likeness import Recent

_log = logging.getLogger(__name__)

KEEP_ALIVE = sse.comment("callgate")
CROWDED_BYTES = 1 << 18
"""Held bytes from which on it is better to read no more of the API's."""
ORDER_SECONDS = 0.1
"""Text keeps its place behind calls that are decided within this; then it goes past them."""


class Judge(Protocol):
    """Decides what becomes of a group, and gives the bytes for it as they get ready."""

    def __call__(self, group: Group, rest: Rest) -> AsyncIterator[bytes]:
        """Yield what the app may have of the group's events, one by one.

        Raises CallgateError.
        """
        ...


@dataclass(slots=True)
class Rest:
    """What becomes of the stream behind a group."""

    is_replaced: bool = False
    """The judge has given the app another stream's events: this one's are not its any more."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Something has come behind the group, or the stream has ended."""


@dataclass(slots=True)
class _Slot:
    ready: list[bytes] = field(default_factory=list)
    is_done: bool = False
    is_text: bool = False
    opened: float = 0.0
    """On the clock of the event loop."""
    rest: Rest = field(default_factory=Rest)
    task: asyncio.Task[None] | None = None


class GatedStream:
    """Feeds events to a surface's reader, and groups to the judge; gives bytes back in order."""

    def __init__(
        self,
        events: Events,
        judge: Judge,
        refusal: Callable[[ApiError], bytes],
        *,
        source: Source,
        max_held_bytes: int,
        observes: bool = False,
        keep_alive: bytes = KEEP_ALIVE,
    ) -> None:
        """`refusal` makes the event that ends a stream with an error.

        With `observes` nothing is ever ended: what can not be read passes as it is.
        `keep_alive` breaks the silence of a held stream; empty where that needs no words.
        """
        self._events = events
        self._judge = judge
        self._refusal = refusal
        self._source = source
        self._keep_alive = keep_alive
        self._max_held_bytes = max_held_bytes
        self._seen = b""
        """The event that is being read."""
        self._recent = Recent()
        self._out: list[bytes] = []
        self._slots: deque[_Slot] = deque()
        self._ready_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._has_ended = False
        self._observes = observes
        self._is_unread = False
        self.is_aborted = False
        """The stream was ended by Callgate: nothing of the API's is wanted any more."""
        self.is_broken_off = False
        """The stream was ended by the API, in the middle."""

    # -- in -------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take bytes of the API's body, or a message; never raises for what they hold."""
        if self.is_aborted or self._has_ended:
            return
        self._move()
        try:
            content = self._source.decode(data)
        except BodyError as error:
            self.abort(_not_inspectable(str(error)))
            return
        if self._is_unread:
            self._put(Passing(content))
            return
        if end := self._source.skip(content, self._recent):
            self._put(Passing(content[:end], is_text=True))
            content = content[end:]
            if not content and not self._slots:
                return
        try:
            self._read(content)
            self._check_room()
        except Exception as error:  # noqa: BLE001  mitmproxy's layers go on after an exception
            self._stop_reading(error)

    def _read(self, content: bytes) -> None:
        for event in self._source.feed(content):
            self._seen, part = event.raw, None
            for part in self._events.feed(event):
                self._put(part)
            is_typical = isinstance(part, Passing) and part.is_typical
            self._recent.note(event.raw if is_typical else b"")
            self._seen = b""

    def finish(self) -> None:
        """The API's body has ended."""
        if self.is_aborted or self._has_ended:
            return
        self._move()
        try:
            if last := self._source.finish():
                for part in self._events.feed(last):
                    self._put(part)
            for part in self._events.finish():
                self._put(part)
        except Exception as error:  # noqa: BLE001  as above
            self._stop_reading(error)
        self._has_ended = True
        self._changed.set()

    def _move(self) -> None:
        for slot in self._slots:
            slot.rest.moved.set()

    def _stop_reading(self, error: Exception) -> None:
        why = str(error)
        if not isinstance(error, BodyError):
            _log.error("a stream's reader failed", exc_info=error)
            why = f"{type(error).__name__} in the proxy, see its log"
        if not self._observes:
            self.abort(_not_inspectable(why))
            return
        _log.warning("a stream is not inspected any more: %s", why)
        self._is_unread = True
        for held in (*self._events.give_up(), self._seen, self._source.give_up()):
            if held:
                self._put(Passing(held))

    def abort(self, error: ApiError) -> None:
        """Drop what is held, and end the stream with an error that the SDKs raise."""
        self.cancel()
        self._out.append(self._refusal(error))
        self.is_aborted = True
        self._changed.set()

    def break_off(self, why: str) -> bool:
        """The API's body has broken off: end with an error; False where only breaking off tells.

        That is in `observe`, where the app gets what it would have got without Callgate.
        """
        if self._observes or self.is_aborted or self._has_ended:
            return False
        self.is_broken_off = True
        self.abort(_broken_off(why))
        return True

    def cancel(self) -> None:
        """Nobody is listening any more: stop judging, send nothing that was held."""
        for task in self._tasks:
            task.cancel()
        self._slots.clear()
        self._ready_bytes = 0
        self._has_ended = True
        self._changed.set()

    def _put(self, part: Passing | Group) -> None:
        self._advance()
        if self._has_ended:
            return
        if not isinstance(part, Passing):
            slot = _Slot(opened=asyncio.get_running_loop().time())
            self._slots.append(slot)
            slot.task = task = asyncio.ensure_future(self._fill(slot, part))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif not self._slots or (part.is_text and not self._patience):
            self._out.append(part.raw)
        else:
            self._slots.append(_Slot([part.raw], is_done=True, is_text=part.is_text))
            self._ready_bytes += len(part.raw)

    @property
    def _patience(self) -> float:
        """Seconds that text still waits for what is before it."""
        waited = asyncio.get_running_loop().time() - self._slots[0].opened
        return max(ORDER_SECONDS - waited, 0)

    def _overtake(self) -> None:
        """Send the text that has kept its place for long enough."""
        for slot in [slot for slot in self._slots if slot.is_text]:
            self._out += slot.ready
            self._ready_bytes -= sum(map(len, slot.ready))
            self._slots.remove(slot)

    @property
    def _held_bytes(self) -> int:
        return self._events.held_bytes + self._ready_bytes

    @property
    def is_crowded(self) -> bool:
        """So much waits for a verdict that no more should be read meanwhile."""
        return bool(self._slots) and self._held_bytes > CROWDED_BYTES

    def _check_room(self) -> None:
        if self.is_crowded:
            self._changed.set()
        if self._held_bytes > self._max_held_bytes:
            raise BodyError(f"more than {self._max_held_bytes >> 20} MiB wait for a verdict")

    async def _fill(self, slot: _Slot, group: Group) -> None:
        try:
            async for chunk in self._judge(group, slot.rest):
                slot.ready.append(chunk)
                self._ready_bytes += len(chunk)
                self._changed.set()
        except CallgateError as error:
            self._fail(slot, group, error)
        except Exception as error:
            self._fail(slot, group, CallgateError(f"{type(error).__name__}, see the log"))
            raise
        finally:
            slot.is_done = True
            self._changed.set()

    def _fail(self, slot: _Slot, group: Group, error: CallgateError) -> None:
        if self._observes:
            slot.ready += (events := group.render(Change(), b""))
            self._ready_bytes += sum(map(len, events))
        elif isinstance(error, RefusedError):
            self.abort(error.refusal.error)
        else:
            self.abort(_failed(error))

    # -- out ------------------------------------------------------------------------------

    def take(self) -> bytes:
        """What may go to the app now."""
        return b"".join(self.take_events())

    def take_events(self) -> list[bytes]:
        """What may go to the app now, event by event where a reader has told them apart."""
        self._advance()
        out, self._out = self._out, []
        return out

    def _advance(self) -> None:
        """Move what has become ready, in order, to what may go out."""
        while self._slots:
            slot = self._slots[0]
            self._out += slot.ready
            self._ready_bytes -= sum(map(len, slot.ready))
            slot.ready.clear()
            if not slot.is_done:
                break
            self._slots.popleft()
            if slot.rest.is_replaced:
                for behind in self._slots:
                    if behind.task:
                        behind.task.cancel()
                self._slots.clear()
                self._ready_bytes = 0
                self._has_ended = True
                self.is_aborted = True
        if self._slots and not self._patience:
            self._overtake()

    @property
    def scope(self) -> str:
        """See `Events.scope`."""
        return self._events.scope

    @property
    def is_holding(self) -> bool:
        """Something waits for a verdict."""
        return bool(self._slots)

    @property
    def is_over(self) -> bool:
        """Everything has been taken, and nothing comes any more."""
        return self._has_ended and not self._slots and not self._out

    async def wait(self, seconds: float) -> None:
        """Return when there may be something to take; after `seconds` a comment is.

        Clients give up on silence: Node's fetch after 300 s, openai-python after 600 s.
        """
        self._changed.clear()
        if self._out or any(slot.is_done for slot in list(self._slots)[:1]) or not self._slots:
            return
        has_text = any(slot.is_text for slot in self._slots)
        try:
            await asyncio.wait_for(
                self._changed.wait(), min(self._patience, seconds) if has_text else seconds
            )
        except TimeoutError:
            is_silent = self._slots and not self._slots[0].ready and not has_text
            if self._keep_alive and is_silent:
                self._out.append(self._keep_alive)


def _not_inspectable(why: str) -> ApiError:
    return ApiError(
        f"Callgate ended this stream because it can not be inspected: {why}. "
        "It could carry tool calls that nobody has judged.",
        "response_not_inspectable",
        status=502,
        type="api_error",
    )


def _broken_off(why: str) -> ApiError:
    return ApiError(
        f"The API broke this stream off in the middle ({why}).",
        "stream_broken_off",
        status=502,
        type="api_error",
    )


def _failed(error: Exception) -> ApiError:
    return ApiError(
        "Callgate ended this stream because it can not judge its tool calls now and lets nothing "
        f"through unjudged: {error}.",
        "callgate_unavailable",
        status=503,
        type="api_error",
    )
