"""Counters, from records as the gate makes them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from callgate.audit import record
from callgate.exchange import ApiError
from callgate.metrics import Metrics
from callgate.model import Decision, Effect, Mode, Reason, ToolResult
from tests.samples import tool_call


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Values by name and labels; when things were made is left out."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def test_counters_begin_empty_and_tell_the_release() -> None:
    assert samples(Metrics()) == {}
    assert b"callgate_info{version=" in Metrics().text()


def test_each_kind_of_record_is_counted() -> None:
    metrics = Metrics()
    denied = Decision(tool_call(), Effect.DENY, (Reason.UNKNOWN_TOOL_TYPE, "SOMETHING_OF_THEIRS"))
    result = ToolResult("call_1", "out", "tool_outputs[0].output")
    for made in (
        record.call_record(denied, Mode.ENFORCE),
        record.call_record(denied, Mode.ENFORCE),
        record.call_record(Decision(tool_call(), Effect.ALLOW), Mode.ENFORCE),
        record.delivery_record(denied, "withheld", Mode.WITHHOLD),
        record.result_record(denied, result, "refused", Mode.ENFORCE),
        record.result_record(None, result, "passed", Mode.ENFORCE),
        record.refusal_record(ApiError("no", "tool_call_denied"), "POST", "/v1/x", Mode.ENFORCE),
        record.coverage_record("channel", "a WebRTC session", "POST", "/v1/realtime/calls"),
        record.process_record("start", "1.0", Mode.ENFORCE),
    ):
        metrics.count(made)

    assert samples(metrics) == {
        ("callgate_decisions_total", "assistants", "deny"): 2,
        ("callgate_decisions_total", "allow", "assistants"): 1,
        ("callgate_reasons_total", "UNKNOWN_TOOL_TYPE"): 2,
        ("callgate_reasons_total", "other"): 2,
        ("callgate_deliveries_total", "assistants", "withheld"): 1,
        ("callgate_results_total", "assistants", "refused"): 1,
        ("callgate_results_total", "passed", "unknown"): 1,
        ("callgate_refusals_total", "tool_call_denied"): 1,
        ("callgate_not_inspected_total", "channel"): 1,
    }
