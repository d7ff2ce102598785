"""Credentials: formats that tell themselves, and random-looking values beside a telling word.

A bare value is never a secret only because the argument is called `password`: a tool's own
credential parameter is payload. Inside a longer text, or in a JSON document that is itself a
text, `password = …` is a leak.
"""

from __future__ import annotations

from collections.abc import Iterator

from callgate.detectors import values
from callgate.detectors.base import Text
from callgate.detectors.pattern import Pattern, pattern, secret_span
from callgate.detectors.secrets import assignments
from callgate.detectors.secrets.prefilter import Prefilter
from callgate.detectors.secrets.tokens import TOKENS
from callgate.detectors.secrets.tokens.base import Token
from callgate.detectors.spans import Spans
from callgate.model import Finding, Reason


def formats(tokens: tuple[Token, ...]) -> Prefilter[tuple[Token, Pattern]]:
    """Compile formats for `Secrets`."""
    return Prefilter(
        (
            [word for word in token.words.split("|") if word],
            token.pattern,
            (token, pattern(token.pattern)),
        )
        for token in tokens
    )


_FORMATS = formats(TOKENS)

SHORTEST = 8
"""Characters; no credential with its word beside it, and no format, is shorter."""


class Secrets:
    """See `Detector`; yields reason SECRET_DETECTED."""

    name = "secrets"

    def __init__(self, known: Prefilter[tuple[Token, Pattern]] = _FORMATS) -> None:
        """`known` is what `formats` gives; all of the project's own unless said otherwise."""
        self._formats = known

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        if len(text.value) < SHORTEST and not text.is_inner:
            return
        spans = Spans(len(text.value))
        for token, expression in self._formats.candidates(text.value):
            for match in expression.finditer(text.value):
                start, end = secret_span(match)
                confidence = _confidence(token, text.value[start:end])
                if confidence and spans.take(start, end):
                    why = f"looks like a credential of {token.provider}"
                    yield _finding(text, token.kind, start, end, confidence, why)
        for guess in _guesses(text):
            if spans.take(guess.start, guess.end):
                kind = "PASSWORD" if guess.is_password else "GENERIC_SECRET"
                why = "a random-looking value stands beside a word such as password, token or key"
                yield _finding(text, kind, guess.start, guess.end, guess.confidence, why)


def _guesses(text: Text) -> Iterator[assignments.Guess]:
    if text.is_inner and assignments.is_telling(text.field):
        confidence = assignments.judge(text.field, text.value, '"')
        if confidence:
            is_password = assignments.is_password(text.field)
            yield assignments.Guess(0, len(text.value), is_password, confidence)
    yield from assignments.guesses(values.without_placeholders(text.value))


def _confidence(token: Token, value: str) -> float:
    """0 for a value that only looks alike."""
    if token.entropy and values.entropy(value) < token.entropy:
        return 0.0
    if values.is_placeholder(value) or (token.check and not token.check(value)):
        return 0.0
    return 1.0 if token.checksum and token.checksum(value) else token.confidence


def _finding(text: Text, kind: str, start: int, end: int, confidence: float, why: str) -> Finding:
    return Finding(kind, Reason.SECRET_DETECTED, text.path, start, end, confidence, why)
