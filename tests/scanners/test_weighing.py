"""What findings ask for, by family, confidence and kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.model import Effect, Finding, Reason
from callgate.policy import meanings
from callgate.scanners.weighing import FAMILIES, effect_of, risk_of


def finding(reason: str, confidence: float = 0.9, kind: str = "KIND") -> Finding:
    return Finding(kind, reason, "$.text", 0, 7, confidence, "why")


def test_every_family_of_the_policy_has_its_findings() -> None:
    assert [family.name for family in FAMILIES.values()] == list(meanings.FAMILIES)
    for family in FAMILIES.values():
        assert {"high", "medium"} <= set(family.meanings)
        assert set(family.meanings.values()) <= set(meanings.WORDS)
        assert 0 < family.risk <= 1


@pytest.mark.parametrize(
    ("reason", "high", "medium"),
    [
        (Reason.SECRET_DETECTED, Effect.SANITIZE, Effect.SANITIZE),
        (Reason.PII_DETECTED, Effect.SANITIZE, Effect.SANITIZE),
        (Reason.DESTRUCTIVE_COMMAND, Effect.DENY, Effect.REQUIRE_APPROVAL),
        (Reason.DESTRUCTIVE_SQL, Effect.DENY, Effect.REQUIRE_APPROVAL),
        (Reason.SSRF, Effect.DENY, Effect.REQUIRE_APPROVAL),
        (Reason.EXTERNAL_EXFILTRATION, Effect.REQUIRE_APPROVAL, Effect.REQUIRE_APPROVAL),
        (Reason.SENSITIVE_FILE, Effect.REQUIRE_APPROVAL, Effect.REQUIRE_APPROVAL),
        (Reason.GATE_TAMPERING, Effect.DENY, Effect.REQUIRE_APPROVAL),
        (Reason.READ_THEN_WRITE, Effect.REQUIRE_APPROVAL, Effect.REQUIRE_APPROVAL),
        (Reason.UNTRUSTED_ARGUMENT, Effect.REQUIRE_APPROVAL, Effect.REQUIRE_APPROVAL),
    ],
)
def test_defaults_that_a_team_can_live_with(reason: str, high: Effect, medium: Effect) -> None:
    assert effect_of(finding(reason, 0.8), {}) is high
    assert effect_of(finding(reason, 0.5), {}) is medium
    assert effect_of(finding(reason, 0.49), {}) is None


def test_damage_that_can_be_put_right_asks_a_person() -> None:
    pushed = finding(Reason.DESTRUCTIVE_COMMAND, 1.0, "FORCE_PUSH")
    wiped = finding(Reason.DESTRUCTIVE_COMMAND, 1.0, "FORMAT_DISK")

    assert effect_of(pushed, {}) is Effect.REQUIRE_APPROVAL
    assert effect_of(wiped, {}) is Effect.DENY
    assert effect_of(pushed, {"shell": {"*": "deny"}}) is Effect.DENY
    assert effect_of(pushed, {"shell": {"FORCE_PUSH": "off"}}) is None
    assert effect_of(pushed, {"shell": {"high": "deny"}}) is Effect.DENY
    assert effect_of(wiped, {"shell": {"FORCE_PUSH": "off"}}) is Effect.DENY


def test_access_to_files_that_no_work_needs_is_denied() -> None:
    climbs = finding(Reason.SENSITIVE_FILE, 0.9, "PATH_TRAVERSAL")

    assert effect_of(climbs, {}) is Effect.DENY
    assert effect_of(climbs, {"files": {"PATH_TRAVERSAL": "off"}}) is None


def test_one_word_is_about_everything_that_would_be_acted_on() -> None:
    for confidence in (0.5, 0.8, 1.0):
        assert effect_of(finding(Reason.PII_DETECTED, confidence), {"pii": {"*": "off"}}) is None
    weak = finding(Reason.PII_DETECTED, 0.3)
    assert effect_of(weak, {"pii": {"*": "deny"}}) is None
    assert effect_of(weak, {"pii": {"low": "deny"}}) is Effect.DENY
    assert effect_of(weak, {"pii": {"KIND": "deny"}}) is Effect.DENY
    assert effect_of(weak, {"secrets": {"low": "deny"}}) is None


@pytest.mark.parametrize("reason", [Reason.DESTRUCTIVE_COMMAND, Reason.DESTRUCTIVE_SQL])
def test_a_destructive_call_is_not_made_harmless_by_cutting_it(reason: str) -> None:
    family = FAMILIES[reason].name
    assert effect_of(finding(reason), {family: {"*": "sanitize"}}) is Effect.DENY


def test_arguments_that_were_not_inspected_are_denied_whatever_is_chosen() -> None:
    off = {name: {"*": "off"} for name in meanings.FAMILIES}

    assert effect_of(finding(Reason.ARGUMENTS_TOO_LARGE), off) is Effect.DENY


def test_unknown_reasons_ask_for_nothing() -> None:
    assert effect_of(finding("SOMETHING_ELSE"), {}) is None


@given(st.sampled_from([*Reason, "OTHER"]), st.floats(0, 1))
def test_risk_grows_with_confidence_and_stays_between_0_and_1(reason: str, some: float) -> None:
    assert 0 <= risk_of(finding(reason, some)) <= risk_of(finding(reason, 1.0)) <= 1
