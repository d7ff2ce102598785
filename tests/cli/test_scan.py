"""`callgate scan`: calls in, one verdict line each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from callgate.cli import app

KEY = "AKIA" + "Q3EGRPNZ5TYWB7VD"
WIPE = {"tool": "run_shell", "arguments": {"command": "rm -rf /"}}
LEAK = {"tool": "send_message", "arguments": {"text": f"the key is {KEY}"}}
WEATHER = {"tool": "get_weather", "arguments": {"city": "Oslo"}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLGATE_POLICY", raising=False)
    return tmp_path


def scan(text: str | bytes, *words: str) -> Result:
    return CliRunner().invoke(app, ["scan", *words], input=text, catch_exceptions=False)


def lines(*calls: object) -> str:
    return "".join(json.dumps(call) + "\n" for call in calls)


def test_each_call_gets_one_line_in_order() -> None:
    result = scan(lines(WIPE, WEATHER, LEAK))

    assert result.exit_code == 0
    assert [line.split()[:3] for line in result.stdout.splitlines()] == [
        ["DENY", "run_shell", "DESTRUCTIVE_COMMAND"],
        ["ALLOW", "get_weather", "-"],
        ["SANITIZE", "send_message", "SECRET_DETECTED"],
    ]


def test_json_tells_findings_and_what_is_left_of_the_arguments() -> None:
    found = json.loads(scan(lines(LEAK), "--json").stdout)

    assert (found["line"], found["effect"], found["band"]) == (1, "SANITIZE", "HIGH")
    assert found["findings"][0]["path"] == "$.text"
    assert found["findings"][0]["asks"] == "SANITIZE"
    assert json.loads(found["sanitized"])["text"].startswith("the key is [REDACTED:")
    assert KEY not in json.dumps(found)


@pytest.mark.parametrize(
    "call",
    [
        {"id": "c", "type": "function", "function": {"name": "run_shell", "arguments": "ARGS"}},
        {"type": "function_call", "name": "run_shell", "arguments": "ARGS", "call_id": "c"},
        {"tool": "run_shell", "arguments": "ARGS", "label": "destructive_shell"},
    ],
)
def test_calls_are_taken_as_the_api_tells_them(call: dict[str, object]) -> None:
    wire = json.dumps(call).replace('"ARGS"', json.dumps(json.dumps(WIPE["arguments"])))
    assert scan(wire).stdout.startswith("DENY")


def test_one_object_may_be_spread_over_lines() -> None:
    assert scan(json.dumps(WIPE, indent=2)).stdout.count("\n") == 1


def test_the_policy_counts(here: Path) -> None:
    (here / "callgate.yaml").write_text("default: deny\n")
    assert "NO_MATCHING_POLICY" in scan(lines(WEATHER)).stdout
    (here / "other.yaml").write_text("default: allow\n")
    assert scan(lines(WEATHER), "--policy", "other.yaml").stdout.startswith("ALLOW")
    (here / "other.yaml").write_text("default: perhaps\n")
    broken = scan(lines(WEATHER), "--policy", "other.yaml")
    assert broken.exit_code == 1
    assert "other.yaml:1:10:" in broken.stderr


@pytest.mark.parametrize(
    "text", ["{", "[]", "5", '{"arguments": {}}', '{"tool": 5}', '{"tool": "a", "tool": "b"}']
)
def test_line_that_is_no_call_is_said_and_the_others_are_judged(text: str) -> None:
    result = scan(f"{json.dumps(WEATHER)}\n{text}\n\n{json.dumps(WIPE)}\n")

    assert result.exit_code == 1
    assert result.stderr.startswith("line 2: ")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ALLOW", "DENY"]


def test_bytes_that_are_no_text_are_judged_or_said() -> None:
    result = scan(b'{"tool": "a", "arguments": {"x": "\xff"}}\n\xff\n')
    assert (result.exit_code, result.stdout[:5]) == (1, "ALLOW")


def test_nothing_of_a_call_steers_the_terminal() -> None:
    assert "\x1b" not in scan(lines({"tool": "x\x1b[31m", "arguments": {}})).stdout


def test_no_input_has_no_verdicts() -> None:
    assert (scan("").exit_code, scan("").stdout) == (0, "")
