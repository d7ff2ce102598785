"""What goes to standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from callgate import logs
from callgate.settings import Settings


@pytest.fixture
def restored_logging() -> Iterator[None]:
    level = logging.getLogger("callgate").level
    yield
    logging.getLogger("callgate").setLevel(level)


@pytest.mark.usefixtures("restored_logging")
def test_log_level_is_for_callgate_only() -> None:
    logs.configure(Settings(log_level="debug"))
    assert logging.getLogger("callgate.gate").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("mitmproxy").isEnabledFor(logging.INFO)


@pytest.mark.usefixtures("restored_logging")
def test_lines_say_which_process_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, str] = {}
    monkeypatch.setattr(logging, "basicConfig", lambda **settings: given.update(settings))

    logs.configure(Settings(), "worker 2")

    assert " worker 2 %(name)s" in given["format"]
