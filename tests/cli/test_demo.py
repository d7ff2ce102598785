"""`callgate demo`, whole: real agent, real gate, both modes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callgate.cli import app

pytestmark = pytest.mark.e2e


def computed() -> float:
    """Seconds of all children that have ended: a busy machine makes no difference."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_demo_tells_the_whole_story_and_computes_for_less_than_a_minute(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CALLGATE_", "OPENAI_"))}
    before = computed()
    shown = subprocess.run(
        [sys.executable, "-m", "callgate", "demo"],
        env={**kept, "COLUMNS": "200", "HOME": str(tmp_path), "NO_PROXY": "*"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert computed() - before < 60
    enforce, withhold = shown.stdout.split("mode withhold")
    for said in ("ALLOW", "SANITIZE", "REQUIRE_APPROVAL", "DENY"):
        assert said in enforce
        assert said in withhold
    assert "PermissionDeniedError" in enforce
    assert "tool_call_denied" in enforce
    assert "tool_call_pending_approval" in enforce
    assert "never got the result" in enforce
    assert "[REDACTED:OPENAI_KEY]" in enforce
    assert "never saw the call" in withhold
    assert "Tool call blocked by Callgate: DESTRUCTIVE_COMMAND" in withhold
    assert "approved it" in withhold
    assert "refunded 5000" in withhold
    assert "PermissionDeniedError" not in withhold
    assert "sk-proj-" not in shown.stdout
    assert not list(tmp_path.iterdir()), "the demonstration leaves nothing behind"


def test_real_server_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    result = CliRunner().invoke(app, ["demo", "--base-url", "https://api.example.org/v1"])
    assert result.exit_code == 2
    assert "OPENAI_API_KEY" in result.output
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    result = CliRunner().invoke(app, ["demo", "--base-url", "nonsense"])
    assert "not a URL" in result.output
