"""`callgate gateway` where it does not start; running it is tested in `tests/e2e`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from callgate.cli import app

KEY = "iv_live_" + "k" * 24


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLGATE_HOME", str(tmp_path / "home"))
    path = tmp_path / "keys"
    path.write_text(KEY)
    path.chmod(0o600)
    monkeypatch.setenv("CALLGATE_GATEWAY_KEYS", str(path))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "4000"], "HOST:PORT"),
        (["--listen", "0.0.0.0:0"], "--tls-cert"),
        (["--keys", "missing"], "missing"),
        (["--mode", "loud"], "--mode"),
        (["--policy", "missing.yaml"], "missing.yaml"),
        (["--listen", "127.0.0.1:0", "--scanner", "oracle"], "oracle"),
        (["--listen", "127.0.0.1:0", "--store", "mysql://x"], "mysql"),
        (["--listen", "127.0.0.1:0", "--tls-cert", "a", "--tls-key", "b"], "can not be used"),
    ],
)
def test_wrong_setting_is_said_without_a_stack_trace(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["gateway", *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output
    assert "callgate ready" not in result.output


def test_keys_that_others_can_read_are_refused_and_not_told(folder: Path) -> None:
    (folder / "keys").chmod(0o644)
    result = CliRunner().invoke(app, ["gateway", "--listen", "127.0.0.1:0"])
    assert result.exit_code == 2
    assert "chmod 600" in result.output
    assert KEY not in result.output


def test_first_start_makes_a_key_and_says_it_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALLGATE_GATEWAY_KEYS")
    arguments = ["gateway", "--listen", "0.0.0.0:0"]
    first = CliRunner().invoke(app, arguments)
    file = folder / "home" / "gateway-keys"
    key = file.read_text().split()[-1]
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"made a key in {file}: {key}" in first.output.replace("\n", "")
    assert key not in CliRunner().invoke(app, arguments).output
    assert file.read_text().split()[-1] == key
