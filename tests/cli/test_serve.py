"""`callgate serve` where it does not start; running it is tested in `tests/e2e`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from callgate.cli import app
from callgate.cli.serve import announce
from callgate.model import Mode
from callgate.settings import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLGATE_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mode", "loud"], "--mode"),
        (["--listen", "8080"], "HOST:PORT"),
        (["--listen", "0.0.0.0:0"], "--proxy-auth"),
        (["--console", "0.0.0.0:0"], "loopback"),
        (["--policy", "missing.yaml"], "missing.yaml"),
        (["--upstream-ca", "missing.pem"], "missing.pem"),
        (["--scanner", "oracle", "--listen", "127.0.0.1:0", "--console", "off"], "oracle"),
        (["--store", "mysql://x", "--listen", "127.0.0.1:0", "--console", "off"], "mysql"),
    ],
)
def test_wrong_setting_is_said_without_a_stack_trace(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output
    assert "callgate ready" not in result.output


def test_broken_policy_is_said_with_its_place(folder: Path) -> None:
    (folder / "callgate.yaml").write_text("version: 1\ndefault: perhaps\n")
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 2
    assert "callgate.yaml:2:10:" in result.output


def test_loosened_protections_are_announced(capsys: pytest.CaptureFixture[str]) -> None:
    announce(Settings(mode=Mode.OBSERVE, on_scanner_error="allow", unknown_result="allow"))
    said = capsys.readouterr().err
    assert said.count("protection is loosened") == 3
    announce(Settings())
    assert capsys.readouterr().err == ""


def test_version_and_help() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("callgate 0.")
    assert "transparent HTTPS proxy" in CliRunner().invoke(app, ["--help"]).stdout


def test_workers_are_of_serve_only() -> None:
    wide = CliRunner(env={"COLUMNS": "200"})
    assert "--workers" in wide.invoke(app, ["serve", "--help"]).output
    assert "--workers" not in wide.invoke(app, ["run", "--help"]).output
