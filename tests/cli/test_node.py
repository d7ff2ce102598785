"""Which Node reads proxy variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.cli.node import is_unreached


def fake(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("version", "unreached"),
    [
        ("v18.20.1", True),
        ("v20.20.2", True),
        ("v22.20.0", True),
        ("v22.21.0", False),
        ("v23.11.0", True),
        ("v24.4.1", True),
        ("v24.5.0", False),
        ("v26.0.0", False),
        ("something else", False),
    ],
)
def test_node_is_judged_by_its_version(tmp_path: Path, version: str, unreached: bool) -> None:
    assert is_unreached(fake(tmp_path, "node", f"echo {version}")) is unreached


def test_other_programs_are_not_asked(tmp_path: Path) -> None:
    assert not is_unreached(fake(tmp_path, "nodemon", "echo v20.0.0"))
    assert not is_unreached(str(tmp_path / "none" / "node"))
