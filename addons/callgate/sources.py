"""What the API sends, cut into events: a body of server-sent events, messages of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from callgate.bodies import Decoder
from callgate.errors import BodyError
from callgate.surfaces import sse
from callgate.surfaces.likeness import Recent
from callgate.surfaces.sse import SseEvent


class Source(Protocol):
    """Cuts what the API sends into events."""

    def decode(self, data: bytes) -> bytes:
        """Undo the content encoding; raises BodyError for corrupt data."""
        ...

    def feed(self, content: bytes) -> Iterator[SseEvent]:
        """Yield the events that are complete now; raises BodyError for what is no event."""
        ...

    def skip(self, content: bytes, recent: Recent) -> int:
        """How many bytes of the content need not be fed: events like the one before them."""
        ...

    def finish(self) -> SseEvent | None:
        """What is left at the end, or None; raises BodyError where something is missing."""
        ...

    def give_up(self) -> bytes:
        """The bytes of the event that has not ended, and forget them."""
        ...


class SseSource(sse.SseReader):
    """Server-sent events behind a Content-Encoding."""

    def __init__(self, encoding: str, max_event_bytes: int) -> None:
        """See `SseReader`; raises BodyError for an unknown or combined encoding.

        One event may hold all that a response does: pictures, and once more at its end.
        """
        super().__init__(max_event_bytes)
        self._decoder = Decoder(encoding)

    def decode(self, data: bytes) -> bytes:
        """See `Source.decode`."""
        return self._decoder.feed(data)

    def skip(self, content: bytes, recent: Recent) -> int:
        """See `Source.skip`: none where an event has begun that has not ended."""
        return 0 if self._buffer else recent.reach(content)

    def finish(self) -> SseEvent | None:
        """See `Source.finish`; raises BodyError where the encoded content is cut off."""
        self._decoder.finish()
        return super().finish()


class MessageSource:
    """Messages of a WebSocket: each is an event."""

    def decode(self, data: bytes) -> bytes:
        """See `Source.decode`: the proxy has undone it."""
        return data

    def feed(self, content: bytes) -> Iterator[SseEvent]:
        """See `Source.feed`; a binary message is text too."""
        try:
            yield SseEvent(content, "", content.decode())
        except UnicodeDecodeError as error:
            raise BodyError("a message is not UTF-8") from error

    def skip(self, content: bytes, recent: Recent) -> int:
        """See `Source.skip`: every message is read."""
        return 0

    def finish(self) -> SseEvent | None:
        """See `Source.finish`: messages come whole."""
        return None

    def give_up(self) -> bytes:
        """See `Source.give_up`."""
        return b""
