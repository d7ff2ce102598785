"""How tests are named, in which order they run, and what their processes are born with."""

from __future__ import annotations

import signal

import pytest

_SHORT_BYTES = 16


def pytest_configure() -> None:
    """Let SIGINT end what tests start: a shell's background jobs ignore it, and so would these."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_make_parametrize_id(config: object, val: object, argname: str) -> str | None:
    """Name long bytes by their argument: gzip writes the time, and each worker its own."""
    return argname if isinstance(val, bytes) and len(val) > _SHORT_BYTES else None


@pytest.hookimpl(trylast=True)  # after the shuffle
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for processes: beside it there is a core for what computes."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
