"""Server-sent events, incrementally and bounded: bytes in, whole events out, bytes kept.

Source: WHATWG HTML 9.2.6, and the decoders of openai-python (`_streaming.py`) and openai-node
(`core/streaming.ts`). Lines end with LF, CRLF or CR. A byte order mark is refused wherever it
stands before a field: the standard and openai-node drop the mark, openai-python the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError

_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
"""The end of a line and an empty line. A CR at the very end of what has come may be half of a
CRLF; ending there is right all the same, the LF then opens the next event as an empty line."""

_BOM = b"\xef\xbb\xbf"

_HIDDEN = re.compile(rb"[\x0b\x0c\x1c-\x1e\x85\xe2](?:\x80[\xa8\xa9])?(?:data|event)[ \t]*:")
"""A field behind what ends a line for `str.splitlines` alone, in UTF-8 or Latin-1: httpx'
`iter_lines`, by which openai-python read at first and others do, finds an event in a comment."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event, or comments alone; the `raw` of all events together are the stream's bytes."""

    raw: bytes
    name: str
    """Of the `event:` field; empty without one."""
    data: str | None
    """The `data:` lines joined by LF; None without any."""


class SseReader:
    """Cuts a stream into events, whatever the chunks."""

    def __init__(self, max_event_bytes: int) -> None:
        """A longer event is a BodyError: it can not be judged in the room there is."""
        self._max = max_event_bytes
        self._buffer = bytearray()
        self._seen = 0

    def feed(self, chunk: bytes) -> Iterator[SseEvent]:
        """Yield the events that are complete now; raises BodyError for what is no event."""
        self._buffer += chunk
        # the blank line may begin in the last three bytes that were there before
        while match := _BLANK.search(self._buffer, max(0, self._seen - 3)):
            event = self._event(bytes(self._buffer[: match.end()]))
            del self._buffer[: match.end()]
            self._seen = 0
            yield event
        self._seen = len(self._buffer)
        if self._seen > self._max:
            raise BodyError(f"an event is longer than {self._max} bytes")

    def finish(self) -> SseEvent | None:
        """What is left at the end of the stream: an event that some clients dispatch, or None."""
        event = self._event(bytes(self._buffer)) if self._buffer else None
        self.give_up()
        return event

    def give_up(self) -> bytes:
        """The bytes of the event that has not ended, and forget them."""
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._seen = 0
        return raw

    def _event(self, raw: bytes) -> SseEvent:
        if len(raw) > self._max:
            raise BodyError(f"an event is longer than {self._max} bytes")
        if b"\0" in raw:
            # JSON in UTF-16 or UTF-32, which a client that did not ask for a stream reads
            raise BodyError("a stream of events holds a NUL")
        name, data = "", None
        for line in raw.splitlines():
            if line.startswith(_BOM):
                raise BodyError("a byte order mark in a stream of events")
            field, _, value = line.partition(b":")
            if not (field == b"data" and value.lstrip().startswith(b"{")):
                _refuse_hidden(line)  # within a JSON text nothing is found that is an object
            if field == b"data":
                part = _text(value.removeprefix(b" "))
                data = part if data is None else f"{data}\n{part}"
            elif field == b"event":
                name = _text(value.removeprefix(b" "))
            elif line.lstrip()[:1] in (b"{", b"["):
                # a client that did not ask for a stream reads JSON, whatever it is called
                raise BodyError("a stream of events holds bare JSON")
        return SseEvent(raw, name, data)


def _refuse_hidden(line: bytes) -> None:
    """Raise BodyError where some clients would find lines that others do not."""
    if _HIDDEN.search(line):
        raise BodyError("a field stands behind a line end that only some clients know")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BodyError("an event is not UTF-8") from error


def document(event: SseEvent, *, is_of_run: bool = False) -> dict[str, Json] | None:
    """The object that an event holds; None where it tells nothing, or the end.

    Raises BodyError for what is no object, or has a name that SDKs know of runs where the stream
    is not `is_of_run`: they put it into one of their events, and apps miss it.
    """
    if event.data is None or not event.data.strip() or event.data.startswith("[DONE]"):
        return None
    if event.name.startswith("thread.") and not is_of_run:
        raise BodyError("an event is called what only the Assistants API has")
    value = canonical.parse(event.data)
    if not isinstance(value, dict):
        raise BodyError("an event's data must be a JSON object")
    return value


def comment(text: str) -> bytes:
    """A comment line. One LF only: with two, openai-python may take it for an event."""
    return b": " + text.replace("\r", " ").replace("\n", " ").encode() + b"\n"


def event(name: str, data: str) -> bytes:
    """One event; the data must be one line, as JSON is."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data}\n\n".encode()
