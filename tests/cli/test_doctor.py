"""`callgate doctor` as a shell user sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from callgate import ca

pytestmark = pytest.mark.e2e


def doctor(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CALLGATE_")}
    kept = {k: v for k, v in kept.items() if not k.upper().endswith("_PROXY")}
    return subprocess.run(
        [sys.executable, "-m", "callgate", "doctor", *words],
        env={**kept, "CALLGATE_HOME": str(home), **environ},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=220,
    )


def test_sound_machine_passes_with_every_part_named(tmp_path: Path) -> None:
    done = doctor(tmp_path / "home", "--json", PATH="/nowhere")

    assert done.returncode == 0, done.stdout
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    checks = {line["check"]: line["state"] for line in lines}
    assert checks == {
        "ca": "ok",
        "policy": "warn",
        "store": "ok",
        "clock": "ok",
        "files": "ok",
        "variables": "warn",
        "canary": "ok",
        "stream": "ok",
        "scanner local": "ok",
    }
    assert all(line["fix"] for line in lines if line["state"] != "ok")


def test_what_fails_is_said_with_its_fix_and_exit_code_1(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ca.ensure(home).key_file.write_text("torn")
    (home / "secret").write_text("x")
    (home / "secret").chmod(0o666)

    done = doctor(home)

    assert done.returncode == 1
    assert "fail ca:" in done.stdout
    assert "callgate ca new --force" in done.stdout
    assert f"chmod -R go= {home}" in done.stdout
    assert "Traceback" not in done.stderr


def test_command_is_told_apart_from_the_report(tmp_path: Path) -> None:
    done = doctor(tmp_path / "home", "--", "sh", "-c", "echo said by the command")

    assert done.returncode == 1
    assert done.stderr == "said by the command\n"
    assert "no connection was seen" in done.stdout


def test_wrong_settings_are_said(tmp_path: Path) -> None:
    done = doctor(tmp_path / "home", CALLGATE_MODE="loud")

    assert done.returncode == 2
    assert "CALLGATE_MODE" in done.stderr
