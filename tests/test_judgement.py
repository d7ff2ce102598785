"""Verdicts into decisions: the strictest wins, and what can not be carried out is denied."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from callgate.errors import ScannerError
from callgate.judgement import (
    awaits_person,
    combine,
    failure,
    is_sound,
    is_undecided,
    judge_form,
    replacement,
    sure_delivery,
    undecided,
)
from callgate.model import CONSENTED, Approval, ApprovalState, Effect, Mode, Reason, Verdict
from tests.deciding import call, secret

DOWN = undecided("down", Reason.SCANNER_UNAVAILABLE, "the scanner is down")


def verdict(effect: Effect, scanner: str = "s", text: str | None = None) -> Verdict:
    return Verdict(scanner, effect, (f"{effect}_BY_{scanner}",), 0.3, "", "", (), text)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(Effect, Effect)))
def test_strictest_verdict_wins(one: Effect, other: Effect) -> None:
    decision = combine(call(), [verdict(one, "a", "{}"), verdict(other, "b", "{}")])

    assert decision.effect.strictness == max(one.strictness, other.strictness)
    assert decision.is_final
    assert uuid.UUID(decision.trace)


def test_reasons_are_of_those_who_object_strictest_first_each_once() -> None:
    verdicts = [
        verdict(Effect.ALLOW),
        verdict(Effect.SANITIZE, "a", "{}"),
        verdict(Effect.DENY, "b"),
        verdict(Effect.DENY, "b"),
    ]

    assert combine(call(), verdicts).reasons == ("DENY_BY_b", "SANITIZE_BY_a")


def test_risk_is_the_highest() -> None:
    verdicts = [Verdict("a", Effect.DENY, risk=0.2), Verdict("b", Effect.ALLOW, risk=0.9)]

    assert combine(call(), verdicts).risk == 0.9


def test_nobody_asked_is_a_denial_that_is_not_final() -> None:
    decision = combine(call(), [])

    assert (decision.effect, decision.is_final) == (Effect.DENY, False)
    assert decision.reasons == (Reason.SCANNER_UNAVAILABLE,)


def test_sure_denial_comes_before_an_unsure_one() -> None:
    sure = Verdict("sure", Effect.DENY, ("R",), trace="t", explanation="a rule")
    decision = combine(call(), [DOWN, sure])

    assert (decision.trace, decision.explanation, decision.is_final) == ("t", "a rule", True)
    assert decision.reasons == ("R", Reason.SCANNER_UNAVAILABLE)


@pytest.mark.parametrize("effect", [Effect.ALLOW, Effect.SANITIZE, Effect.REQUIRE_APPROVAL])
def test_denial_of_somebody_unsure_is_not_final(effect: Effect) -> None:
    decision = combine(call(), [verdict(effect, text="{}"), DOWN])

    assert (decision.effect, decision.is_final) == (Effect.DENY, False)


def test_undecided_call_keeps_its_trace_and_another_has_another() -> None:
    first, second = combine(call(), [DOWN]), combine(call(), [DOWN])

    assert first.trace == second.trace
    assert combine(call(arguments="{}"), [DOWN]).trace != first.trace


def test_id_that_utf8_can_not_carry_has_a_trace() -> None:
    assert uuid.UUID(combine(call(id="call_\ud800"), [DOWN]).trace)


def test_of_two_redactions_everything_goes_that_either_takes_out() -> None:
    verdicts = [
        verdict(Effect.SANITIZE, "a", '{"x":"[A]","y":"b","z":"[C]"}'),
        verdict(Effect.REQUIRE_APPROVAL, "b", '{"x":"a","y":"[B]","z":"***"}'),
    ]
    asked = call(arguments='{"x":"a","y":"b","z":"c"}')
    decision = combine(asked, verdicts)

    assert decision.effect is Effect.REQUIRE_APPROVAL
    assert set(decision.reasons) == {"SANITIZE_BY_a", "REQUIRE_APPROVAL_BY_b"}
    assert decision.sanitized_arguments == '{"x":"[A]","y":"[B]","z":"[REDACTED]"}'


def test_call_without_arguments_may_be_redacted_twice() -> None:
    verdicts = [verdict(Effect.SANITIZE, "a", '{"x":1}'), verdict(Effect.SANITIZE, "b", "{}")]

    assert combine(call(arguments=""), verdicts).sanitized_arguments == "{}"


def test_advisory_verdicts_are_kept_and_change_nothing() -> None:
    denial = replace(verdict(Effect.DENY, "b"), is_advisory=True)
    down = replace(DOWN, is_advisory=True)
    decision = combine(call(), [denial, down, verdict(Effect.ALLOW, "a")])

    assert (decision.effect, decision.reasons, decision.is_final) == (Effect.ALLOW, (), True)
    assert [v.scanner for v in decision.verdicts] == ["a", "b", DOWN.scanner]
    assert decision.risk == verdict(Effect.ALLOW, "a").risk
    assert decision.explanation == verdict(Effect.ALLOW, "a").explanation


def test_advisory_verdicts_alone_are_a_denial() -> None:
    allowed = replace(verdict(Effect.ALLOW, "a"), is_advisory=True)

    assert combine(call(), [allowed]).reasons == ("SCANNER_UNAVAILABLE",)


def test_two_spellings_of_one_redaction_are_no_conflict() -> None:
    verdicts = [
        verdict(Effect.SANITIZE, "a", '{"x":"[A]"}'),
        verdict(Effect.SANITIZE, "b", '{ "x" : "[A]" }'),
    ]

    assert combine(call(), verdicts).effect is Effect.SANITIZE


def test_denial_needs_no_redaction() -> None:
    verdicts = [
        verdict(Effect.SANITIZE, "a", "{}"),
        verdict(Effect.SANITIZE, "b", "[]"),
        verdict(Effect.DENY, "c"),
    ]

    assert [v.scanner for v in combine(call(), verdicts).verdicts] == ["c", "a", "b"]


def test_redaction_by_one_who_allows_does_not_count() -> None:
    decision = combine(call(), [verdict(Effect.ALLOW, text="{}")])

    assert decision.sanitized_arguments is None


@pytest.mark.parametrize("arguments", ["", " \n", '{"a":1}', "[]", '"text"', '  {"a":1}\n'])
def test_arguments_with_one_reading_are_for_the_scanners(arguments: str) -> None:
    assert judge_form(call(arguments=arguments)) is None


@pytest.mark.parametrize("arguments", ["{", "x", '{"a":1,"a":2}', "NaN", "{}{}", "[" * 300])
def test_arguments_without_exactly_one_reading_are_denied(arguments: str) -> None:
    found = judge_form(call(arguments=arguments))

    assert found is not None
    assert (found.effect, found.reasons) == (Effect.DENY, (Reason.MALFORMED_ARGUMENTS,))


def test_explanation_of_bad_arguments_quotes_nothing() -> None:
    found = judge_form(call(arguments=f'{{"{secret()}":1,"{secret()}":2}}'))

    assert found is not None
    assert secret() not in found.explanation


@pytest.mark.parametrize(("kind", "is_known"), [("function", 1), ("mcp", 1), ("shell", 0), ("", 0)])
def test_kinds_that_nobody_knows_are_denied(kind: str, is_known: int) -> None:
    found = judge_form(call(kind=kind))

    assert (found is None) == bool(is_known)


@pytest.mark.parametrize(
    ("answer", "sound"),
    [
        (Verdict("s", Effect.DENY), True),
        (Verdict("s", Effect.SANITIZE, sanitized_arguments="{}"), True),
        (Verdict("s", Effect.REQUIRE_APPROVAL, sanitized_arguments="{}"), True),
        (Verdict("s", Effect.SANITIZE), False),
        (Verdict("s", Effect.REQUIRE_APPROVAL, sanitized_arguments="{"), False),
        (Verdict("s", Effect.ALLOW, risk=-0.1), False),
        (Verdict("s", Effect.ALLOW, risk=float("nan")), False),
        (Verdict("s", "ALLOW"), False),  # type: ignore[arg-type]
        (Effect.ALLOW, False),
        (None, False),
    ],
)
def test_only_what_can_be_carried_out_is_a_verdict(answer: object, sound: bool) -> None:
    assert is_sound(answer) is sound


@pytest.mark.parametrize("kind", sorted(CONSENTED))
def test_what_the_api_runs_with_its_own_arguments_is_not_made_harmless_by_redaction(
    kind: str,
) -> None:
    asked = replace(call(), kind=kind)
    redacted = combine(asked, [verdict(Effect.SANITIZE, "a", "{}")])
    waiting = combine(asked, [verdict(Effect.REQUIRE_APPROVAL, "a", "{}")])

    assert (redacted.effect, redacted.reasons) == (Effect.DENY, ("SANITIZE_BY_a",))
    assert waiting.effect is Effect.DENY
    assert "with the arguments that it has" in redacted.explanation
    assert combine(asked, [verdict(Effect.REQUIRE_APPROVAL)]).effect is Effect.REQUIRE_APPROVAL


@pytest.mark.parametrize(
    ("verdicts", "undecided_yet", "for_a_person"),
    [
        ([verdict(Effect.ALLOW)], False, False),
        ([verdict(Effect.SANITIZE, text="{}")], False, False),
        ([verdict(Effect.DENY)], False, False),
        ([verdict(Effect.DENY), DOWN], False, False),
        ([verdict(Effect.REQUIRE_APPROVAL)], True, True),
        ([verdict(Effect.ALLOW), DOWN], True, False),
        ([], True, False),
        ([undecided("down", Reason.SCANNER_UNAVAILABLE, "", Effect.ALLOW)], False, False),
        ([undecided("down", Reason.SCANNER_UNAVAILABLE, "", Effect.REQUIRE_APPROVAL)], True, True),
    ],
    ids=[
        "allowed",
        "sanitized",
        "denied",
        "denied while a scanner is down",
        "asked of a person",
        "scanner down",
        "nobody asked",
        "scanner down, and that counts as allowed",
        "scanner down, and that is asked of a person",
    ],
)
def test_call_is_undecided_while_a_person_or_another_look_may_change_it(
    verdicts: list[Verdict], undecided_yet: bool, for_a_person: bool
) -> None:
    decision = combine(call(), verdicts)

    assert is_undecided(decision) is undecided_yet
    assert awaits_person(decision) is for_a_person


@pytest.mark.parametrize(
    ("mode", "effect", "instead", "delivery"),
    [
        (Mode.OBSERVE, Effect.SANITIZE, None, "delivered"),
        (Mode.OBSERVE, Effect.DENY, None, "delivered"),
        (Mode.ENFORCE, Effect.ALLOW, None, "delivered"),
        (Mode.ENFORCE, Effect.SANITIZE, "{}", "sanitized"),
        (Mode.ENFORCE, Effect.DENY, "{}", "sanitized"),
        (Mode.WITHHOLD, Effect.ALLOW, None, "delivered"),
        (Mode.WITHHOLD, Effect.SANITIZE, "{}", "sanitized"),
        (Mode.WITHHOLD, Effect.DENY, "{}", None),
    ],
)
def test_what_the_app_gets_follows_from_the_decision_and_the_mode(
    mode: Mode, effect: Effect, instead: str | None, delivery: str | None
) -> None:
    decision = replace(combine(call(), [verdict(effect)]), sanitized_arguments="{}")

    assert replacement(decision, mode) == instead
    assert sure_delivery(decision, mode) == delivery


@pytest.mark.parametrize("mode", Mode)
def test_delivery_of_what_may_still_change_is_not_sure(mode: Mode) -> None:
    asked = combine(call(), [verdict(Effect.REQUIRE_APPROVAL)])
    now = datetime.now(UTC)
    approval = Approval("apr_1", ApprovalState.APPROVED, now, now, "")

    assert sure_delivery(combine(call(), [DOWN]), mode) is None
    assert sure_delivery(replace(asked, approval=approval), mode) is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ScannerError("SCANNER_TIMEOUT", "is busy"), ("is busy", "SCANNER_TIMEOUT")),
        (TimeoutError(), ("took too long", "")),
        (ValueError(secret()), ("failed with ValueError", "")),
        (None, ("answered nonsense", "")),
    ],
    ids=["told", "late", "raised", "nonsense"],
)
def test_failure_is_told_without_what_a_scanner_may_quote(
    answer: object, said: tuple[str, str]
) -> None:
    assert failure(answer) == said
