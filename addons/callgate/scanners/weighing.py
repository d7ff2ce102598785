"""What a finding weighs: the effect it asks for, and the risk it stands for.

Confidence alone would deny a forced push like a wiped disk: what can be put right again asks a
person. A policy file's `detectors:` says otherwise, by family, confidence and kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from callgate.detectors import ACTS_FROM
from callgate.detectors.redaction import REDACTED_REASONS
from callgate.model import Effect, Finding, Reason
from callgate.policy.meanings import Meanings

HIGH_FROM = 0.8
"""Confidence of findings that are all but certain."""

_EFFECTS: Mapping[str, Effect | None] = {
    "off": None,
    "sanitize": Effect.SANITIZE,
    "require_approval": Effect.REQUIRE_APPROVAL,
    "deny": Effect.DENY,
}

_REVOCABLE = dict.fromkeys(
    str.split(
        "DELETE_BRANCH DISCARD_WORK FORCE_PUSH STOP_SERVICE SHUTDOWN DELETE_SCHEDULE "
        "FLUSH_FIREWALL HTTP_DELETE CHANGE_ACCOUNT KILL_PROCESS PERSISTENCE REMOVE_PACKAGE "
        "INFRASTRUCTURE_CHANGE"
    ),
    "require_approval",
)
"""Kinds of damage that can be put right, or that ordinary work needs at times."""

_RUINOUS = dict.fromkeys(
    ("PATH_TRAVERSAL", "WRITE_ACCOUNT_FILE", "WRITE_PROCESS_MEMORY", "WRITE_SYSTEM_FILE"), "deny"
)
"""Kinds of access to files that no ordinary work needs."""


@dataclass(frozen=True, slots=True)
class Family:
    """Findings of one reason code: what they mean unless the policy says otherwise."""

    name: str
    risk: float
    """0 to 1, of a finding that is certain."""
    meanings: Meanings = field(default_factory=dict)


FAMILIES: Mapping[str, Family] = {
    Reason.SECRET_DETECTED: Family("secrets", 0.7, {"high": "sanitize", "medium": "sanitize"}),
    Reason.PII_DETECTED: Family("pii", 0.5, {"high": "sanitize", "medium": "sanitize"}),
    Reason.DESTRUCTIVE_COMMAND: Family(
        "shell", 0.95, {"high": "deny", "medium": "require_approval", **_REVOCABLE}
    ),
    Reason.DESTRUCTIVE_SQL: Family("sql", 0.9, {"high": "deny", "medium": "require_approval"}),
    Reason.SSRF: Family("ssrf", 0.9, {"high": "deny", "medium": "require_approval"}),
    Reason.EXTERNAL_EXFILTRATION: Family(
        "exfiltration", 0.8, {"high": "require_approval", "medium": "require_approval"}
    ),
    Reason.SENSITIVE_FILE: Family(
        "files", 0.8, {"high": "require_approval", "medium": "require_approval", **_RUINOUS}
    ),
    Reason.GATE_TAMPERING: Family("gate", 0.9, {"high": "deny", "medium": "require_approval"}),
    Reason.READ_THEN_WRITE: Family(
        "read_then_write", 0.7, {"high": "require_approval", "medium": "require_approval"}
    ),
    Reason.UNTRUSTED_ARGUMENT: Family(
        "untrusted_argument", 0.7, {"high": "require_approval", "medium": "require_approval"}
    ),
}
"""By reason code; the names are `policy.meanings.FAMILIES`."""

_UNCERTAIN_RISK = 0.5


def effect_of(finding: Finding, chosen: Mapping[str, Meanings]) -> Effect | None:
    """What a finding asks for, None for nothing; `chosen` is the policy's `detectors:`.

    The most telling word counts: the policy's for the kind, for the family and for the band of
    confidence, then Callgate's own in the same order. Below `ACTS_FROM` nothing is asked for
    unless the policy names the band or the kind.
    """
    if finding.reason == Reason.ARGUMENTS_TOO_LARGE:
        return Effect.DENY
    if (family := FAMILIES.get(finding.reason)) is None:
        return None
    band = _band(finding.confidence)
    said = chosen.get(family.name, {})
    word = said.get(finding.kind) or said.get(band)
    if word is None and band != "low":
        word = said.get("*") or family.meanings.get(finding.kind) or family.meanings.get(band)
    effect = _EFFECTS[word or "off"]
    if effect is Effect.SANITIZE and finding.reason not in REDACTED_REASONS:
        return Effect.DENY  # a command with a hole in it is another command
    return effect


def risk_of(finding: Finding) -> float:
    """How bad it would be, times how certain it is: 0 to 1."""
    family = FAMILIES.get(finding.reason)
    return (family.risk if family else _UNCERTAIN_RISK) * finding.confidence


def _band(confidence: float) -> str:
    if confidence < ACTS_FROM:
        return "low"
    return "medium" if confidence < HIGH_FROM else "high"
