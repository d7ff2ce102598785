from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callgate import __version__
from callgate.audit import record
from callgate.canonical import Json, canonical
from callgate.exchange import ApiError
from callgate.model import ApprovalState, Effect, Finding, Mode, SurfaceName, ToolResult
from tests.samples import NOON, decided, pending, tool_call

SECRET = "AKIA" + "IOSFODNN7EXAMPLE"
ERROR = ApiError("denied", "tool_call_denied", param="tool_outputs[0].output")


def every_record() -> list[dict[str, Json]]:
    decision = decided(secret=SECRET)
    waiting = pending()
    result = ToolResult(decision.call.id, {"key": SECRET}, "tool_outputs[0].output")
    target = f"/v1/threads/t/runs?api-version=1&key={SECRET}"
    return [
        record.call_record(decision, Mode.ENFORCE, "policyhash"),
        record.call_record(waiting, Mode.ENFORCE, ""),
        record.delivery_record(decision, "delivered", Mode.ENFORCE),
        record.result_record(
            decision, result, "refused", Mode.ENFORCE, decision.verdicts[0].findings
        ),
        record.result_record(None, result, "refused", Mode.ENFORCE),
        record.classification_record(decision, "interven", Mode.ENFORCE, classes=["PII"]),
        record.notice_record(decision, Mode.ENFORCE),
        record.refusal_record(ERROR, "POST", target, Mode.ENFORCE),
        record.refusal_record(ERROR, "POST", target, Mode.ENFORCE, decision=decision),
        record.approval_record(waiting),
        record.hosted_tool_record(SurfaceName.ASSISTANTS, "code_interpreter", "refused"),
        record.coverage_record("body", "streamed", "POST", target, mode=Mode.OBSERVE),
        record.process_record("start", "1.0", Mode.ENFORCE, ["on_scanner_error=allow"]),
        record.process_record("stop", "1.0", Mode.ENFORCE),
    ]


def test_no_record_holds_raw_values() -> None:
    assert len({str(made["kind"]) for made in every_record()}) == 10
    for made in every_record():
        assert SECRET not in str(made)


def test_every_record_has_a_canonical_form() -> None:
    for made in every_record():
        assert canonical(made)


def test_no_record_holds_empty_values() -> None:
    for made in every_record():
        assert all(value not in ("", None, [], {}) for value in made.values())


def test_call_is_recorded_in_full() -> None:
    decision = decided(secret=SECRET)

    assert record.call_record(decision, Mode.ENFORCE, "hash") == {
        "kind": "call",
        "trace": decision.trace,
        "surface": "assistants",
        "origin": "api.openai.com:443",
        "scope": "thread_1/run_1",
        "thread": "thread_1",
        "run": "run_1",
        "call": "call_1",
        "tool": "send_message",
        "agent": "kim",
        "assistant": "asst_1",
        "model": "gpt-4o",
        "decision": "DENY",
        "reasons": ["SECRET_DETECTED"],
        "risk": 0.9,
        "band": "CRITICAL",
        "mode": "enforce",
        "verdicts": [
            {
                "scanner": "local",
                "effect": "DENY",
                "reasons": ["SECRET_DETECTED"],
                "risk": 0.9,
                "trace": decision.trace,
                "explanation": "a key in $.text",
            }
        ],
        "findings": [
            {
                "kind": "AWS_ACCESS_KEY",
                "reason": "SECRET_DETECTED",
                "path": "$.text",
                "start": 0,
                "end": 20,
                "confidence": 0.9,
                "explanation": "a key",
            }
        ],
        "arguments": decision.redacted_arguments,
        "policy": "hash",
        "version": __version__,
    }


def test_harmless_risk_is_said() -> None:
    made = record.call_record(replace(decided(Effect.ALLOW), risk=0.0), Mode.ENFORCE)

    assert (made["risk"], made["band"]) == (0.0, "LOW")


def test_pending_call_names_its_approval() -> None:
    waiting = pending()
    assert waiting.approval

    made = record.call_record(waiting, Mode.WITHHOLD)

    assert (made["approval"], made["state"]) == (waiting.approval.id, "pending")


def test_scope_of_other_surfaces_is_not_taken_apart() -> None:
    call = replace(tool_call(), surface=SurfaceName.CHAT)

    made = record.delivery_record(decided(call=call), "delivered", Mode.ENFORCE)

    assert made["scope"] == "thread_1/run_1"
    assert not {"thread", "run"} & set(made)


@pytest.mark.parametrize(
    ("output", "length"), [("Grüße", 5), ({"a": 1}, 8), (["ü"], 10), (None, 0), ("", 0), (7, 1)]
)
def test_of_a_result_only_its_length_is_kept(output: object, length: int) -> None:
    result = ToolResult("call_1", output, "tool_outputs[2].output")

    made = record.result_record(decided(), result, "passed", Mode.ENFORCE)

    assert made["length"] == length
    assert (made["outcome"], made["param"]) == ("passed", "tool_outputs[2].output")
    assert "findings" not in made


