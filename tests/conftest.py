"""How tests are named, in which order they run, and what they run in."""

from __future__ import annotations

import gc
import signal
from collections.abc import Generator

import coverage
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


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Trace no `no_cover` test: in xdist's workers pytest-cov has two tracers, and pauses one."""
    tracer = coverage.Coverage.current() if item.get_closest_marker("no_cover") else None
    if tracer is None:
        return (yield)
    tracer.stop()
    try:
        return (yield)
    finally:
        tracer.start()


def pytest_collection_finish() -> None:
    """Take the tests themselves for permanent.

    A full collection of thousands of tests takes half a second, and wherever it happens to fall
    counts as the time of what is tested: a detector has a quarter of a second for a call.
    """
    gc.collect()
    gc.freeze()
