"""Events of a stream that differ from the one before in nothing but what is said.

A stream of text tells the same event a thousand times with another word in it. Where a reader
of events has let one pass and looks at none of `FREE`, the next one need not be parsed to know
that it passes too, if it has the same bytes but for those values. This can not be fooled: what
is compared is the whole event. The bytes before a value end with the quote that opens it, the
value holds no bare quote, backslash or control character, and the bytes behind it begin with
the quote that closes it; so JSON has one reading of it, and that has the same keys at the same
places. A key in escapes, a key twice, another event's name or line are other bytes, and an
event with other bytes goes to the reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORDS = ("content", "delta", "obfuscation", "reasoning_content", "refusal", "text", "value")
_NUMBERS = ("created", "created_at", "sequence_number")
FREE = frozenset((*_WORDS, *_NUMBERS))
"""Keys whose strings, and whose whole numbers, change what an event says and not what it is."""

_STRING = rb'[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*'
_NUMBER = rb"(?:0|[1-9][0-9]{0,18})(?=[,}])"
_string, _number = re.compile(_STRING), re.compile(_NUMBER)

# a quote behind a bracket or comma opens a key, in what has been read as JSON
_FREE_VALUE = re.compile(
    rb'[{,]"(?:(?:%b)":"(?P<string>%b)(?=")|(?:%b)":(?P<number>%b))'
    % ("|".join(_WORDS).encode(), _STRING, "|".join(_NUMBERS).encode(), _NUMBER)
)
_EVENT = re.compile(rb"(?:event: [^\r\n]*\n)?data: (?P<json>\{[^\r\n]*\})\n\n")

_MAX_BYTES = 1 << 18
"""Of what is compared at once: limits of single events are the reader's."""

_MAX_MISSES = 8
"""In a row, after which a stream is taken for one whose events are all different."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What events like one event have in common."""

    parts: tuple[bytes, ...]
    """The event's bytes around its free values."""
    values: tuple[re.Pattern[bytes], ...]
    """What may stand between the parts."""

    @classmethod
    def of(cls, raw: bytes) -> Likeness | None:
        """`raw` is one event whose data has been read as strict JSON; None where it has no form
        that is known, or no free value."""
        event = _EVENT.fullmatch(raw) if len(raw) <= _MAX_BYTES else None
        if event is None:
            return None
        parts, values, end = [], [], 0
        for found in _FREE_VALUE.finditer(raw, event.start("json")):
            kind = found.lastgroup
            parts.append(raw[end : found.start(kind or 0)])
            values.append(_string if kind == "string" else _number)
            end = found.end(kind or 0)
        if not values:
            return None
        return cls((*parts, raw[end:]), tuple(values))

    def reach(self, content: bytes) -> int:
        """How many bytes of the content, from its start, are whole events like this one."""
        if len(content) > _MAX_BYTES or not _is_text(content):
            return 0
        end = 0
        while after := self._after(content, end):
            end = after
        return end

    def _after(self, content: bytes, at: int) -> int:
        """Where the event ends that begins there; 0 where it is none like this one."""
        for part, value in zip(self.parts, self.values, strict=False):
            if not content.startswith(part, at):
                return 0
            found = value.match(content, at + len(part))
            if found is None:
                return 0
            at = found.end()
        last = self.parts[-1]
        return at + len(last) if content.startswith(last, at) else 0


def _is_text(content: bytes) -> bool:
    try:
        return content.isascii() or bool(content.decode())
    except UnicodeDecodeError:
        return False


class Recent:
    """The last event of a stream, where others like it need not be read."""

    def __init__(self) -> None:
        """No event has come yet."""
        self._raw = b""
        self._like: Likeness | None = None
        self._misses = 0

    def note(self, raw: bytes) -> None:
        """The reader has been fed this event, and those like it pass; empty: they may not."""
        self._raw, self._like = raw, None

    def reach(self, content: bytes) -> int:
        """How many bytes of the content, which begins with an event, may pass unread."""
        if self._like is None and self._raw and self._misses < _MAX_MISSES:
            self._like, self._raw = Likeness.of(self._raw), b""
        if self._like is None:
            return 0
        end = self._like.reach(content)
        self._misses = 0 if end else self._misses + 1
        return end
