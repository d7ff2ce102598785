from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callgate.cli import app
from tests.audit.bundles import FIRST, STRANGER, TAMPERED, Made, pem, sound, text

ROOT = Path(__file__).parents[2]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "audit.pub"
    path.write_bytes(pem(FIRST))
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["verify", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_sound_log_is_said_step_by_step(tmp_path: Path, key: Path) -> None:
    bundle = tmp_path / "log"
    bundle.write_text(text(sound(tmp_path / "keys")))

    code, out, err = run(bundle, "--key", key)

    assert (code, err) == (0, "")
    assert [line[:18] for line in out.splitlines()] == [
        "1. bundle     ok  ",
        "2. chains     ok  ",
        "3. keys       ok  ",
        "4. signatures ok  ",
        "5. heads      ok  ",
        "the log is what wa",
    ]
    assert "5 records" in out
    assert "6. records    ok" in run(bundle, "--key", key, "--every-signature")[1]


@pytest.mark.parametrize("name", ["changed", "cut_short", "dropped_last"])
def test_first_bad_record_is_named_at_its_step(tmp_path: Path, key: Path, name: str) -> None:
    tamper, step, _ = TAMPERED[name]
    bundle = tmp_path / "log"
    bundle.write_text(text(tamper(sound(tmp_path / "keys"))))

    code, out, err = run(bundle, "--key", key)

    *passed, bad = out.splitlines()
    assert code == 1
    assert err == "callgate: the log is not what was signed\n"
    assert all(line.endswith(" ok") for line in passed)
    assert bad.split()[1:3] == [step, "BAD"]


def test_another_key_does_not_do(tmp_path: Path, key: Path) -> None:
    bundle = tmp_path / "log"
    bundle.write_text(text(sound(tmp_path / "keys")))
    key.write_bytes(pem(STRANGER))

    code, out, _ = run(bundle, "--key", key)

    assert (code, "3. keys       BAD" in out) == (1, True)


def test_files_that_can_not_be_read_are_another_matter(tmp_path: Path, key: Path) -> None:
    bundle = tmp_path / "log"
    bundle.write_text(text(sound(tmp_path / "keys")))

    assert run(tmp_path / "none", "--key", key)[0] == 2
    assert run(bundle, "--key", tmp_path / "none")[0] == 2
    assert run(bundle, "--key", bundle)[0] == 2
    assert run(bundle)[0] == 2


def test_bundle_is_all_that_is_needed(tmp_path: Path, key: Path) -> None:
    """No home, no store, and no way to anywhere."""
    bundle = tmp_path / "log"
    bundle.write_text(text(sound(tmp_path / "keys")))
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from callgate.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", bundle, "--key", key],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "addons"), "HOME": str(tmp_path / "home")},
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "home").exists()


def test_large_bundle_shows_its_progress_on_a_terminal(tmp_path: Path, key: Path) -> None:
    bundle = tmp_path / "log"
    made = Made.chain(tmp_path / "keys", FIRST)
    made.add([{"kind": "call", "arguments": "x" * 1_000_000}] * 9)
    bundle.write_text(text(made.lines()))
    parent, child = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "callgate", "verify", bundle, "--key", key],
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "PYTHONPATH": str(ROOT / "addons"), "TERM": "xterm", "COLUMNS": "80"},
        timeout=120,
    )
    os.close(child)
    shown = os.read(parent, 100_000).decode()
    os.close(parent)

    assert done.returncode == 0
    assert "%" in shown
    assert b"%" not in done.stdout
