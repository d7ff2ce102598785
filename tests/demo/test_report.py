"""The demonstration's story on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from callgate.demo import report
from callgate.demo.report import Episode, Event


def told(episode: Episode) -> str:
    out = io.StringIO()
    report.told(Console(file=out, width=200), [episode])
    return out.getvalue()


CALL: Event = {
    "kind": "call",
    "tool": "run_shell",
    "arguments": '{"command":"rm [red]-rf[/red] /"}',
    "decision": "DENY",
    "reasons": ["DESTRUCTIVE_COMMAND"],
    "verdicts": [{"explanation": "deletes folders"}],
}


def test_denied_call_that_the_app_ran_and_had_refused() -> None:
    episode = Episode(
        "make room",
        [
            {"event": "executed", "arguments": {"command": "rm -rf /"}},
            {"event": "error", "type": "PermissionDeniedError", "code": "c", "message": "m"},
        ],
        [CALL, {"kind": "refusal"}],
    )
    shown = told(episode)
    for said in ("make room", "DENY DESTRUCTIVE_COMMAND deletes folders", "never got the result"):
        assert said in shown
    assert "PermissionDeniedError" in shown


def test_markup_of_the_model_is_shown_as_text() -> None:
    assert "rm [red]-rf[/red] /" in told(Episode("x", [], [CALL]))


def test_withheld_call_and_reply() -> None:
    shown = told(Episode("x", [{"event": "reply", "text": "ok " * 100}], [CALL]))
    assert "never saw the call" in shown
    assert "…" in shown


def test_answers_of_people() -> None:
    for decision, word in (("ALLOW", "approved"), ("DENY", "denied")):
        assert word in told(Episode("x", [], [CALL, {"kind": "approval", "decision": decision}]))


def test_trail_in_a_narrow_terminal_keeps_its_reasons() -> None:
    out = io.StringIO()
    refusal = {**CALL, "kind": "refusal", "code": "tool_call_pending_approval"}
    report.trail(Console(file=out, width=80), [{**refusal, "decision": "REQUIRE_APPROVAL"}])
    shown = "".join(out.getvalue().split())
    assert "reasons" in shown
    assert "DESTRUC" in shown


def test_trail_is_one_row_a_record() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)
    report.trail(console, [CALL, {"kind": "refusal", "code": "tool_call_denied"}])
    assert "tool_call_denied" in out.getvalue()
    assert "run_shell" in out.getvalue()
