"""Detectors: what a call's arguments, or a result, hold that should not pass unseen."""

from __future__ import annotations

from callgate.detectors.base import Detector
from callgate.detectors.code.detector import Code
from callgate.detectors.doors import Doors
from callgate.detectors.files.detector import Files
from callgate.detectors.inspector import ACTS_FROM, Inspector
from callgate.detectors.network.detector import Network
from callgate.detectors.pii.detector import Pii
from callgate.detectors.redaction import redact, redact_text
from callgate.detectors.secrets.detector import Secrets
from callgate.detectors.shell.detector import Shell
from callgate.detectors.sql import Sql

DETECTORS: dict[str, type[Detector]] = {
    "secrets": Secrets,
    "pii": Pii,
    "shell": Shell,
    "files": Files,
    "code": Code,
    "sql": Sql,
    "network": Network,
    "gate": Doors,
}
"""By name; the order is the order of findings within one string."""

__all__ = ["ACTS_FROM", "DETECTORS", "Inspector", "redact", "redact_text"]
