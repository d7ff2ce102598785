"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it; skips the test where there is none, but fails it in CI."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        why = "there is no Chromium: scripts/setup-browser installs it where apt may"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    expect.set_options(timeout=60_000)  # apps that start meanwhile take their time
    # its sandbox refuses to be run by root
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, timeout=120_000)
        try:
            yield browser
        finally:
            browser.close()