def test_findings_of_a_result_join_its_record() -> None:
    finding = Finding("SSN", "PII_DETECTED", "$", 0, 11)

    made = record.result_record(
        decided(), ToolResult("call_1", "x", ""), "passed", Mode.ENFORCE, [finding]
    )

    assert made["findings"] == [
        {
            "kind": "SSN",
            "reason": "PII_DETECTED",
            "path": "$",
            "start": 0,
            "end": 11,
            "confidence": 1.0,
        }
    ]


def test_result_of_an_unknown_call_names_the_call() -> None:
    made = record.result_record(None, ToolResult("call_9", "x", ""), "refused", Mode.OBSERVE)

    assert made == {
        "kind": "result",
        "call": "call_9",
        "mode": "observe",
        "outcome": "refused",
        "length": 1,
    }


def test_notice_is_a_result_that_was_added() -> None:
    made = record.notice_record(decided(), Mode.WITHHOLD)

    assert (made["kind"], made["outcome"], made["call"]) == ("result", "added", "call_1")


def test_classification_says_what_was_seen_or_why_nothing_was() -> None:
    seen = record.classification_record(
        decided(), "interven", Mode.ENFORCE, classes=["PII"], redacted=0, fingerprint="sha256:1"
    )
    unseen = record.classification_record(decided(), "interven", Mode.ENFORCE, why="it was down")

    assert (seen["scanner"], seen["classes"], seen["redacted"]) == ("interven", ["PII"], 0)
    assert (seen["fingerprint"], seen["call"]) == ("sha256:1", "call_1")
    assert unseen["why"] == "it was down"
    assert not {"classes", "redacted", "fingerprint"} & set(unseen)


def test_verdict_says_its_approval_and_whether_it_is_advisory() -> None:
    asks = replace(decided().verdicts[0], approval_id="a-1", is_advisory=True)
    made = record.call_record(
        replace(decided(), verdicts=(asks, *decided().verdicts)), Mode.ENFORCE
    )
    verdicts: Any = made["verdicts"]
    first, second = verdicts

    assert (first["approval"], first["advisory"]) == ("a-1", True)
    assert not {"approval", "advisory"} & set(second)


def test_refusal_says_what_and_where_without_the_query() -> None:
    made = record.refusal_record(
        ERROR, "POST", "/v1/x?key=1#part", Mode.ENFORCE, origin="api:443", agent="kim"
    )

    assert made == {
        "kind": "refusal",
        "origin": "api:443",
        "agent": "kim",
        "code": "tool_call_denied",
        "status": 403,
        "param": "tool_outputs[0].output",
        "message": "denied",
        "method": "POST",
        "path": "/v1/x",
        "mode": "enforce",
    }


def test_refusal_names_the_call_that_was_the_cause() -> None:
    decision = decided()

    made = record.refusal_record(ERROR, "POST", "/", Mode.ENFORCE, decision=decision)

    assert (made["trace"], made["call"]) == (decision.trace, "call_1")


def test_answer_says_who_and_why() -> None:
    waiting = pending()
    assert waiting.approval
    answer = replace(
        waiting.approval,
        state=ApprovalState.APPROVED,
        decided_at=NOON,
        decided_by="kim",
        note="known customer",
    )

    made = record.approval_record(replace(waiting, approval=answer, effect=Effect.ALLOW))

    assert made["kind"] == "approval"
    assert made["approval"] == waiting.approval.id
    assert (made["state"], made["by"], made["note"]) == ("approved", "kim", "known customer")
    assert (made["decision"], made["trace"]) == ("ALLOW", waiting.trace)
    assert "mode" not in made


def test_answer_without_an_approval_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no approval"):
        record.approval_record(decided())


def test_hosted_tool_is_recorded() -> None:
    assert record.hosted_tool_record(
        SurfaceName.ASSISTANTS, "file_search", "removed", mode=Mode.ENFORCE, reasons=["A"]
    ) == {
        "kind": "hosted_tool",
        "surface": "assistants",
        "tool": "file_search",
        "outcome": "removed",
        "reasons": ["A"],
        "mode": "enforce",
    }


def test_uninspected_traffic_is_recorded() -> None:
    made = record.coverage_record("body", "a streamed run", "GET", "/v1/x?a=b", origin="api:443")
    assert made == {
        "kind": "coverage",
        "cause": "body",
        "origin": "api:443",
        "method": "GET",
        "path": "/v1/x",
        "why": "a streamed run",
    }


def test_start_says_what_loosens_the_gate() -> None:
    assert record.process_record("start", "1.0", Mode.OBSERVE, ["mode=observe"], policy="p") == {
        "kind": "start",
        "version": "1.0",
        "mode": "observe",
        "loosened": ["mode=observe"],
        "policy": "p",
    }


def test_lone_surrogates_are_spelled_out() -> None:
    call = tool_call("id\ud800", scope="t\udfff/run")
    finding = Finding("X", "Y", "$.\ud800", 0, 1)

    made = record.result_record(
        decided(call=call), ToolResult("", "", ""), "passed", Mode.ENFORCE, [finding]
    )

    assert (made["call"], made["thread"]) == ("id\\ud800", "t\\udfff")
    assert canonical(made)
