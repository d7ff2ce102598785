"""Credentials: formats that tell themselves, and random-looking values beside a telling word.

A bare value is never a secret only because the argument is called `password`: a tool's own
credential parameter is payload. Inside a longer text `password = …` is a leak.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from callgate.detectors.base import Text
from callgate.detectors.pattern import pattern
from callgate.detectors.spans import Spans
from callgate.detectors.tokens import TOKENS
from callgate.model import Finding, Reason

_COMPILED = tuple((token, pattern(token.hint), pattern(token.pattern)) for token in TOKENS)
# One pass of a small automaton tells that none of the formats occurs, which is mostly so.
_ANY_HINT = pattern("|".join(f"(?:{token.hint})" for token in TOKENS))

_ASSIGNMENT = pattern(
    r"(?i)(?P<key>[\w.-]{0,40}?(?:passw(?:or)?d|passwd|passphrase|pwd|secret|token|api[_-]?key"
    r"|apikey|access[_-]?key|private[_-]?key|preshared[_-]?key|auth[_-]?key|credential|license[_-]?key)"
    r"[\w.-]{0,30})[\"'`\]]{0,3}\s{0,8}(?:is\s|=>|:=|[:=]{1,2}|,)\s{0,8}[\"'`]?"
    r"(?P<value>[^\s\"'`<>,;]{4,200})"
)
_TELLING = pattern(r"(?i)pass|pwd|secret|token|key|credential")
_PLACEHOLDER = pattern(
    r"(?i)^(?:[x*.#?_-]+|.*(?:your|example|placeholder|changeme|change_me|redacted|dummy|sample"
    r"|_here|todo|insert|replace|environ|getenv|process\.env|secrets\.|vault\.|var\.|config\.|env\.).*"
    r"|none|null|nil|true|false|undefined|required|optional|string|str|text|hidden|empty)$"
)
_REFERENCE = pattern(
    r"^[$%]|\$\{|\$\(|[({}\[\]<]|^[A-Za-z_][\w.]*\($|^[a-z]+(?:[._-][a-z]+)+$|^[@/.\\]"
)
_PASSWORD_KEY = pattern(r"(?i)pass|pwd")


class Secrets:
    """See `Detector`; yields reason SECRET_DETECTED."""

    name = "secrets"

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        spans = Spans(len(text.value))
        yield from _formats(text, spans)
        if _TELLING.search(text.value):
            for finding in _assignments(text):
                if spans.take(finding.start, finding.end):
                    yield finding


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def _formats(text: Text, spans: Spans) -> Iterator[Finding]:
    lowered = text.value.lower()
    if not _ANY_HINT.search(lowered):
        return
    for token, hint, expression in _COMPILED:
        if not hint.search(lowered):
            continue
        for match in expression.finditer(text.value):
            start, end = match.span(1 if expression.groups else 0)
            is_plausible = _is_plausible(text.value[start:end], token.entropy)
            if not is_plausible or not spans.take(start, end):
                continue
            yield Finding(
                token.kind,
                Reason.SECRET_DETECTED,
                text.path,
                start,
                end,
                token.confidence,
                f"looks like a credential of {token.provider}",
            )


def _is_plausible(value: str, least: float) -> bool:
    return not _PLACEHOLDER.search(value) and (not least or entropy(value) >= least)


def _assignments(text: Text) -> Iterator[Finding]:
    for match in _ASSIGNMENT.finditer(text.value):
        value = match.group(2).rstrip(").,:!?")
        confidence = _guess(match.group(1), value)
        # Names of resources hold `secret:` too.
        is_name = "arn:" in text.value[max(0, match.start() - 20) : match.start(2)]
        if not confidence or is_name:
            continue
        start = match.start(2)
        is_password = bool(_PASSWORD_KEY.search(match.group(1)))
        yield Finding(
            "PASSWORD" if is_password else "GENERIC_SECRET",
            Reason.SECRET_DETECTED,
            text.path,
            start,
            start + len(value),
            confidence,
            "a random-looking value stands beside a word such as password, token or key",
        )


def _guess(key: str, value: str) -> float:
    """0 where the value is a placeholder, a reference or a plain word."""
    if _PLACEHOLDER.search(value) or _REFERENCE.search(value):
        return 0.0
    kinds = sum(
        (
            any(c.islower() for c in value),
            any(c.isupper() for c in value),
            any(c.isdigit() for c in value),
            any(not c.isalnum() for c in value),
        )
    )
    bits = entropy(value)
    if _PASSWORD_KEY.search(key):
        return 0.7 if len(value) >= 6 and kinds >= 2 and bits >= 2.2 else 0.3
    if len(value) >= 16 and kinds >= 2 and bits >= 3.0:
        return 0.7
    return 0.0
