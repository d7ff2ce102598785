"""`callgate env`, and the variables that it and `run` set."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callgate import ca
from callgate.cli import app
from callgate.cli.environment import around, variables
from callgate.hosts import Hosts

CLIENT_VARIABLES = {
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "NODE_USE_ENV_PROXY",
    "DENO_CERT",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NO_PROXY", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "with space's"
    monkeypatch.setenv("CALLGATE_HOME", str(path))
    return path


def test_shell_can_evaluate_the_exports(home: Path) -> None:
    result = CliRunner().invoke(app, ["env"])
    assert result.exit_code == 0, result.output
    script = result.stdout + 'printf "%s|%s" "$HTTPS_PROXY" "$SSL_CERT_FILE"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown == f"http://127.0.0.1:8080|{home / 'ca' / 'bundle.pem'}"


def test_every_variable_that_clients_read_is_set(home: Path) -> None:
    assert set(variables("http://p", ca.ensure(home))) == CLIENT_VARIABLES


def test_address_of_the_proxy_can_be_given(home: Path) -> None:
    result = CliRunner().invoke(app, ["env", "--proxy", "http://gate:1"])
    assert "export HTTPS_PROXY=http://gate:1\n" in result.stdout
    assert CliRunner().invoke(app, ["env", "--proxy", "gate:1"]).exit_code == 2


@pytest.mark.parametrize(
    ("entries", "kept"),
    [
        ("localhost,example.org", "localhost,example.org"),
        ("api.openai.com", ""),
        ("openai.com,example.org", "example.org"),
        (".openai.com", ""),
        ("*.openai.com", ""),
        ("*", ""),
        ("API.OpenAI.com:443", ""),
        ("eu.api.openai.com", ""),
        ("notopenai.com", "notopenai.com"),
        ("127.0.0.1:9443", ""),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("", ""),
    ],
)
def test_no_proxy_entries_that_lead_around_the_gate_are_dropped(entries: str, kept: str) -> None:
    hosts = Hosts(["api.openai.com", "*.api.openai.com", "127.0.0.1:9443"])
    assert around({"NO_PROXY": entries}, hosts) == {"NO_PROXY": kept}
    assert around({}, hosts) == {}
