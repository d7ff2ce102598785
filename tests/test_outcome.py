"""Refusals that an app can tell apart."""

from __future__ import annotations

from callgate.outcome import Choices, Forward, not_deliverable, not_inspectable, out_of_order


def test_each_refusal_has_its_own_code_and_says_why() -> None:
    refusals = [not_inspectable("why"), not_deliverable("why"), out_of_order("why")]

    assert [(refusal.error.status, refusal.error.code) for refusal in refusals] == [
        (403, "request_not_inspectable"),
        (502, "response_not_inspectable"),
        (503, "callgate_unavailable"),
    ]
    assert all("why" in refusal.error.message for refusal in refusals)
    assert all("Callgate" in refusal.error.message for refusal in refusals)


def test_a_request_is_refused_at_the_place_that_is_wrong() -> None:
    assert not_inspectable("why", "tool_outputs[0]").error.param == "tool_outputs[0]"
    assert not_inspectable("why").error.param is None


def test_bytes_stay_as_they_are_unless_told() -> None:
    assert Forward().body is None
    assert Forward().headers == ()


def test_nothing_is_loosened_by_default() -> None:
    choices = Choices()

    assert (choices.on_denied_result, choices.on_denied_hosted_tool) == ("refuse", "refuse")
    assert (choices.unknown_result, choices.results) == ("refuse", "scan")
