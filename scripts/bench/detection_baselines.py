"""What to measure against: keyword expressions as most tool firewalls have them, other tools."""

from __future__ import annotations

import importlib.util
import re
from typing import Protocol

_EXPRESSIONS = {
    "destructive_shell": r"rm\s+-[a-z]*[rf]|mkfs|dd\s+if=|shutdown|reboot|:\(\)\s*\{|chmod\s+-R"
    r"|curl[^|]*\|\s*(?:ba)?sh|--force|--hard|DROP\s+DATABASE|delete\s+(?:ns|namespace|pod)",
    "destructive_sql": r"(?i)\b(?:drop\s+(?:table|database)|truncate|delete\s+from)",
    "secret": r"AKIA[0-9A-Z]{16}|ghp_\w{36}|sk-\w{20,}|xox[bap]-|-----BEGIN"
    r"|(?i:api[_-]?key|secret|token|password)[\"']?\s*[:=]\s*\S{8,}",
    "pii": r"\b\d{3}-\d{2}-\d{4}\b|\b(?:\d[ -]?){13,16}\b|\+?\d[\d ()-]{8,}\d",
    "pii, e-mail only": r"[\w.+-]+@[\w-]+\.\w+",
    "ssrf": r"169\.254\.169\.254|localhost|127\.0\.0\.1|metadata\.google|\b10\.\d+\.\d+\.\d+",
    "sensitive_file": r"/etc/(?:passwd|shadow)|\.ssh/|id_rsa|\.\./\.\./",
}


class Baseline(Protocol):
    name: str
    labels: frozenset[str]
    is_there: bool

    def finds(self, label: str, text: str) -> bool:
        """Tell whether the tool says anything about the text."""
        ...


class Keywords:
    """A handful of expressions, as one writes them in an hour."""

    name = "keywords"
    is_there = True

    def __init__(self) -> None:
        self._patterns = {k: re.compile(v) for k, v in _EXPRESSIONS.items()}
        self.labels = frozenset(self._patterns)

    def finds(self, label: str, text: str) -> bool:
        return label in self._patterns and self._patterns[label].search(text) is not None


class DetectSecrets:
    """`detect-secrets`, every plug-in that it has by default."""

    name = "detect-secrets"
    labels = frozenset({"secret"})
    is_there = importlib.util.find_spec("detect_secrets") is not None

    def finds(self, label: str, text: str) -> bool:
        from detect_secrets.core.scan import scan_line  # type: ignore[import-not-found]
        from detect_secrets.settings import default_settings  # type: ignore[import-not-found]

        with default_settings():
            return any(True for _ in scan_line(text))


class Presidio:
    """`presidio-analyzer`: its patterns, without a language model."""

    name = "presidio patterns"
    labels = frozenset({"pii", "pii, e-mail only"})
    is_there = importlib.util.find_spec("presidio_analyzer") is not None

    def __init__(self) -> None:
        self._recognizers = []
        if self.is_there:
            from presidio_analyzer import PatternRecognizer, RecognizerRegistry

            registry = RecognizerRegistry()
            registry.load_predefined_recognizers(languages=["en"])
            self._recognizers = [
                r for r in registry.recognizers if isinstance(r, PatternRecognizer)
            ]

    def finds(self, label: str, text: str) -> bool:
        return any(
            found.score >= 0.5
            for recognizer in self._recognizers
            for found in recognizer.analyze(text, recognizer.supported_entities, None) or ()
        )


BASELINES = (Keywords, DetectSecrets, Presidio)
