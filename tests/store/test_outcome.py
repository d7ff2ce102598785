from dataclasses import replace
from datetime import timedelta

import pytest

from callgate.model import Approval, ApprovalState, Effect, Reason
from callgate.store.outcome import as_of, remembered, settle
from tests.samples import NOON, decided, pending


def approval(state: ApprovalState) -> Approval:
    asked = pending().approval
    assert asked
    return replace(asked, state=state)


@pytest.mark.parametrize(
    ("state", "effect"),
    [
        (ApprovalState.PENDING, Effect.REQUIRE_APPROVAL),
        (ApprovalState.APPROVED, Effect.ALLOW),
        (ApprovalState.DENIED, Effect.DENY),
        (ApprovalState.EXPIRED, Effect.DENY),
    ],
)
def test_state_gives_the_effect(state: ApprovalState, effect: Effect) -> None:
    settled = settle(pending(), approval(state))

    assert settled.effect is effect
    assert settled.approval
    assert settled.approval.state is state


def test_denial_and_expiry_say_so_beside_the_first_reasons() -> None:
    denied = settle(pending(), approval(ApprovalState.DENIED))
    expired = settle(pending(), approval(ApprovalState.EXPIRED))

    assert denied.reasons == ("SECRET_DETECTED", Reason.APPROVAL_DENIED)
    assert expired.reasons == ("SECRET_DETECTED", Reason.APPROVAL_EXPIRED)
    assert type(denied.reasons[1]) is str


def test_approval_of_sanitized_arguments_sanitizes() -> None:
    decision = replace(pending(), sanitized_arguments="{}")

    assert settle(decision, approval(ApprovalState.APPROVED)).effect is Effect.SANITIZE


@pytest.mark.parametrize("state", list(ApprovalState))
def test_no_approval_loosens_a_denial(state: ApprovalState) -> None:
    denied = decided(Effect.DENY)

    settled = settle(denied, approval(state))

    assert settled.effect is Effect.DENY
    assert settled.reasons == denied.reasons


def test_settling_twice_is_settling_once() -> None:
    for state in ApprovalState:
        once = settle(pending(), approval(state))
        assert settle(once, approval(state)).effect is once.effect
        assert settle(once, approval(state)).reasons == once.reasons


def test_pending_expires_at_its_time_and_not_before() -> None:
    asked = approval(ApprovalState.PENDING)
    just_before = asked.expires_at - timedelta(microseconds=1)

    assert as_of(asked, just_before) is asked
    assert as_of(asked, asked.expires_at).state is ApprovalState.EXPIRED


def test_answer_given_does_not_expire() -> None:
    answered = approval(ApprovalState.APPROVED)

    assert as_of(answered, answered.expires_at + timedelta(days=1)) is answered


def test_remembered_decision_has_no_raw_arguments() -> None:
    decision = remembered(decided(secret="AKIA" + "X" * 16), NOON)

    assert decision.call.arguments == decision.redacted_arguments
    assert decision.approval is None


def test_remembered_pending_decision_expires() -> None:
    asked = pending(ttl_seconds=1)

    assert remembered(asked, NOON).effect is Effect.REQUIRE_APPROVAL
    assert remembered(asked, NOON + timedelta(seconds=1)).effect is Effect.DENY
