"""`callgate ca`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from callgate import certificates
from callgate.cli import app, authority, system_store


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


def limits(path: Path) -> list[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificates.permitted(certificate) or []


def test_ca_is_limited_to_the_gated_hosts(tmp_path: Path) -> None:
    words = ["--home", str(tmp_path), "--gate-host", "llm.internal:8443"]
    path = Path(CliRunner().invoke(app, ["ca", "path", *words]).stdout.strip())

    assert limits(path)[:2] == ["api.openai.com", "openai.azure.com"]
    assert "llm.internal" in limits(path)
    assert "example.org" not in limits(path)


def test_next_ca_is_trusted_beside_the_old_and_then_used(tmp_path: Path) -> None:
    def ca(*words: str) -> list[bytes]:
        done = CliRunner().invoke(app, ["ca", *words, "--home", str(tmp_path)])
        assert done.exit_code == 0, done.output
        pem = Path(done.stdout.strip()).read_bytes()
        return [part for part in pem.split(b"-----BEGIN CERTIFICATE-----") if part]

    (old,) = ca("path")
    before = ca("new", "--overlap")
    assert before[0] == old
    assert len(before) == 2
    after = ca("switch")
    assert after == before[::-1]
    refused = CliRunner().invoke(app, ["ca", "switch", "--home", str(tmp_path)])
    assert refused.exit_code == 2
    assert "--overlap" in refused.output


@pytest.mark.parametrize(
    ("platform", "word"),
    [("darwin", "add-trusted-cert"), ("linux", "update-ca-")],
)
def test_trust_says_the_commands_where_it_may_not_run_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, word: str
) -> None:
    nowhere = system_store.SystemStore(tmp_path / "none", ("update-ca-none",))
    monkeypatch.setattr(authority, "DEBIAN", nowhere)
    monkeypatch.setattr("sys.platform", platform)

    done = CliRunner().invoke(app, ["ca", "trust", "--home", str(tmp_path)])

    assert done.exit_code == 0
    assert word in done.stdout
    assert str(tmp_path) in done.stdout
    assert all(line.startswith("sudo ") for line in done.stdout.splitlines())
