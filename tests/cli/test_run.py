"""`callgate run -- CMD` as a shell user sees it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme

from callgate.cli.run import astray
from callgate.settings import Settings

pytestmark = pytest.mark.e2e


def start(home: Path, *command: str, **environ: str) -> subprocess.Popen[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CALLGATE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "callgate", "run", "--", *command],
        env={**kept, "CALLGATE_HOME": str(home), **environ},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_child_gets_the_variables_its_arguments_and_its_code_comes_back(tmp_path: Path) -> None:
    program = (
        "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]])); sys.exit(7)"
    )
    run = start(
        tmp_path,
        sys.executable,
        "-c",
        program,
        "--help",
        "-x",
        NO_PROXY="api.openai.com,a.b",
        CALLGATE_APPROVAL_TTL_SECONDS="60",
    )
    out, err = run.communicate(timeout=120)
    assert run.returncode == 7, err
    environ, arguments = json.loads(out)
    assert arguments == ["--help", "-x"]
    assert environ["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert Path(environ["SSL_CERT_FILE"]).is_file()
    assert environ["NO_PROXY"] == "a.b"
    assert re.fullmatch(
        r"callgate: sign in at http://127\.0\.0\.1:\d+ with the token [\w-]{32}\n", err
    )
    assert environ["CALLGATE_APPROVAL_TTL_SECONDS"] == "60"


def test_child_can_not_sign_in_to_the_console(tmp_path: Path) -> None:
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    token = "token-of-kim-" + "0123456789"
    secret = "https://hooks.example/" + "secret"
    run = start(
        tmp_path,
        sys.executable,
        "-c",
        program,
        CALLGATE_CONSOLE_TOKEN=f"kim:{token}",
        CALLGATE_SLACK_URL=secret,
    )
    out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (0, "")
    assert "HTTPS_PROXY" in out
    assert token not in out
    assert secret not in out


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("https://api.openai.com/v1", False),
        ("https://llm.example:8443/v1", False),
        ("https://llm.example/v1", True),
        ("http://api.openai.com.evil.example", True),
        ("not a url", True),
        ("", False),
    ],
)
def test_base_url_that_leads_to_no_gated_host_is_told(url: str, is_told: bool) -> None:
    settings = Settings(gate_host=("llm.example:8443",))

    for name in ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        assert astray(settings, {name: url}) == ([name] if is_told else [])


def test_base_url_that_a_reverse_listener_replaces_is_not_told() -> None:
    settings = Settings(reverse=("127.0.0.1:0=https://api.openai.com",))

    assert astray(settings, {"OPENAI_BASE_URL": "https://llm.example/v1"}) == []


def test_missing_and_unusable_commands(tmp_path: Path) -> None:
    missing = start(tmp_path, "no-such-command-here")
    assert "not found" in missing.communicate(timeout=120)[1]
    assert missing.returncode == 127
    plain = tmp_path / "plain"
    plain.write_text("x")
    unusable = start(tmp_path, str(plain))
    unusable.communicate(timeout=120)
    assert unusable.returncode == 126


def test_signals_are_passed_on(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    program = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        f"pathlib.Path({str(marker)!r}).touch()\n"
        "time.sleep(60)\n"
    )
    run = start(tmp_path, sys.executable, "-c", program)
    deadline = time.monotonic() + 90
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=120)
    assert run.returncode == 9


def test_death_by_signal_is_told_like_a_shell_does(tmp_path: Path) -> None:
    run = start(tmp_path, "sh", "-c", "kill -9 $$")
    run.communicate(timeout=120)
    assert run.returncode == 137


def test_gate_that_can_not_start_runs_nothing(tmp_path: Path) -> None:
    run = start(tmp_path, "touch", str(tmp_path / "ran"), CALLGATE_MODE="loud")
    _, err = run.communicate(timeout=120)
    assert run.returncode == 2
    assert "CALLGATE_MODE" in err
    assert not (tmp_path / "ran").exists()


COUNTS = """\
import pathlib, signal, sys, time
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
pathlib.Path(sys.argv[1]).touch()
while not seen:
    time.sleep(0.05)
time.sleep(1)  # a second one would be here by now
sys.exit(40 + len(seen))
"""
ON_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def wait_for(marker: Path) -> None:
    deadline = time.monotonic() + 90
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_ctrl_c_on_a_terminal_reaches_the_command_once(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    command = [sys.executable, "-m", "callgate", "run", "--", sys.executable, "-c", COUNTS]
    terminal = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, *command, str(marker)],
        env={**os.environ, "CALLGATE_HOME": str(tmp_path)},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert terminal.stdin
    wait_for(marker)
    terminal.stdin.write(b"\x03")
    terminal.stdin.flush()
    assert terminal.wait(120) == 41
    terminal.communicate()


def test_sigint_without_a_terminal_is_passed_on(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    run = start(tmp_path, sys.executable, "-c", COUNTS, str(marker))
    wait_for(marker)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=120)
    assert run.returncode == 41


def test_bundle_of_the_child_keeps_the_roots_of_every_variable(tmp_path: Path) -> None:
    for name in ("one", "two"):
        trustme.CA().cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    run = start(
        tmp_path,
        *("sh", "-c", 'cat "$SSL_CERT_FILE" "$REQUESTS_CA_BUNDLE"'),
        SSL_CERT_FILE=str(tmp_path / "one.pem"),
        NODE_EXTRA_CA_CERTS=str(tmp_path / "two.pem"),
    )
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    for name in ("one", "two"):
        assert out.count((tmp_path / f"{name}.pem").read_text().strip()) == 2


@pytest.mark.parametrize(("version", "is_warned"), [("v20.20.2", True), ("v24.21.0", False)])
def test_node_that_would_go_around_the_gate_is_warned_of(
    tmp_path: Path, version: str, is_warned: bool
) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {version}\n")
    node.chmod(0o755)
    run = start(tmp_path, str(node))
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0
    assert ("--reverse" in err) == is_warned
