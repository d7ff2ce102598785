"""What is known of one format of credentials."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """One format of one provider's credential."""

    kind: str
    """Stands in findings and placeholders."""
    provider: str
    hint: str
    """What any match holds, as a cheaper pattern over the text in lower case."""
    pattern: str
    source: str
    """Where the format is documented."""
    confidence: float = 0.95
    entropy: float = 0.0
    """Least Shannon entropy of the value, bits a character; keeps `xxxx` out."""
