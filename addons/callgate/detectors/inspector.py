"""Walks the arguments of a call and shows every string to the detectors."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from callgate.canonical import Json
from callgate.detectors.base import Detector, Text
from callgate.detectors.decoding import decoded_whole, document, literals, pieces
from callgate.detectors.pattern import encodable
from callgate.detectors.placement import (
    COMMAND_FIELDS,
    WRITTEN_FIELDS,
    holds_command,
    holds_sql,
)
from callgate.model import Finding, Reason

ACTS_FROM = 0.5
"""Findings below this confidence are for information: nothing is to be decided on them."""

MAX_NESTED = 6
"""JSON in base64 in JSON …: how many levels are opened; what lies deeper is denied."""

MAX_CHARACTERS = 1_000_000
BUDGET_SECONDS = 0.25

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HARMLESS_KEY = re.compile(r"[a-z_]{1,20}")
"""Half of all strings are such names of parameters: nothing is a secret, or runs, in one word."""
_OF_COMMANDS = (
    Reason.DESTRUCTIVE_COMMAND,
    Reason.SENSITIVE_FILE,
    Reason.SSRF,
    Reason.EXTERNAL_EXFILTRATION,
    Reason.GATE_TAMPERING,
)
_AS_NAMED: Mapping[str, str] = {}
_PROGRAM_FIELDS = COMMAND_FIELDS | {"program", "executable"}
_ARGUMENT_FIELDS = frozenset(("args", "arguments", "argv", "parameters", "params"))


class _Place(NamedTuple):  # several a call: made in a third of the time of a dataclass
    path: str
    field: str = ""
    is_key: bool = False
    is_inner: bool = False


class Inspector:
    """Runs detectors over every string, key and decoded piece of a call's arguments."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        max_characters: int = MAX_CHARACTERS,
        budget_seconds: float = BUDGET_SECONDS,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """`max_characters` counts all strings and keys of one call together.

        `budget_seconds` are of the processor, as `clock` counts them for this thread: a machine
        that is busy with something else refuses no harmless call.
        """
        self._detectors = tuple(detectors)
        self._max_characters = max_characters
        self._budget_seconds = budget_seconds
        self._clock = clock

    def inspect(
        self, tool: str, arguments: Json, fields: Mapping[str, str] = _AS_NAMED
    ) -> list[Finding]:
        """Return what the detectors see, in document order; the same input gives the same list.

        `fields` are the names under which fields shall be looked at instead of their own, as
        `definitions.fields_of` has them.
        Never raises. Arguments beyond the limits of size, time or depth are not looked into: the
        one finding has reason ARGUMENTS_TOO_LARGE. What is found inside an encoded piece spans
        the whole piece; what is found in JSON inside a string spans the inner string, or its
        part where nothing in it is escaped. Numbers are not looked at, nor keys of one plain word.
        Command lines given as lists come last, with empty spans. Paths are as in `walk`.
        """
        if _size(arguments, self._max_characters) > self._max_characters:
            return [_refused(f"more than {self._max_characters} characters: not inspected")]
        look = _Look(self._detectors, tool, fields, self._clock, self._budget_seconds)
        try:
            return look.at(arguments)
        except _BeyondLimitsError as error:
            return [_refused(str(error))]


class _BeyondLimitsError(Exception):
    """What is left of the arguments was not looked at."""


class _Look:
    """One look at the arguments of one call, and what it may still cost."""

    def __init__(
        self,
        detectors: tuple[Detector, ...],
        tool: str,
        fields: Mapping[str, str],
        clock: Callable[[], float],
        budget_seconds: float,
    ) -> None:
        self._detectors = detectors
        self._tool = tool
        self._fields = fields
        self._clock = clock
        self._budget_seconds = budget_seconds
        self._deadline = clock() + budget_seconds
        self._decoded: set[tuple[str, str]] = set()

    def at(self, arguments: Json) -> list[Finding]:
        found: dict[Finding, None] = {}
        for place, value in walk(arguments):
            if _is_plain(place, value):
                continue
            if (field := self._fields.get(place.field)) is not None:
                place = place._replace(field=field)
            self._decoded.clear()
            found.update(dict.fromkeys(self._string(place, value, 0)))
        for place, line in _command_lines(arguments):
            text = Text(encodable(line), place.path, self._tool, place.field)
            for finding in self._detect(text):
                if finding.reason in _OF_COMMANDS:
                    found[replace(finding, start=0, end=0)] = None
        return list(found)

    def _string(self, place: _Place, value: str, nested: int) -> Iterator[Finding]:
        value = encodable(value)
        inner = None if place.is_key else document(value)
        if inner is not None:
            yield from self._nested(place, value, inner, nested)
            return
        tool = "" if place.is_key else self._tool
        text = Text(value, place.path, tool, place.field, place.is_inner)
        yield from self._text(text, nested)

    def _text(self, text: Text, nested: int) -> Iterator[Finding]:
        yield from self._detect(text)
        views = pieces(text.value)
        if holds_command(text) or holds_sql(text):
            views = itertools.chain(views, decoded_whole(text.value))
        for piece in views:
            self._check_time()
            if (piece.text, text.field) in self._decoded:
                continue  # the same text by another way
            self._decoded.add((piece.text, text.field))
            self._descend(nested, is_folded=piece.folded is not None)
            is_whole = not (text.value[: piece.start] + text.value[piece.end :]).strip()
            field = text.field if is_whole else ""
            place = _Place(text.path, field, not (is_whole and text.tool), text.is_inner)
            for finding in self._view(place, piece.text, nested + 1):
                start, end = piece.locate(finding.start, finding.end)
                yield replace(finding, start=start, end=end)

    def _view(self, place: _Place, value: str, nested: int) -> Iterator[Finding]:
        inner = document(value)
        if inner is not None:
            return self._nested(place._replace(is_key=False), value, inner, nested)
        tool = "" if place.is_key else self._tool
        text = Text(value, place.path, tool, place.field, place.is_inner)
        return self._text(text, nested)

    def _descend(self, nested: int, *, is_folded: bool = False) -> None:
        if nested >= MAX_NESTED and not is_folded:
            raise _BeyondLimitsError(f"encoded more than {MAX_NESTED} times over: not inspected")

    def _nested(self, place: _Place, value: str, inner: Json, nested: int) -> Iterator[Finding]:
        self._descend(nested)
        strings = list(walk(inner))
        is_inner = place.is_inner or place.field in WRITTEN_FIELDS
        for (inside, text), literal in zip(strings, literals(value), strict=True):
            if _is_plain(inside, text):
                continue
            is_verbatim = value[literal.start : literal.end] == text
            spot = _Place(place.path, inside.field or place.field, inside.is_key, is_inner)
            for finding in self._string(spot, text, nested + 1):
                if is_verbatim:
                    start, end = literal.start + finding.start, literal.start + finding.end
                else:
                    start, end = literal.start, literal.end
                yield replace(finding, start=start, end=end)

    def _detect(self, text: Text) -> Iterator[Finding]:
        for detector in self._detectors:
            self._check_time()
            for finding in detector.inspect(text):
                yield finding
                self._check_time()

    def _check_time(self) -> None:
        if self._clock() > self._deadline:
            raise _BeyondLimitsError(
                f"took too long, more than {self._budget_seconds:g} s: not inspected"
            )


