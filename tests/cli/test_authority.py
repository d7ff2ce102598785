"""`callgate ca`."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from callgate.cli import app


def test_path_makes_the_ca_once(tmp_path: Path) -> None:
    first = CliRunner().invoke(app, ["ca", "path", "--home", str(tmp_path)])
    path = Path(first.stdout.strip())
    assert path.read_text().startswith("-----BEGIN CERTIFICATE-----")
    before = path.read_bytes()
    CliRunner().invoke(app, ["ca", "path", "--home", str(tmp_path)])
    assert path.read_bytes() == before


def test_new_replaces_only_when_forced(tmp_path: Path) -> None:
    path = Path(CliRunner().invoke(app, ["ca", "new", "--home", str(tmp_path)]).stdout.strip())
    before = path.read_bytes()
    refused = CliRunner().invoke(app, ["ca", "new", "--home", str(tmp_path)])
    assert refused.exit_code == 2
    assert "--force" in refused.output
    assert path.read_bytes() == before
    assert CliRunner().invoke(app, ["ca", "new", "--home", str(tmp_path), "--force"]).exit_code == 0
    assert path.read_bytes() != before


def test_unusable_home_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for command in ("path", "new"):
        result = CliRunner().invoke(app, ["ca", command, "--home", str(file)])
        assert result.exit_code == 2
        assert "callgate: " in result.output
