"""Redacted arguments as a person reads them: laid out, with what was found in them marked."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callgate.canonical import Json, parse
from callgate.detectors.inspector import ACTS_FROM, member_path
from callgate.detectors.redaction import REDACTED_REASONS
from callgate.errors import JsonError
from callgate.visible import visible

_PLACEHOLDER = re.compile(r"\[REDACTED:([A-Z0-9_]+)\]")

type Spans = Mapping[str, Sequence[Mapping[str, Any]]]
"""Findings, as records have them, by JSON path."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, marked or not."""

    text: str
    mark: str = ""
    """`redacted` or `found`; empty for ordinary text."""
    title: str = ""
    """What was found."""


@dataclass(frozen=True, slots=True)
class _Mark:
    start: int
    end: int
    kind: str
    title: str


def pieces(arguments: str, findings: Iterable[Mapping[str, Any]]) -> list[Piece]:
    """Lay out arguments, as text of redacted JSON, with their findings marked.

    What is not JSON stays as it is but for placeholders. Text that could deceive an eye is
    escaped.
    """
    spans: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for finding in findings:
        spans[finding["path"]].append(finding)
    try:
        value = parse(arguments)
    except JsonError:
        return _joined(_cut(arguments, _marks(arguments, spans.get("$", ())), _raw))
    return _joined(_layout(value, "$", "", spans))


def _layout(value: Json, path: str, indent: str, spans: Spans) -> Iterator[Piece]:
    inner = indent + "  "
    if isinstance(value, str):
        yield Piece('"')
        yield from _cut(value, _marks(value, spans.get(path, ())), _quoted)
        yield Piece('"')
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield Piece(("," if index else "[") + "\n" + inner)
            yield from _layout(item, f"{path}[{index}]", inner, spans)
        yield Piece("\n" + indent + "]")
    elif isinstance(value, dict) and value:
        for index, (key, item) in enumerate(value.items()):
            yield Piece(("," if index else "{") + "\n" + inner + '"')
            yield from _cut(key, _marks(key, ()), _quoted)
            yield Piece('": ')
            yield from _layout(item, member_path(path, key, index), inner, spans)
        yield Piece("\n" + indent + "}")
    else:
        yield Piece(json.dumps(value))


def _marks(text: str, findings: Sequence[Mapping[str, Any]]) -> list[_Mark]:
    """Placeholders in a redacted string, and what was found beside them."""
    marks = [
        _Mark(found.start(), found.end(), "redacted", found[1].replace("_", " ").lower())
        for found in _PLACEHOLDER.finditer(text)
    ]
    hidden = sorted((f for f in findings if _is_hidden(f)), key=lambda f: (f["start"], -f["end"]))
    place = _placing(text, hidden)
    if place is None:
        return marks
    for finding in findings:
        start, end = place.moved(finding["start"]), place.moved(finding["end"])
        if not _is_hidden(finding) and start < end <= len(text):
            title = finding.get("explanation") or finding["kind"]
            marks.append(_Mark(start, end, "found", title))
    return marks


def _is_hidden(finding: Mapping[str, Any]) -> bool:
    is_meant = finding["reason"] in REDACTED_REASONS and finding["confidence"] >= ACTS_FROM
    return bool(is_meant and finding["end"] > finding["start"])


@dataclass(frozen=True, slots=True)
class _Placing:
    """Where characters of the raw string stand in the redacted one."""

    cuts: Sequence[tuple[int, int, int]]
    """Start and end of what was taken out, and the length of what stands there now."""

    def moved(self, raw: int) -> int:
        shift = 0
        for start, end, length in self.cuts:
            if raw <= start:
                break
            if raw < end:
                return start + shift + length
            shift += length - (end - start)
        return raw + shift


def _placing(text: str, hidden: Sequence[Mapping[str, Any]]) -> _Placing | None:
    """Undo `redaction`; None where the text is not what it would have made."""
    cuts: list[tuple[int, int, int]] = []
    position = shift = 0
    for finding in hidden:
        start, end, placeholder = finding["start"], finding["end"], f"[REDACTED:{finding['kind']}]"
        if start >= position:
            if not text.startswith(placeholder, start + shift):
                return None
            cuts.append((start, end, len(placeholder)))
            shift += len(placeholder) - (end - start)
        elif end > position:  # overlaps: one placeholder stands for both
            begin, _, length = cuts[-1]
            cuts[-1] = (begin, end, length)
            shift -= end - position
        position = max(position, end)
    if len(cuts) != len(_PLACEHOLDER.findall(text)):
        return None
    return _Placing(cuts)


def _cut(text: str, marks: Sequence[_Mark], shown: Any) -> Iterator[Piece]:
    position = 0
    for mark in sorted(marks, key=lambda m: (m.start, -m.end)):
        if mark.end <= position:
            continue
        start = max(mark.start, position)
        yield Piece(shown(text[position:start]))
        yield Piece(shown(text[start : mark.end]), mark.kind, mark.title)
        position = mark.end
    yield Piece(shown(text[position:]))


def _quoted(text: str) -> str:
    return visible(json.dumps(text, ensure_ascii=False)[1:-1])


def _raw(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def _joined(found: Iterable[Piece]) -> list[Piece]:
    """Put neighbours without a mark together."""
    joined: list[Piece] = []
    for piece in found:
        if not piece.text:
            continue
        if joined and not piece.mark and not joined[-1].mark:
            joined[-1] = Piece(joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return joined
