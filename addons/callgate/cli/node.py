"""Whether a Node reads proxy variables: one that does not goes around the gate without a word."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

_VERSION = re.compile(r"v(\d+)\.(\d+)\.")
_SECONDS = 10


def is_unreached(program: str) -> bool:
    """True for a `node` that knows no `NODE_USE_ENV_PROXY`.

    It came with 22.21 and 24.5 (nodejs.org/api/cli.html). A program of another name, or one that
    does not tell its version, is not judged.
    """
    if Path(program).name != "node":
        return False
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    told = _VERSION.match(done.stdout)
    return told is not None and not reads_variables(int(told[1]), int(told[2]))


def reads_variables(major: int, minor: int) -> bool:
    """Whether this version of Node can be told to use a proxy by variables."""
    return (22, 21) <= (major, minor) < (23, 0) or (major, minor) >= (24, 5)
