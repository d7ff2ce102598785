"""Calls as people write them down."""

from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.cli.cases import findings, judge, read_case, told
from callgate.model import Effect, SurfaceName
from callgate.policy import Policy

WIPE: dict[str, Json] = {"tool": "run_shell", "arguments": {"command": "rm -rf /"}}


def test_case_holds_the_call_with_all_that_policies_ask_about() -> None:
    who: dict[str, Json] = {"assistant": "asst_1", "agent": "kim", "model": "m", "surface": "chat"}
    case = read_case({**WIPE, **who}, "here", expects=False)

    assert (case.place, case.call.name, case.arguments) == ("here", "run_shell", WIPE["arguments"])
    assert (case.call.assistant, case.call.agent, case.call.model) == ("asst_1", "kim", "m")
    assert case.call.surface is SurfaceName.CHAT
    assert not case.is_malformed


def test_arguments_are_taken_as_they_are_on_the_wire() -> None:
    whole = read_case({"tool": "a", "arguments": ' {"x": 1}'}, "", expects=False)
    broken = read_case({"tool": "a", "arguments": '{"x": 1, "x": 2}'}, "", expects=False)

    assert (whole.arguments, whole.call.arguments) == ({"x": 1}, ' {"x": 1}')
    assert (broken.is_malformed, broken.call.arguments) == (True, '{"x": 1, "x": 2}')
    assert judge(broken, Policy.permissive()).reasons == ("MALFORMED_ARGUMENTS",)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ([], "must be an object"),
        ({"arguments": {}}, "`tool` is missing"),
        ({"tool": 5}, "`tool` must be a text"),
        ({"tool": "a", "expect": "deny"}, "unknown key `expect`"),
        ({"tool": "a", "surface": "mail"}, "`surface`"),
    ],
)
def test_what_is_no_call_says_why(value: Json, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_case(value, "", expects=False)


def test_verdict_is_told_with_what_each_finding_asks_for() -> None:
    policy = Policy.parse("detectors: {shell: require_approval}", "f")
    case = read_case(WIPE, "", expects=False)
    verdict = judge(case, policy)

    assert verdict.effect is Effect.REQUIRE_APPROVAL
    assert [one["asks"] for one in findings(verdict, policy)] == [Effect.REQUIRE_APPROVAL]
    line = told(case, verdict, policy)
    assert (line["tool"], line["effect"], line["band"]) == (
        "run_shell",
        "REQUIRE_APPROVAL",
        "CRITICAL",
    )
