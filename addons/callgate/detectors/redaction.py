"""Takes findings out of arguments and texts and leaves `[REDACTED:KIND]` in their place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from callgate.canonical import Json
from callgate.detectors.inspector import ACTS_FROM, Inspector, key_path, member_path
from callgate.model import Finding, Reason

REDACTED_REASONS: frozenset[str] = frozenset((Reason.SECRET_DETECTED, Reason.PII_DETECTED))
"""Data is taken out; a destructive command is not made harmless by cutting it."""


def redact(
    arguments: Json,
    findings: Iterable[Finding],
    reasons: Collection[str] = REDACTED_REASONS,
    least_confidence: float = ACTS_FROM,
) -> Json:
    """Return a copy with every finding's span replaced by its typed placeholder.

    JSON types and all other text stay. Overlapping spans become one placeholder, named after
    the first. Keys are redacted too and stay apart (`…#2`). Where the inspector refused to look
    (ARGUMENTS_TOO_LARGE) everything is replaced. For arguments as `canonical.parse` gives them,
    at most 200 levels deep.
    """
    spans: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.reason == Reason.ARGUMENTS_TOO_LARGE:
            return f"[REDACTED:{finding.kind}]"
        is_meant = finding.reason in reasons and finding.confidence >= least_confidence
        if is_meant and finding.end > finding.start:
            spans[finding.path].append(finding)
    return _redact(arguments, "$", spans) if spans else arguments


def found_texts(value: Json, findings: Iterable[Finding]) -> list[str]:
    """What stands where findings of secrets and personal data point, in a value as in `redact`.

    Those in decoded texts, which have no place of their own in it, are left out.
    """
    spans: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.reason in REDACTED_REASONS and finding.end > finding.start:
            spans[finding.path].append(finding)
    return [
        text[finding.start : finding.end]
        for path, text in (_texts(value, "$") if spans else ())
        for finding in spans.get(path, ())
    ]


def _texts(value: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for index, (key, item) in enumerate(value.items()):
            yield key_path(path, index), key
            yield from _texts(item, member_path(path, key, index))


def redact_text(text: str, inspector: Inspector) -> str:
    """Return a free text (a tool's result, arguments that are not JSON) without secrets and PII.

    A placeholder can uncover what stood glued to the value before: looks again, up to 5 times.
    """
    for _ in range(5):
        redacted = redact(text, inspector.inspect("", text))
        if not isinstance(redacted, str) or redacted == text:
            break
        text = redacted
    return text


def _redact(value: Json, path: str, spans: dict[str, list[Finding]]) -> Json:
    if isinstance(value, str):
        found = spans.get(path)
        return _replace(value, found) if found else value
    if isinstance(value, list):
        return [_redact(item, f"{path}[{index}]", spans) for index, item in enumerate(value)]
    if isinstance(value, dict):
        copy: dict[str, Json] = {}
        for index, (key, item) in enumerate(value.items()):
            found = spans.get(key_path(path, index))
            name = _unused(_replace(key, found), value, copy) if found else key
            copy[name] = _redact(item, member_path(path, key, index), spans)
        return copy
    return value


def _unused(name: str, *taken: dict[str, Json]) -> str:
    candidate, number = name, 1
    while any(candidate in keys for keys in taken):
        number += 1
        candidate = f"{name}#{number}"
    return candidate


def _replace(text: str, findings: list[Finding]) -> str:
    result: list[str] = []
    position = 0
    for finding in sorted(findings, key=lambda f: (f.start, -f.end)):
        if finding.start >= position:
            result += [text[position : finding.start], f"[REDACTED:{finding.kind}]"]
        position = max(position, finding.end)
    return "".join([*result, text[position:]])
