"""A result on its way back; what is refused is shown by tests/test_wayback.py too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callgate.annotation import notice
from callgate.model import (
    Decision,
    Effect,
    Finding,
    Mark,
    Reason,
    SurfaceName,
    ToolResult,
    Verdict,
)
from callgate.results import Judged, marks_of, refused_for
from tests.deciding import call
from tests.samples import pending

DENIED = Decision(call("wipe"), Effect.DENY, ("POLICY_DENIED",), trace="t1")


def judged(decision: Decision | None, output: object = "done", *, is_data: bool = False) -> Judged:
    result = ToolResult("call_1", output, "tool_outputs[0].output", takes_no_notice=is_data)
    return Judged(result, decision)


def found(reason: str, confidence: float) -> Finding:
    return Finding("X", reason, "$", 0, 1, confidence)


@pytest.mark.parametrize("effect", Effect)
def test_only_what_was_let_through_or_is_the_notice_may_pass(effect: Effect) -> None:
    decision = replace(DENIED, effect=effect)

    assert judged(decision).may_pass == (effect in (Effect.ALLOW, Effect.SANITIZE))
    assert judged(decision, notice(decision)).may_pass
    assert judged(decision, notice(decision)).is_notice
    assert not judged(None).may_pass
    assert not judged(None).is_notice


def test_no_notice_stands_in_for_data() -> None:
    of_program = replace(DENIED, call=replace(DENIED.call, takes_no_notice=True))

    assert judged(of_program).takes_no_notice
    assert not judged(of_program, notice(of_program)).may_pass
    assert not judged(DENIED, notice(DENIED), is_data=True).may_pass
    assert not judged(None).takes_no_notice


def test_kind_is_the_calls() -> None:
    assert judged(replace(DENIED, call=call(kind="custom"))).kind == "custom"
    assert judged(None).kind == "function"


def test_fingerprint_is_of_result_and_decision() -> None:
    same = judged(DENIED).fingerprint
    others = [
        judged(DENIED, "other"),
        judged(replace(DENIED, trace="t2")),
        judged(None),
    ]

    assert judged(DENIED).fingerprint == same
    assert same not in [one.fingerprint for one in others]


@pytest.mark.parametrize(
    ("reason", "confidence", "opens"),
    [
        (Reason.SENSITIVE_FILE, 0.9, True),
        (Reason.SENSITIVE_FILE, 0.3, False),
        (Reason.PII_DETECTED, 0.9, False),
    ],
)
def test_call_that_opens_a_sensitive_file_is_known(
    reason: str, confidence: float, opens: bool
) -> None:
    verdict = Verdict("local", Effect.ALLOW, findings=(found(reason, confidence),))

    assert judged(replace(DENIED, verdicts=(verdict,))).opens_sensitive is opens
    assert not judged(None).opens_sensitive


@pytest.mark.parametrize(
    ("reason", "confidence", "marks"),
    [
        (Reason.SECRET_DETECTED, 0.5, {Mark.SENSITIVE}),
        (Reason.PII_DETECTED, 0.9, {Mark.SENSITIVE}),
        (Reason.PII_DETECTED, 0.3, set()),
        (Reason.ARGUMENTS_TOO_LARGE, 1.0, {Mark.SENSITIVE}),
        (Reason.INJECTED_INSTRUCTIONS, 0.5, {Mark.STEERED}),
        (Reason.INJECTED_INSTRUCTIONS, 0.4, set()),
        (Reason.DESTRUCTIVE_SQL, 0.9, set()),
    ],
)
def test_result_marks_its_conversation_from_half_a_confidence_on(
    reason: str, confidence: float, marks: set[Mark]
) -> None:
    assert marks_of(judged(None), [found(reason, confidence)]) == marks


def test_result_of_a_call_that_opens_a_sensitive_file_is_sensitive_whatever_it_holds() -> None:
    opened = Verdict("local", Effect.ALLOW, findings=(found(Reason.SENSITIVE_FILE, 0.9),))

    assert marks_of(judged(replace(DENIED, verdicts=(opened,))), []) == {Mark.SENSITIVE}
    assert marks_of(judged(DENIED), []) == set()


def test_refusal_says_what_to_do() -> None:
    denied = refused_for(judged(DENIED), 2, "").error

    assert denied.code == "tool_call_denied"
    assert denied.param == "tool_outputs[0].output"
    assert "1 more results" in denied.message
    assert notice(DENIED) in denied.message
    assert "cancel the run" in denied.message
    assert refused_for(judged(None), 1, "").error.code == "tool_call_unknown"
    assert refused_for(judged(None), 1, "down").error.code == "callgate_unavailable"


def test_refusal_of_a_pending_call_names_where_to_approve() -> None:
    decision = pending()
    error = refused_for(judged(decision), 1, "").error

    assert decision.approval
    assert error.code == "tool_call_pending_approval"
    assert decision.approval.url in error.message


def test_refusal_of_other_calls_names_another_way_out() -> None:
    chat = replace(DENIED, call=replace(DENIED.call, surface=SurfaceName.CHAT))
    consent = replace(DENIED, call=call(kind="mcp_approval_request"))

    assert "cancel the run" not in refused_for(judged(chat), 1, "").error.message
    assert "decline it" in refused_for(judged(consent), 1, "").error.message
    of_program = judged(DENIED, is_data=True)
    assert "begin a new conversation" in refused_for(of_program, 1, "").error.message
