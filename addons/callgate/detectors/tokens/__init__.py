"""Formats of credentials that can be told from their spelling alone.

Facts about public formats, each with the page that documents it; `secrets` runs them. Patterns
are RE2 (linear time). Where a pattern has a group, only that part is the secret.
"""

from __future__ import annotations

from callgate.detectors.tokens import platforms, protocols, services
from callgate.detectors.tokens.base import Token

TOKENS: tuple[Token, ...] = (*platforms.TOKENS, *services.TOKENS, *protocols.TOKENS)
"""In order of precedence: of overlapping matches the first counts."""
