"""Node with other people's packages: openai-node, and what finds a proxy for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Node:
    """Programs started in the folder find the packages."""

    executable: str
    folder: Path


def installed() -> Node:
    """Node and openai-node; skips the test where the machine has no Node, but never on CI."""
    executable = shutil.which("node")
    if not (executable and shutil.which("npm")) and not os.environ.get("CI"):
        pytest.skip("openai-node needs node and npm, and this machine lacks one of them")
    assert executable, "no node here"
    done = subprocess.run(
        ["scripts/setup-clients", "node"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return Node(executable, ROOT / ".venvs" / "node")
