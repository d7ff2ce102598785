"""The lines that `callgate run` shows beside the app's own output."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from callgate.cli.display import Display

CALL: dict[str, object] = {
    "kind": "call",
    "decision": "DENY",
    "tool": "run_shell",
    "reasons": ["DESTRUCTIVE_COMMAND", "POLICY_DENIED"],
    "arguments": '{"command":"rm -rf /"}',
}


def shown(record: dict[str, object], *, width: int = 80, is_terminal: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=is_terminal,
        highlight=False,
        emoji=False,
        color_system="standard" if is_terminal else None,
        legacy_windows=False,
    )
    Display(console).show(record)
    return file.getvalue()


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            CALL,
            'DENY run_shell [DESTRUCTIVE_COMMAND, POLICY_DENIED] {"command":"rm -rf /"}',
        ),
        ({"kind": "call", "decision": "ALLOW", "tool": "f", "reasons": []}, "ALLOW f"),
        (
            {"kind": "call", "decision": "REQUIRE_APPROVAL", "tool": "pay", "approval": "ap1"},
            "REQUIRE_APPROVAL pay approval=ap1",
        ),
        (
            {"kind": "refusal", "code": "tool_call_denied", "path": "/v1/x"},
            "refused tool_call_denied /v1/x",
        ),
        (
            {"kind": "hosted_tool", "outcome": "removed", "tool": "shell", "reasons": ["R"]},
            "removed shell [R]",
        ),
        (
            {"kind": "approval", "state": "approved", "tool": "pay", "by": "ann"},
            "approved pay by ann",
        ),
        ({"kind": "approval", "state": "expired", "tool": "pay"}, "expired pay"),
        (
            {"kind": "coverage", "path": "/v1/realtime", "cause": "channel"},
            "unread /v1/realtime channel",
        ),
    ],
)
def test_each_kind_of_record_is_one_plain_line(record: dict[str, object], line: str) -> None:
    assert shown(record) == f"callgate: {line}\n"


@pytest.mark.parametrize("kind", ["start", "stop", "delivery", "result"])
def test_what_nobody_waits_for_is_not_shown(kind: str) -> None:
    assert shown({"kind": kind, "decision": "DENY"}) == ""


def test_line_is_whole_without_a_terminal_and_cut_to_the_width_of_one() -> None:
    long = {**CALL, "tool": "x" * 300}

    assert "x" * 300 in shown(long)
    cut = shown(long, is_terminal=True)
    assert cut.count("\n") == 1
    assert "x" * 300 not in cut
    assert "…" in cut


def test_denial_is_coloured_on_a_terminal_only() -> None:
    assert "\x1b[1;31mDENY" in shown(CALL, is_terminal=True)
    assert "\x1b" not in shown(CALL)


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("key", ["tool", "arguments"])
def test_what_a_model_says_can_not_steer_the_terminal(key: str, is_terminal: bool) -> None:
    bad = "\x1b]0;owned\x07\r\n\u202e[red]x[/red]"

    line = shown({**CALL, key: bad}, width=300, is_terminal=is_terminal)

    assert "\x1b]" not in line
    assert "\x07" not in line
    assert "\u202e" not in line
    assert line.count("\n") == 1
    assert "[red]x[/red]" in line
