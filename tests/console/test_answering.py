from __future__ import annotations

import pytest

from callgate.model import Approval, Decision, Effect
from tests.console.seat import Seat, judged
from tests.fakes import FakeClock, MemoryStore
from tests.samples import pending, tool_call


async def ask(store: MemoryStore, **more: int) -> tuple[str, Decision]:
    asked = pending(tool_call(name="refund_order"), **more)
    await judged(store, asked)
    assert asked.approval
    return f"/approvals/{asked.approval.id}", asked


async def now(store: MemoryStore) -> Approval:
    [item] = await store.approvals()
    return item.approval


async def test_empty_queue_says_how_calls_come_here(seat: Seat) -> None:
    assert "require_approval" in await seat.text("/approvals")


async def test_queue_shows_age_expiry_and_why(
    seat: Seat, store: MemoryStore, clock: FakeClock
) -> None:
    await ask(store)
    clock.advance(125)

    text = await seat.text("/approvals")

    assert "asked 2 min ago" in text
    assert "57 min</time>" in text
    assert "a key in $.text" in text
    assert "this exact call for 5 min" in text


async def test_approval_carries_the_operator_s_name_and_reason(
    seat: Seat, store: MemoryStore
) -> None:
    path, asked = await ask(store)

    answer = await seat.post(path, answer="approve", note="as agreed", minutes="15")

    assert answer.status_code == 303
    approval = await now(store)
    assert (approval.state, approval.decided_by, approval.note) == ("approved", "kim", "as agreed")
    assert approval.good_until is not None
    [recorded] = await store.records(filters={"kind": "approval"})
    assert (recorded["by"], recorded["note"]) == ("kim", "as agreed")
    after = await seat.text(answer.headers["location"])
    assert "refund_order</a> approved, and every call just like it until 12:15 UTC" in after
    [decision] = (await store.get([asked.call.key])).values()
    assert decision.effect is Effect.ALLOW


async def test_denial_needs_no_reason(seat: Seat, store: MemoryStore) -> None:
    path, asked = await ask(store)

    await seat.post(path, answer="deny", minutes="15")

    approval = await now(store)
    assert (approval.state, approval.good_until) == ("denied", None)
    [decision] = (await store.get([asked.call.key])).values()
    assert decision.effect is Effect.DENY
    text = await seat.text(path)
    assert "by kim" in text
    assert 'name="answer"' not in text


async def test_second_answer_is_refused_and_says_who_was_first(
    seat: Seat, store: MemoryStore
) -> None:
    path, _ = await ask(store)
    await seat.post(path, answer="deny")

    answer = await seat.post(path, answer="approve")

    assert answer.status_code == 409
    assert "already denied by kim" in answer.text
    assert (await now(store)).state == "denied"


async def test_expired_approval_can_not_be_given(
    seat: Seat, store: MemoryStore, clock: FakeClock
) -> None:
    path, _ = await ask(store, ttl_seconds=60)
    clock.advance(60)

    answer = await seat.post(path, answer="approve")

    assert answer.status_code == 409
    assert "nobody answered until" in await seat.text(path)


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": "perhaps"},
        {},
        {"answer": "approve", "minutes": "soon"},
        {"answer": "approve", "minutes": "-5"},
        {"answer": "approve", "minutes": "999999"},
    ],
)
async def test_form_without_an_answer_changes_nothing(
    seat: Seat, store: MemoryStore, fields: dict[str, str]
) -> None:
    path, _ = await ask(store)

    assert (await seat.post(path, None, **fields)).status_code == 403
    assert (await seat.post(path, answer="approve", minutes="9999")).status_code == 409
    assert (await now(store)).state == "pending"


async def test_unknown_approval_is_not_found(seat: Seat) -> None:
    assert "No such approval" in await seat.text("/approvals/apr_unknown", 404)
    assert (await seat.post("/approvals/apr_unknown", answer="deny")).status_code == 404


async def test_long_queue_is_cut_and_says_so(seat: Seat, store: MemoryStore) -> None:
    await judged(store, *(pending(tool_call(str(n))) for n in range(53)))
    text = await seat.text("/approvals")

    assert text.count('class="panel ask"') == 50
    assert "3 more wait behind these" in text
