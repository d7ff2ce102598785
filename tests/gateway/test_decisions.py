"""One decision a question, and what a person's answer is good for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from callgate.errors import StoreError
from callgate.gateway import decisions as gateway_decisions
from callgate.gateway.decisions import GRANT, answer_of
from callgate.model import Effect, Mode, Reason
from tests.gateway.front import SSN, TTL_SECONDS, asking, front
from tests.samples import decided


async def test_every_question_is_judged_and_recorded_by_itself() -> None:
    made = front()
    decisions = made.decisions
    first, second = [await decisions.decide(asking()) for _ in range(2)]
    assert (first.effect, second.effect) == (Effect.ALLOW, Effect.ALLOW)
    assert first.trace != second.trace
    records = await made.records("call")
    assert [r["trace"] for r in records] == [first.trace, second.trace]
    assert {(r["surface"], r["origin"], r["agent"]) for r in records} == {
        ("gateway", "interven", "shop")
    }


async def test_nobody_is_asked_twice_while_an_approval_waits() -> None:
    made = front()
    first = await made.decisions.decide(asking("pay"))
    later = await made.decisions.decide(asking("pay"))
    assert first.approval
    assert later.approval == first.approval
    assert (later.effect, later.trace) == (Effect.REQUIRE_APPROVAL, first.trace)
    assert len(await made.approvals.pending()) == 1


async def test_questions_at_the_same_time_ask_one_person_once() -> None:
    made = front()
    decisions = made.decisions
    await asyncio.gather(*(decisions.decide(asking("pay")) for _ in range(5)))
    assert len(await made.approvals.pending()) == 1


async def test_approved_question_is_allowed_once() -> None:
    made = front()
    decisions = made.decisions
    asked = await decisions.decide(asking("pay"))
    assert asked.approval
    await made.approvals.approve(asked.approval.id, "kim")

    granted = await made.decisions.decide(asking("pay"))
    assert (granted.effect, granted.reasons) == (Effect.ALLOW, (Reason.RECENT_APPROVAL_GRANT,))
    assert granted.trace != asked.trace
    assert (await made.records("call"))[-1]["reasons"] == ["RECENT_APPROVAL_GRANT"]

    again = await made.decisions.decide(asking("pay"))
    assert again.effect is Effect.REQUIRE_APPROVAL
    assert again.approval
    assert again.approval.id != asked.approval.id


@pytest.mark.parametrize(
    "other",
    [
        asking("pay", '{"amount":1}'),
        replace(asking("pay"), client="other"),
        replace(asking("pay"), claimed="agent-2"),
        replace(asking("pay"), contract="aegis"),
    ],
    ids=["arguments", "client", "agent", "contract"],
)
async def test_approval_is_good_for_no_other_question(other: object) -> None:
    made = front()
    asked = await made.decisions.decide(asking("pay"))
    assert asked.approval
    await made.approvals.approve(asked.approval.id, "kim")
    decision = await made.decisions.decide(other)  # type: ignore[arg-type]
    assert decision.effect is Effect.REQUIRE_APPROVAL


async def test_answer_counts_for_a_quarter_of_an_hour() -> None:
    made = front()
    for answer, within in (
        (made.approvals.approve, Effect.ALLOW),
        (made.approvals.deny, Effect.DENY),
    ):
        asked = await made.decisions.decide(asking("pay"))
        assert asked.approval
        await answer(asked.approval.id, "kim")
        made.clock.advance(GRANT.total_seconds() - 1)
        assert (await made.decisions.decide(asking("pay"))).effect is within
        made.clock.advance(2)
        assert (await made.decisions.decide(asking("pay"))).effect is Effect.REQUIRE_APPROVAL
        made.clock.advance(TTL_SECONDS + GRANT.total_seconds())


async def test_grant_is_not_used_twice_across_spans_of_time() -> None:
    made = front()
    span = TTL_SECONDS + GRANT.total_seconds()
    made.clock.advance(span - made.clock().timestamp() % span - 1)
    asked = await made.decisions.decide(asking("pay"))
    assert asked.approval
    await made.approvals.approve(asked.approval.id, "kim")
    assert (await made.decisions.decide(asking("pay"))).effect is Effect.ALLOW
    made.clock.advance(2)
    assert (await made.decisions.decide(asking("pay"))).effect is Effect.REQUIRE_APPROVAL


async def test_answer_counts_across_spans_of_time() -> None:
    made = front()
    span = TTL_SECONDS + GRANT.total_seconds()
    made.clock.advance(span - made.clock().timestamp() % span - 1)
    asked = await made.decisions.decide(asking("pay"))
    made.clock.advance(2)
    assert (await made.decisions.decide(asking("pay"))).approval == asked.approval
    assert asked.approval
    await made.approvals.approve(asked.approval.id, "kim")
    assert (await made.decisions.decide(asking("pay"))).effect is Effect.ALLOW


async def test_what_a_client_could_not_do_is_recorded_once() -> None:
    made = front()
    decisions = made.decisions
    decision = await decisions.decide(asking())
    await decisions.withheld(decision)
    await decisions.withheld(decision)
    assert [r["delivery"] for r in await made.records("delivery")] == ["withheld"]


async def test_expired_approval_is_asked_for_anew() -> None:
    made = front()
    asked = await made.decisions.decide(asking("pay"))
    made.clock.advance(TTL_SECONDS)
    again = await made.decisions.decide(asking("pay"))
    assert asked.approval
    assert again.approval
    assert again.approval.id != asked.approval.id


async def test_failing_store_denies() -> None:
    made = front()
    made.store.failure = StoreError("gone")
    decision = await made.decisions.decide(asking())
    assert (decision.effect, decision.reasons) == (Effect.DENY, (Reason.STORE_UNAVAILABLE,))
    made.store.failure = None
    assert (await made.decisions.decide(asking())).effect is Effect.ALLOW


async def test_approval_is_shown_to_who_asked_for_it_only() -> None:
    made = front()
    asked = await made.decisions.decide(asking("pay"))
    assert asked.approval
    assert await made.decisions.approval(asked.approval.id, "shop")
    assert await made.decisions.approval(asked.approval.id, "other") is None
    assert await made.decisions.approval("apr_none", "shop") is None
    assert await made.decisions.signed_approval(asked.approval.id) is None
    signed = await made.decisions.decide(replace(asking("pay"), contract="aif"))
    assert signed.approval
    assert await made.decisions.signed_approval(signed.approval.id)


async def test_result_is_recorded_with_its_call_and_never_stored() -> None:
    made = front()
    decisions = made.decisions
    asked = await decisions.decide(asking())
    seen = await decisions.report(asked.trace, "shop", {"ssn": SSN})
    assert (seen.is_known, [f.kind for f in seen.findings]) == (True, ["SSN"])
    [record] = await made.records("result")
    assert (record["trace"], record["outcome"]) == (asked.trace, "passed")
    assert SSN not in str(await made.store.records())


async def test_memory_of_traces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_decisions, "_REMEMBERED", 1)
    made = front()
    decisions = made.decisions
    first, second = [await decisions.decide(asking()) for _ in range(2)]
    assert not (await decisions.report(first.trace, "shop", "x")).is_known
    assert (await decisions.report(second.trace, "shop", "x")).is_known


@pytest.mark.parametrize("trace", ["", "not-a-trace", "another's"])
async def test_result_of_an_unknown_call_is_recorded_as_such(trace: str) -> None:
    made = front()
    decisions = made.decisions
    theirs = await decisions.decide(replace(asking(), client="other"))
    trace = theirs.trace if trace == "another's" else trace
    seen = await decisions.report(trace, "shop", "text")
    assert not seen.is_known
    [record] = await made.records("coverage")
    assert record["cause"] == "result"
    assert await made.records("result") == []


SENDING = asking("http_request", '{"method":"POST","url":"https://out.example/","body":{"a":1}}')


async def test_sensitive_result_makes_sending_a_matter_for_a_person() -> None:
    made = front()
    decisions = made.decisions
    read = await decisions.decide(asking("read_crm"))
    assert (await decisions.decide(SENDING)).effect is Effect.ALLOW
    await decisions.report(read.trace, "shop", {"ssn": SSN})

    sent = await made.decisions.decide(SENDING)
    assert (sent.effect, sent.reasons) == (Effect.REQUIRE_APPROVAL, (Reason.READ_THEN_WRITE,))
    elsewhere = await made.decisions.decide(replace(SENDING, claimed="agent-2"))
    assert elsewhere.effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("minutes", "effect"), [(59, Effect.REQUIRE_APPROVAL), (121, Effect.ALLOW)]
)
async def test_what_was_read_counts_for_this_hour_and_the_next(
    minutes: int, effect: Effect
) -> None:
    made = front()
    decisions = made.decisions
    made.clock.advance(59 * 60)
    read = await decisions.decide(asking("read_crm"))
    await decisions.report(read.trace, "shop", SSN)
    made.clock.advance(minutes * 60)
    assert (await made.decisions.decide(SENDING)).effect is effect


async def test_harmless_result_changes_nothing() -> None:
    made = front()
    decisions = made.decisions
    read = await decisions.decide(asking("read_page"))
    await decisions.report(read.trace, "shop", "write to https://out.example/")
    assert (await made.decisions.decide(SENDING)).effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("effect", "takes", "observes", "answer"),
    [
        (Effect.ALLOW, False, False, Effect.ALLOW),
        (Effect.DENY, True, False, Effect.DENY),
        (Effect.REQUIRE_APPROVAL, True, False, Effect.REQUIRE_APPROVAL),
        (Effect.SANITIZE, True, False, Effect.SANITIZE),
        (Effect.SANITIZE, False, False, Effect.DENY),
        (Effect.DENY, True, True, Effect.ALLOW),
        (Effect.SANITIZE, False, True, Effect.ALLOW),
    ],
)
def test_client_is_told_what_it_can_do(
    effect: Effect, takes: bool, observes: bool, answer: Effect
) -> None:
    told = answer_of(decided(effect), observes=observes, takes_sanitized=takes)
    assert told is answer


def test_mode_decides_whether_clients_are_only_observed() -> None:
    assert front(Mode.OBSERVE).decisions.observes
    assert not front().decisions.observes
