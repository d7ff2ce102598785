"""What to measure against: keyword expressions as most tool firewalls have them, other tools."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
OTHERS = HERE.parents[1] / ".venvs/detection/bin/python"

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
    "exfil, technical": r"curl[^|;]*(?:-d|--data|-F|-T)\b|\bnc\s+-?\w*|webhook\.site|requestbin",
}
_PATTERNS = {label: re.compile(expression) for label, expression in _EXPRESSIONS.items()}


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one tool says of texts."""

    name: str
    labels: frozenset[str]
    """Classes of attacks that it knows."""
    said: Sequence[frozenset[str]]
    """For each text, the classes that it sees in it."""


def keywords(texts: Sequence[str]) -> Baseline:
    """A handful of expressions, as one writes them in an hour."""
    said = [frozenset(k for k, p in _PATTERNS.items() if p.search(text)) for text in texts]
    return Baseline("keywords", frozenset(_PATTERNS), said)


def baselines(texts: Sequence[str]) -> list[Baseline]:
    """Keywords, and the other tools where they are installed."""
    return [keywords(texts), *(_others(texts) if OTHERS.exists() else ())]


def _others(texts: Sequence[str]) -> list[Baseline]:
    run = subprocess.run(
        [OTHERS, HERE / "detection_others.py"],
        input="".join(f"{json.dumps(text)}\n" for text in texts),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    labels = {
        "detect-secrets": frozenset(("secret",)),
        "presidio": frozenset(("pii", "pii, e-mail only")),
    }
    return [
        Baseline(name, known, [frozenset(answer[name]) for answer in answers])
        for name, known in labels.items()
    ]
