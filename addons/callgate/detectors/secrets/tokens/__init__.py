"""Formats of credentials that can be told from their spelling alone.

Facts about public formats, each with the page that documents it; `secrets` runs them. Patterns
are RE2 (linear time).
"""

from __future__ import annotations

from callgate.detectors.secrets.tokens import (
    business,
    clients,
    clouds,
    hosting,
    messaging,
    models,
    operations,
    protocols,
)
from callgate.detectors.secrets.tokens.base import Token

TOKENS: tuple[Token, ...] = (
    *clouds.TOKENS,
    *hosting.TOKENS,
    *models.TOKENS,
    *messaging.TOKENS,
    *business.TOKENS,
    *operations.TOKENS,
    *protocols.TOKENS,
    *clients.TOKENS,
)
"""In order of precedence: of overlapping matches the first counts."""
