"""Walks the arguments of a call and shows every string to the detectors."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from callgate.canonical import Json
from callgate.detectors.base import Detector, Text
from callgate.detectors.decoding import document, literals, pieces
from callgate.detectors.placement import COMMAND_FIELDS
from callgate.model import Finding, Reason

ACTS_FROM = 0.5
"""Findings below this confidence are for information: nothing is to be decided on them."""

MAX_NESTED = 3
"""JSON in a string in JSON …: how many levels are opened."""

MAX_CHARACTERS = 1_000_000

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ARGUMENT_FIELDS = frozenset(("args", "arguments", "argv", "parameters", "params"))


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    field: str = ""
    is_key: bool = False


class Inspector:
    """Runs detectors over every string, key and decoded piece of a call's arguments."""

    def __init__(self, detectors: Sequence[Detector], max_characters: int = MAX_CHARACTERS) -> None:
        """`max_characters` counts all strings and keys of one call together."""
        self._detectors = tuple(detectors)
        self._max_characters = max_characters

    def inspect(self, tool: str, arguments: Json) -> list[Finding]:
        """Return what the detectors see, in document order; the same input gives the same list.

        Never raises. Arguments beyond the limit are not looked into: the one finding has reason
        ARGUMENTS_TOO_LARGE. What is found inside an encoded piece spans the whole piece; what
        is found in JSON inside a string spans the inner string, or its part where nothing in it
        is escaped. Numbers are not looked at. Command lines given as lists come last, with empty
        spans. Paths are as in `walk`.
        """
        if _size(arguments, self._max_characters) > self._max_characters:
            return [_too_large(self._max_characters)]
        found: dict[Finding, None] = {}
        for place, value in walk(arguments):
            found.update(dict.fromkeys(self._string(tool, place, value, 0)))
        for place, line in _command_lines(arguments):
            text = Text(_encodable(line), place.path, tool, place.field)
            for finding in self._detect(text):
                if finding.reason == Reason.DESTRUCTIVE_COMMAND:
                    found[replace(finding, start=0, end=0)] = None
        return list(found)

    def _string(self, tool: str, place: _Place, value: str, nested: int) -> Iterator[Finding]:
        value = _encodable(value)
        inner = document(value) if nested < MAX_NESTED and not place.is_key else None
        if inner is not None:
            yield from self._nested(tool, place, value, inner, nested)
            return
        text = Text(value, place.path, "" if place.is_key else tool, place.field)
        yield from self._detect(text)
        for piece in pieces(value):
            is_whole = piece.start == 0 and piece.end == len(value)
            view = Text(
                piece.text, text.path, text.tool if is_whole else "", text.field if is_whole else ""
            )
            for finding in self._detect(view):
                yield replace(finding, start=piece.start, end=piece.end)

    def _nested(
        self, tool: str, place: _Place, value: str, inner: Json, nested: int
    ) -> Iterator[Finding]:
        strings = list(walk(inner))
        for (inside, text), literal in zip(strings, literals(value), strict=True):
            is_verbatim = value[literal.start : literal.end] == text
            spot = replace(inside, path=place.path, field=inside.field or place.field)
            for finding in self._string(tool, spot, text, nested + 1):
                if is_verbatim:
                    start, end = literal.start + finding.start, literal.start + finding.end
                else:
                    start, end = literal.start, literal.end
                yield replace(finding, start=start, end=end)

    def _detect(self, text: Text) -> Iterator[Finding]:
        for detector in self._detectors:
            yield from detector.inspect(text)


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
                field = _encodable(key).lower()
                stack.append((_Place(member_path(place.path, key, index), field), item))
                stack.append((_Place(key_path(place.path, index), is_key=True), key))


def key_path(parent: str, index: int) -> str:
    """Path of the N-th key of an object, as distinct from its value."""
    return f"{parent}[~{index}]"


def member_path(parent: str, key: str, index: int) -> str:
    """Path of a member's value; a key that may itself be a secret is given by its position."""
    digits = sum(map(str.isdigit, key))
    if len(key) > 32 or digits > 5 or (digits and len(key) > 12) or "@" in key:
        return f"{parent}[#{index}]"
    if _PLAIN_KEY.fullmatch(key):
        return f"{parent}.{key}"
    return f"{parent}[{json.dumps(key)}]"


def _encodable(text: str) -> str:
    """Lone surrogates have no UTF-8: replaced one to one."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


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


def _too_large(limit: int) -> Finding:
    return Finding(
        "ARGUMENTS_TOO_LARGE",
        Reason.ARGUMENTS_TOO_LARGE,
        "$",
        0,
        0,
        1.0,
        f"more than {limit} characters: not inspected",
    )


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
                if isinstance(item, str) and field in COMMAND_FIELDS | {"program", "executable"}:
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
