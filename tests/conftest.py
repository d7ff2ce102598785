"""How tests are named."""

from __future__ import annotations

_SHORT_BYTES = 16


def pytest_make_parametrize_id(config: object, val: object, argname: str) -> str | None:
    """Name long bytes by their argument: gzip writes the time, and each worker its own."""
    return argname if isinstance(val, bytes) and len(val) > _SHORT_BYTES else None
