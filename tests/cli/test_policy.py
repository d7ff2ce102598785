from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from callgate.cli.policy import app
from callgate.policy import Policy

POLICY = """
default: deny
policies:
  - name: support
    assistant_id: asst_a
    actions:
      - {tool: refund, effect: allow, constraints: {max_amount: 100}}
      - {tool: run_sql, effect: require_approval, when: 'args.database == "prod"'}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLGATE_POLICY", raising=False)
    (tmp_path / "p.yaml").write_text(POLICY)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_the_starter_file_is_valid_and_never_overwrites() -> None:
    assert run("init").exit_code == 0
    assert Policy.load("callgate.yaml").rules
    Path("callgate.yaml").write_text("mine")
    again = run("init")
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert Path("callgate.yaml").read_text() == "mine"
    assert run("init", "--force").exit_code == 0
    assert run("check", "callgate.yaml").exit_code == 0


def test_init_says_where_it_cannot_write() -> None:
    result = run("init", "missing/callgate.yaml")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_check_sums_a_valid_file_up_in_one_line() -> None:
    result = run("check", "p.yaml")
    assert result.exit_code == 0
    assert result.stdout == "p.yaml: valid; policies: 1, rules: 2, default: deny\n"
    found = json.loads(run("check", "p.yaml", "--json").stdout)
    assert (found["rules"], found["default"]) == (2, "deny")
    assert found["digest"] == Policy.load("p.yaml").digest


def test_check_counts_the_rules_for_secrets_and_what_is_left_out() -> None:
    rule = "[[rules]]\nid = 'badge'\nregex = 'badge-[0-9]{6}'\n"
    Path("rules.toml").write_text(rule + "[[rules]]\nid = 'pem'\npath = 'pem$'\n")
    Path("own.yaml").write_text("detectors: {secrets: {rules: rules.toml}}")
    assert run("check", "own.yaml").stdout.splitlines() == [
        "own.yaml: valid; policies: 0, rules: 0, default: allow",
        "rules.toml: valid; rules for secrets: 1, left out: 1",
    ]
    found = json.loads(run("check", "own.yaml", "--json").stdout)
    assert (found["secret_rules"], found["left_out"]) == (1, 1)


def test_explain_finds_by_the_rules_for_secrets_too() -> None:
    Path("rules.toml").write_text("[[rules]]\nid = 'badge'\nregex = 'badge-[0-9]{6}'\n")
    Path("own.yaml").write_text("detectors: {secrets: {rules: rules.toml}}")
    Path("call.json").write_text('{"tool": "note", "arguments": {"text": "badge-123456"}}')
    found = json.loads(run("explain", "call.json", "--policy", "own.yaml", "--json").stdout)
    assert found["sanitized"] == '{"text":"[REDACTED:BADGE]"}'


def test_check_prints_every_fault_on_a_line_and_fails() -> None:
    Path("bad.yaml").write_text("defualt: deny\ndefault: perhaps\n")
    result = run("check", "bad.yaml")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["bad.yaml:1:1", "bad.yaml:2:10"]
    found = [json.loads(line) for line in run("check", "bad.yaml", "--json").stdout.splitlines()]
    assert [(fault["line"], fault["column"]) for fault in found] == [(1, 1), (2, 10)]


def test_check_finds_settings_that_no_gate_would_start_with() -> None:
    Path("set.yaml").write_text("settings:\n  mode: strict\n  lisen: 127.0.0.1:1\n")

    result = run("check", "set.yaml")

    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    assert first.startswith("set.yaml:2:3: settings: mode: Input should be 'observe'")
    assert second == "set.yaml:3:3: settings: lisen: no such setting"


def test_check_takes_settings_that_others_may_complete() -> None:
    Path("set.yaml").write_text(
        "settings: {listen: 0.0.0.0:8080, webhook_url: https://hooks.example/a}\n"
    )

    assert run("check", "set.yaml").exit_code == 0


def test_check_of_a_missing_file_is_a_fault() -> None:
    result = run("check", "missing.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("missing.yaml:1:1: cannot be read")


CASES = """
- {tool: refund, arguments: {amount: 100}, assistant: asst_a, expect: allow}
- {tool: refund, arguments: {amount: 101}, assistant: asst_a, expect: deny}
- {tool: refund, arguments: {amount: 1}, expect: deny}
- {tool: run_sql, arguments: '{"database": "prod"}', assistant: asst_a, expect: require_approval}
- {tool: run_sql, arguments: '{"database":', assistant: asst_a, expect: deny}
"""


def test_cases_as_expected_pass() -> None:
    Path("cases.yaml").write_text(CASES)
    result = run("test", "p.yaml", "cases.yaml")
    assert result.exit_code == 0
    assert result.stdout == "5 of 5 cases as expected\n"


def test_cases_are_judged_with_the_detectors_as_the_gate_does() -> None:
    card = "4111 1111 1111 1111"
    lines = [
        {"tool": "run", "arguments": {"command": "rm -rf /srv"}, "expect": "deny"},
        {"tool": "post_message", "arguments": {"text": f"card {card}"}, "expect": "sanitize"},
        {"tool": "run", "arguments": {"command": "ls"}, "expect": "allow"},
    ]
    Path("open.yaml").write_text("default: allow\n")
    Path("cases.jsonl").write_text("\n".join(map(json.dumps, lines)))

    result = run("test", "open.yaml", "cases.jsonl")

    assert result.stdout == "3 of 3 cases as expected\n"


def test_a_case_that_differs_is_shown_and_fails() -> None:
    lines = [
        {"tool": "refund", "arguments": {"amount": 500}, "assistant": "asst_a", "expect": "allow"},
        {"tool": "refund", "arguments": {"amount": 50}, "assistant": "asst_a", "expect": "allow"},
    ]
    Path("cases.jsonl").write_text("\n\n".join(map(json.dumps, lines)) + "\n")
    result = run("test", "p.yaml", "cases.jsonl")
    assert result.exit_code == 1
    assert "cases.jsonl:1: refund\n  - expected: allow\n  + got:      deny (" in result.stdout
    assert "`max_amount`" in result.stdout
    assert "1 of 2 cases as expected" in result.stdout
    found = run("test", "p.yaml", "cases.jsonl", "--json").stdout.splitlines()
    assert [json.loads(line)["got"] for line in found] == ["deny", "allow"]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("c.yaml", "", "empty"),
        ("c.yaml", "tool: a", "must be a list"),
        ("c.yaml", "- 5", "must be an object"),
        ("c.yaml", "- {arguments: {}, expect: deny}", "`tool` is missing"),
        ("c.yaml", "- {tool: [a], expect: deny}", "`tool` must be a text"),
        ("c.yaml", "- {tool: a}", "`expect`"),
        ("c.yaml", "- {tool: a, expect: maybe}", "`expect`"),
        ("c.yaml", "- {tool: a, expect: deny, args: {}}", "unknown key `args`"),
        ("c.yaml", "- {tool: a, expect: deny, surface: x}", "`surface`"),
        ("c.jsonl", "{", "not JSON"),
        ("c.jsonl", '{"tool": "a", "tool": "b"}', "duplicate key"),
        ("missing.yaml", None, "cannot be read"),
    ],
)
def test_bad_cases_are_named_with_their_line(name: str, text: str | None, word: str) -> None:
    if text is not None:
        Path(name).write_text(text)
    result = run("test", "p.yaml", name)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{name}:1:")
    assert word in result.stdout


def test_explain_shows_what_was_tried_and_what_decided() -> None:
    call = {"tool": "refund", "arguments": {"amount": 500}, "assistant": "asst_a"}
    Path("call.json").write_text(json.dumps(call))
    result = run("explain", "call.json", "--policy", "p.yaml")
    assert result.exit_code == 0
    for word in ("DENY", "POLICY_DENIED", "support/refund", "p.yaml:7", "max_amount", "tried 1"):
        assert word in result.stdout
    assert "0.80 CRITICAL" in result.stdout
    found = json.loads(run("explain", "call.json", "--policy", "p.yaml", "--json").stdout)
    assert found["effect"] == "DENY"
    assert found["reasons"] == ["POLICY_DENIED"]
    assert found["rule"] == "support/refund"
    assert len(found["tried"]) == 1


def test_explain_shows_what_the_detectors_found() -> None:
    arguments = {"command": "rm -rf /", "note": "mail bob@example.com"}
    Path("call.json").write_text(json.dumps({"tool": "run_shell", "arguments": arguments}))
    shown = " ".join(run("explain", "call.json").stdout.split())
    assert "DENY DESTRUCTIVE_COMMAND" in shown
    assert "ALLOW by default" in shown
    assert "RECURSIVE_DELETE at $.command 0–8, confidence 1.0, asks for DENY" in shown
    found = json.loads(run("explain", "call.json", "--json").stdout)
    assert (found["effect"], found["ruling"], found["band"]) == ("DENY", "ALLOW", "CRITICAL")
    assert [f["kind"] for f in found["findings"] if f["asks"]] == ["RECURSIVE_DELETE"]


def test_explain_shows_what_is_left_of_sanitized_arguments() -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    Path("call.json").write_text(json.dumps({"tool": "say", "arguments": {"text": key}}))
    assert "[REDACTED:" in run("explain", "call.json").stdout
    assert key not in run("explain", "call.json").stdout


def test_explain_finds_the_policy_file_here() -> None:
    Path("call.json").write_text('{"tool": "x"}')
    assert json.loads(run("explain", "call.json", "--json").stdout)["policy"] is None
    assert "no rule names this tool" in run("explain", "call.json").stdout
    Path("p.yaml").rename("safeclaw.yaml")
    found = json.loads(run("explain", "call.json", "--json").stdout)
    assert (found["policy"], found["reasons"]) == ("safeclaw.yaml", ["NO_MATCHING_POLICY"])


def test_explain_of_broken_arguments_is_a_denial() -> None:
    Path("call.json").write_text('{"tool": "refund", "arguments": "{"}')
    found = json.loads(run("explain", "call.json", "--policy", "p.yaml", "--json").stdout)
    assert found["reasons"] == ["MALFORMED_ARGUMENTS"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"arguments": {}}', '{"tool": "a", "x": 1}'])
def test_explain_of_something_else_is_a_fault(text: str) -> None:
    Path("call.json").write_text(text)
    result = run("explain", "call.json", "--policy", "p.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("call.json:1:1: ")


def test_explain_never_sends_control_characters_to_the_terminal() -> None:
    Path("call.json").write_text(json.dumps({"tool": "x\x1b[31m[bold]", "arguments": {}}))
    shown = run("explain", "call.json").stdout
    assert "\x1b" not in shown
    assert "[bold]" in shown


def test_a_broken_policy_is_reported_by_every_command() -> None:
    Path("bad.yaml").write_text("default: perhaps")
    Path("call.json").write_text('{"tool": "x"}')
    Path("cases.yaml").write_text("[]")
    for words in (
        ["explain", "call.json", "--policy", "bad.yaml"],
        ["test", "bad.yaml", "cases.yaml"],
    ):
        result = run(*words)
        assert result.exit_code == 1
        assert result.stdout.startswith("bad.yaml:1:10: ")
