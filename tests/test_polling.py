"""Approvals at gateways, polled until there is an answer, in the one book of approvals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callgate.approvals import Approvals
from callgate.errors import ScannerError, StoreError
from callgate.model import ApprovalState, Decision, Effect, Reason, ToolCall, Verdict
from callgate.polling import Polling
from tests.fakes import FakeClock, MemoryStore
from tests.samples import decided, tool_call

PENDING, APPROVED, DENIED, EXPIRED = ApprovalState


class FakeGateway:
    """Says of each approval what it is told; an error is raised once."""

    poll_seconds = 2.0
    state = "ok"

    def __init__(self, name: str = "interven") -> None:
        self.name = name
        self.states: dict[str, ApprovalState] = {}
        self.errors: list[ScannerError] = []
        self.asked: list[str] = []

    async def scan(self, call: ToolCall) -> Verdict:
        raise NotImplementedError

    async def approval(self, id: str) -> ApprovalState:
        self.asked.append(id)
        if self.errors:
            raise self.errors.pop()
        return self.states.get(id, PENDING)

    async def close(self) -> None:
        pass


class Desk:
    """A book of approvals and what polls for it; time passes as fast as it can."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.approvals = Approvals(self.store, self.clock, url=lambda id: f"http://us/{id}")
        self.interven, self.aegis = FakeGateway(), FakeGateway("aegis")
        self.slept: list[float] = []
        self.polling = self.another()

    def another(self) -> Polling:
        gateways = {"interven": self.interven, "aegis": self.aegis}
        return Polling(self.approvals, self.store, gateways, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def asked(self, *verdicts: Verdict) -> Decision:
        """A decision that waits for what these verdicts ask."""
        decision = replace(
            decided(Effect.REQUIRE_APPROVAL, tool_call()), verdicts=verdicts, effect=ASKS
        )
        decision = replace(decision, approval=await self.approvals.ask_for(decision))
        await self.store.put([decision], [])
        return decision

    async def state(self, decision: Decision) -> ApprovalState:
        assert decision.approval
        item = await self.store.approval(decision.approval.id)
        assert item
        return item.approval.state

    async def settled(self, decision: Decision) -> ApprovalState:
        for _ in range(200):
            if (state := await self.state(decision)) is not PENDING:
                return state
            await asyncio.sleep(0)
        return PENDING


ASKS = Effect.REQUIRE_APPROVAL


def asks(scanner: str = "interven", id: str | None = "a-1") -> Verdict:
    return Verdict(scanner, ASKS, ("HIGH_AMOUNT",), 0.7, approval_id=id)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    await made.polling.close()


@pytest.mark.parametrize("state", [APPROVED, DENIED, EXPIRED])
async def test_gateways_answer_becomes_ours(desk: Desk, state: ApprovalState) -> None:
    decision = await desk.asked(asks())
    desk.polling.follow(decision)
    for _ in range(20):
        await asyncio.sleep(0)
    assert await desk.state(decision) is PENDING
    desk.interven.states["a-1"] = state

    assert await desk.settled(decision) is state
    (record,) = await desk.store.records(filters={"kind": "approval"})
    assert record["by"] == "interven"
    assert set(desk.slept) == {2.0}


async def test_it_is_asked_for_after_the_pause_first(desk: Desk) -> None:
    decision = await desk.asked(asks())
    desk.polling.follow(decision)

    assert desk.interven.asked == []


async def test_yes_is_not_enough_where_a_policy_asks_too(desk: Desk) -> None:
    decision = await desk.asked(asks("local", None), asks())
    desk.interven.states["a-1"] = APPROVED
    desk.polling.follow(decision)

    assert await desk.settled(decision) is PENDING
    assert desk.interven.asked == ["a-1"]


async def test_no_is_enough_wherever_else_is_asked(desk: Desk) -> None:
    decision = await desk.asked(asks("local", None), asks())
    desk.interven.states["a-1"] = DENIED
    desk.polling.follow(decision)

    assert await desk.settled(decision) is DENIED


async def test_two_gateways_have_to_agree(desk: Desk) -> None:
    decision = await desk.asked(asks(), asks("aegis", "b-1"))
    desk.interven.states["a-1"] = APPROVED
    desk.polling.follow(decision)
    assert await desk.settled(decision) is PENDING
    asked = desk.interven.asked.count("a-1")
    desk.aegis.states["b-1"] = APPROVED

    assert await desk.settled(decision) is APPROVED
    assert asked == 1
    assert set(desk.slept) == {2.0}


async def test_advisory_scanner_asks_nobody(desk: Desk) -> None:
    decision = await desk.asked(asks("local", None), replace(asks(), is_advisory=True))
    desk.polling.follow(decision)

    assert await desk.settled(decision) is PENDING
    assert desk.interven.asked == []


async def test_answer_of_our_own_people_ends_the_questions(desk: Desk) -> None:
    decision = await desk.asked(asks())
    desk.polling.follow(decision)
    assert decision.approval
    await desk.approvals.approve(decision.approval.id, "kim")
    for _ in range(20):
        await asyncio.sleep(0)

    assert desk.interven.asked == []
    assert await desk.state(decision) is APPROVED


async def test_answer_that_came_second_changes_nothing(desk: Desk) -> None:
    decision = await desk.asked(asks())
    approval = decision.approval
    assert approval

    async def approve_meanwhile(id: str) -> ApprovalState:
        await desk.approvals.approve(approval.id, "kim")
        return DENIED

    desk.interven.approval = approve_meanwhile  # type: ignore[method-assign]
    desk.polling.follow(decision)

    assert await desk.settled(decision) is APPROVED


async def test_expired_approval_is_not_asked_for_any_more(desk: Desk) -> None:
    decision = await desk.asked(asks())
    desk.polling.follow(decision)
    desk.clock.advance(3600)

    assert await desk.settled(decision) is EXPIRED
    assert desk.interven.asked == []


async def test_gateway_that_fails_is_asked_again_when_it_says(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    decision = await desk.asked(asks())
    desk.interven.states["a-1"] = APPROVED
    desk.interven.errors = [
        ScannerError(Reason.SCANNER_RATE_LIMITED, "answered with status 429", 9000),
        ScannerError(Reason.SCANNER_TIMEOUT, "did not answer in time"),
    ]
    desk.polling.follow(decision)

    assert await desk.settled(decision) is APPROVED
    assert desk.slept == [2, 2, 60, 2]
    assert "scanner interven: approval: SCANNER_TIMEOUT: did not answer in time" in caplog.text


async def test_store_that_fails_loses_no_answer(desk: Desk) -> None:
    decision = await desk.asked(asks(), asks("aegis", "b-1"))
    desk.interven.states["a-1"] = desk.aegis.states["b-1"] = APPROVED
    desk.store.failure = StoreError("down")
    desk.polling.follow(decision)
    for _ in range(20):
        await asyncio.sleep(0)
    desk.store.failure = None

    assert await desk.settled(decision) is APPROVED


async def test_restart_goes_on_with_what_was_pending(desk: Desk) -> None:
    decision = await desk.asked(asks())
    desk.polling.follow(decision)
    await desk.polling.close()
    assert await desk.state(decision) is PENDING
    desk.interven.states["a-1"] = APPROVED
    restarted = desk.another()
    await restarted.resume()

    assert await desk.settled(decision) is APPROVED
    await restarted.close()


async def test_without_gateways_the_store_is_not_asked(desk: Desk) -> None:
    desk.store.failure = StoreError("down")

    await Polling(desk.approvals, desk.store, {}).resume()


async def test_each_approval_is_followed_once(desk: Desk) -> None:
    decision = await desk.asked(asks())
    for _ in range(3):
        desk.polling.follow(decision)
    await desk.polling.resume()
    for _ in range(20):
        await asyncio.sleep(0)

    assert len(desk.slept) - len(desk.interven.asked) <= 1


@pytest.mark.parametrize("verdict", [asks("other"), asks(id=None)])
async def test_who_can_not_be_asked_is_not(desk: Desk, verdict: Verdict) -> None:
    desk.polling.follow(await desk.asked(verdict))
    desk.polling.follow(replace(decided(), verdicts=(asks(),)))
    await asyncio.sleep(0)

    assert desk.slept == []
