"""Fixtures only."""

from __future__ import annotations

import pytest

from callgate.detectors import DETECTORS, Inspector


@pytest.fixture
def inspector() -> Inspector:
    return Inspector([detector() for detector in DETECTORS.values()])
