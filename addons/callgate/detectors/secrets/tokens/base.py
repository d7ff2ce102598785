"""What is known of one format of credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """One format of one provider's credential."""

    kind: str
    """Stands in findings and placeholders."""
    provider: str
    words: str
    """Lower-case literals, `|` between them: whatever the case, any match holds one of them.

    Empty where nothing tells: such patterns run over every text.
    """
    pattern: str
    """RE2; where a group took part in the match, the first such is the secret."""
    source: str
    """Where the format is documented."""
    confidence: float = 0.95
    entropy: float = 0.0
    """Least Shannon entropy of the value, bits a character; keeps `xxxx` out."""
    check: Callable[[str], bool] | None = None
    """Structure that every sound value has, beyond what a pattern can say."""
    checksum: Callable[[str], bool] | None = None
    """Proves a value. One that fails is still found: it may be a cut or an older format."""