def _is_plain(place: _Place, value: str) -> bool:
    return place.is_key and _HARMLESS_KEY.fullmatch(value) is not None


def walk(value: Json) -> Iterator[tuple[_Place, str]]:
    """Yield every string and key with its place, in document order.

    Paths are `$.a.b[0]`, `$["x y"]` for keys that are no identifiers. A key itself is
    `PATH[~N]`, N being its position, since the key may be the secret; `member_path` says how
    values under such keys are written.
    """
    stack: list[tuple[_Place, Json]] = [(_Place("$"), value)]
    while stack:
        place, node = stack.pop()
        if isinstance(node, str):
            yield place, node
        elif isinstance(node, list):
            stack.extend(
                (_Place(f"{place.path}[{index}]", place.field), item)
                for index, item in reversed(list(enumerate(node)))
            )
        elif isinstance(node, dict):
            for index, (key, item) in reversed(list(enumerate(node.items()))):
                field = encodable(key).lower()
                stack.append((_Place(member_path(place.path, key, index), field), item))
                stack.append((_Place(key_path(place.path, index), is_key=True), key))


def key_path(parent: str, index: int) -> str:
    """Path of the N-th key of an object, as distinct from its value."""
    return f"{parent}[~{index}]"


def member_path(parent: str, key: str, index: int) -> str:
    """Path of a member's value; a key that may itself be a secret is given by its position."""
    name = _member(key) if len(key) <= 32 else ""
    return parent + (name or f"[#{index}]")


@lru_cache(maxsize=4096)
def _member(key: str) -> str:
    """How a path goes on to a key; empty for one that may be a secret."""
    digits = sum(map(str.isdigit, key))
    if digits > 5 or (digits and len(key) > 12) or "@" in key:
        return ""
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(key)}]"


def _size(value: Json, limit: int) -> int:
    size = 0
    stack = [value]
    while stack and size <= limit:
        node = stack.pop()
        if isinstance(node, str):
            size += len(node)
        elif isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            size += sum(map(len, node))
            stack.extend(node.values())
    return size


def _refused(why: str) -> Finding:
    return Finding("ARGUMENTS_TOO_LARGE", Reason.ARGUMENTS_TOO_LARGE, "$", 0, 0, 1.0, why)


def _command_lines(value: Json) -> Iterator[tuple[_Place, str]]:
    """Command lines given as lists: `{"argv": ["rm", "-rf", "/"]}`, `{"cmd": …, "args": […]}`."""
    stack: list[tuple[str, Json]] = [("$", value)]
    while stack:
        path, node = stack.pop()
        children: list[tuple[str, Json]] = []
        if isinstance(node, dict):
            program: list[str] = []
            for index, (key, item) in enumerate(node.items()):
                where, field = member_path(path, key, index), key.lower()
                children.append((where, item))
                if isinstance(item, str) and field in _PROGRAM_FIELDS:
                    program = [item]
                elif isinstance(item, list) and item and all(isinstance(w, str) for w in item):
                    words = [w for w in item if isinstance(w, str)]
                    if field in COMMAND_FIELDS:
                        yield _Place(where, "command"), shlex.join(words)
                    elif field in _ARGUMENT_FIELDS:
                        head = program[0] + " " if program else ""
                        yield _Place(where, "command"), head + shlex.join(words)
        elif isinstance(node, list):
            children = [(f"{path}[{index}]", item) for index, item in enumerate(node)]
        stack.extend(reversed(children))
