from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from callgate.approvals import MOST_MINUTES, ApprovalError, Approvals, told
from callgate.errors import StoreError
from callgate.model import Approval, ApprovalState, Decision, Effect, Verdict
from tests.fakes import FakeClock, MemoryStore
from tests.samples import decided, tool_call


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def approvals(store: MemoryStore, clock: FakeClock) -> Approvals:
    return Approvals(store, clock, ttl_seconds=600, url=lambda id: f"http://gate/{id}")


async def ask(approvals: Approvals, store: MemoryStore, id: str = "call_1") -> Approval:
    call = tool_call(id)
    approval = approvals.ask(call)
    decision = replace(decided(Effect.REQUIRE_APPROVAL, call), approval=approval)
    await store.put([decision], [])
    return approval


async def remembered(store: MemoryStore, id: str = "call_1") -> Decision:
    key = tool_call(id).key
    return (await store.get([key]))[key]


def test_asking_makes_a_pending_approval_that_expires(
    approvals: Approvals, clock: FakeClock
) -> None:
    approval = approvals.ask(tool_call())

    assert approval.state is ApprovalState.PENDING
    assert approval.created_at == clock()
    assert (approval.expires_at - approval.created_at).total_seconds() == 600
    assert approval.url == f"http://gate/{approval.id}"


def test_ids_can_not_be_guessed(approvals: Approvals) -> None:
    ids = {approvals.ask(tool_call()).id for _ in range(100)}

    assert len(ids) == 100
    assert all(id.startswith("apr_") and len(bytes.fromhex(id[4:])) == 16 for id in ids)


async def test_pending_approvals_are_listed(approvals: Approvals, store: MemoryStore) -> None:
    first, second = await ask(approvals, store, "1"), await ask(approvals, store, "2")
    await approvals.deny(first.id, "kim")

    assert [item.approval for item in await approvals.pending()] == [second]


async def test_approved_call_is_allowed(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store)

    answer = await approvals.approve(approval.id, "kim", "known customer")

    assert answer.state is ApprovalState.APPROVED
    assert (answer.decided_by, answer.note) == ("kim", "known customer")
    assert (await remembered(store)).effect is Effect.ALLOW


async def test_denied_call_is_denied(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store)

    assert (await approvals.deny(approval.id, "kim")).state is ApprovalState.DENIED
    assert (await remembered(store)).effect is Effect.DENY


async def test_answer_is_recorded_with_its_effect(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store)
    await approvals.approve(approval.id, "kim", "known customer")

    (record,) = await store.records()

    assert record["kind"] == "approval"
    assert record["approval"] == approval.id
    assert record["trace"] == (await remembered(store)).trace
    assert (record["decision"], record["state"]) == ("ALLOW", "approved")
    assert (record["by"], record["note"]) == ("kim", "known customer")


async def test_approval_is_good_for_its_call_only(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store, "1")
    await ask(approvals, store, "2")
    await approvals.approve(approval.id, "kim")

    assert (await remembered(store, "2")).effect is Effect.REQUIRE_APPROVAL


async def test_unknown_approval_is_an_error(approvals: Approvals) -> None:
    with pytest.raises(ApprovalError, match="no approval 'apr_x'"):
        await approvals.approve("apr_x", "kim")


async def test_answer_can_not_be_changed(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store)
    await approvals.deny(approval.id, "kim")

    with pytest.raises(ApprovalError, match="was already denied by kim"):
        await approvals.approve(approval.id, "lee")
    assert len(await store.records()) == 1


async def test_expired_approval_can_not_be_given(
    approvals: Approvals, store: MemoryStore, clock: FakeClock
) -> None:
    approval = await ask(approvals, store)
    clock.advance(600)

    with pytest.raises(ApprovalError, match="expired at 2030-01-01 12:10:00 UTC"):
        await approvals.approve(approval.id, "kim")
    assert (await remembered(store)).effect is Effect.DENY
    assert await store.records() == []


async def test_of_two_people_one_decides(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store)

    answers = await asyncio.gather(
        approvals.approve(approval.id, "kim"),
        approvals.deny(approval.id, "lee"),
        return_exceptions=True,
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["Approval", "ApprovalError"]
    assert len(await store.records()) == 1


async def test_approval_that_vanishes_meanwhile_is_an_error(
    approvals: Approvals, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = await ask(approvals, store)

    async def vanished(*_arguments: object, **_more: object) -> None:
        return None

    monkeypatch.setattr(store, "resolve", vanished)
    with pytest.raises(ApprovalError, match="no approval"):
        await approvals.approve(approval.id, "kim")


async def test_failing_store_is_not_hidden(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store)
    store.failure = StoreError("disk full")

    with pytest.raises(StoreError, match="disk full"):
        await approvals.approve(approval.id, "kim")


async def test_approval_is_found_by_id_prefix_or_trace(
    approvals: Approvals, store: MemoryStore
) -> None:
    approval = await ask(approvals, store, "1")
    await ask(approvals, store, "2")
    trace = (await remembered(store, "1")).trace

    for wanted in (approval.id, approval.id[:12], trace):
        assert (await approvals.find(wanted)).approval == approval


@pytest.mark.parametrize("wanted", ["", "apr_", "apr_123", "nothing", "%", "*"])
async def test_what_could_mean_anything_finds_nothing(
    approvals: Approvals, store: MemoryStore, wanted: str
) -> None:
    await ask(approvals, store)

    with pytest.raises(ApprovalError, match="no approval"):
        await approvals.find(wanted)


async def test_prefix_that_is_too_short_is_told_so(
    approvals: Approvals, store: MemoryStore
) -> None:
    approval = await ask(approvals, store)

    with pytest.raises(ApprovalError, match="at least the first 8 characters"):
        await approvals.find(approval.id[:7])
    assert (await approvals.find(approval.id[:8])).approval == approval


async def test_prefix_of_two_is_ambiguous(
    approvals: Approvals, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = iter("12")
    monkeypatch.setattr("secrets.token_hex", lambda _size: "0" * 31 + next(ends))
    await ask(approvals, store, "1")
    await ask(approvals, store, "2")

    with pytest.raises(ApprovalError, match="2 approvals begin with 'apr_0000'"):
        await approvals.find("apr_0000")


async def test_who_waits_is_told_of_the_answer_whenever_they_began_to_wait(
    approvals: Approvals, store: MemoryStore
) -> None:
    mine, other = await ask(approvals, store, "1"), await ask(approvals, store, "2")
    first = asyncio.ensure_future(approvals.decided([mine.id]))
    both = asyncio.ensure_future(approvals.decided([mine.id, other.id]))
    await asyncio.sleep(0.3)
    late = asyncio.ensure_future(approvals.decided([other.id]))
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in (first, both, late))

    await approvals.approve(other.id, "kim")
    await asyncio.wait_for(asyncio.gather(both, late), 30)
    assert not first.done()
    await approvals.deny(mine.id, "kim")
    await asyncio.wait_for(first, 30)


async def test_only_what_is_waited_for_is_asked_of_the_store(
    approvals: Approvals, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, mine = await ask(approvals, store, "1"), await ask(approvals, store, "2")
    asked: list[frozenset[str]] = []

    async def pending(ids: frozenset[str]) -> frozenset[str]:
        asked.append(ids)
        return frozenset(ids) if len(asked) < 3 else frozenset()

    monkeypatch.setattr(store, "pending", pending)
    gone = asyncio.ensure_future(approvals.decided([left.id]))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await asyncio.wait_for(approvals.decided([mine.id]), 30)

    assert asked == [{mine.id}] * 3


async def test_who_waits_is_told_that_the_store_fails(
    approvals: Approvals, store: MemoryStore
) -> None:
    approval = await ask(approvals, store)
    store.failure = StoreError("disk full")

    with pytest.raises(StoreError, match="disk full"):
        await approvals.decided([approval.id])


def asking(*verdicts: tuple[str, str | None], url: str | None = None) -> Decision:
    asks = Effect.REQUIRE_APPROVAL
    made = tuple(
        Verdict(scanner, asks, approval_id=id, approval_url=url) for scanner, id in verdicts
    )
    return replace(decided(asks, tool_call()), verdicts=made)


async def test_gateway_that_alone_asks_gives_the_name_and_the_address(
    approvals: Approvals,
) -> None:
    url = "https://app.example/a-1"
    approval = await approvals.ask_for(asking(("interven", "a-1"), url=url))
    other = await approvals.ask_for(asking(("interven", "a-2")))

    assert (approval.id, approval.url) == ("a-1", url)
    assert (other.id, other.url) == ("a-2", "http://gate/a-2")


@pytest.mark.parametrize(
    "verdicts",
    [
        [("local", None)],
        [("local", None), ("interven", "a-1")],
        [("aegis", "b-1"), ("interven", "a-1")],
    ],
)
async def test_approval_that_others_ask_for_too_has_our_name(
    approvals: Approvals, verdicts: list[tuple[str, str | None]]
) -> None:
    approval = await approvals.ask_for(asking(*verdicts, url="https://app.example/a-1"))

    assert approval.id.startswith("apr_")
    assert approval.url == f"http://gate/{approval.id}"


async def test_gateways_name_is_good_for_one_call(
    approvals: Approvals, store: MemoryStore, clock: FakeClock
) -> None:
    decision = asking(("interven", "a-1"), url="https://app.example/a-1")
    first, second = [await approvals.ask_for(decision) for _ in range(2)]
    await store.put([replace(decision, approval=first)], [])
    restarted = Approvals(store, clock, url=str)
    third = await restarted.ask_for(decision)

    assert first.id == "a-1"
    assert second.id.startswith("apr_")
    assert third.id.startswith("apr_")
    assert {a.url for a in (first, second, third)} == {"https://app.example/a-1"}


async def test_name_is_still_free_after_the_store_has_failed(
    approvals: Approvals, store: MemoryStore
) -> None:
    store.failure = StoreError("down")
    with pytest.raises(StoreError):
        await approvals.ask_for(asking(("interven", "a-1")))
    store.failure = None

    assert (await approvals.ask_for(asking(("interven", "a-1")))).id == "a-1"


async def test_names_given_are_remembered_up_to_a_bound(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.approvals._GIVEN", 2)
    for id in ("a", "b", "c", "a"):
        assert (await approvals.ask_for(asking(("interven", id)))).id == id


@pytest.mark.parametrize(("ttl", "seconds"), [(86_400, 3600), (60, 60)])
@pytest.mark.parametrize("others", [[], [("local", None)]])
async def test_gateways_question_is_open_for_an_hour_at_most(
    store: MemoryStore,
    clock: FakeClock,
    ttl: int,
    seconds: int,
    others: list[tuple[str, str | None]],
) -> None:
    approvals = Approvals(store, clock, ttl, url=str)
    approval = await approvals.ask_for(asking(("interven", "a-1"), *others))
    ours = await approvals.ask_for(asking(("local", None)))

    assert (approval.expires_at - approval.created_at).total_seconds() == seconds
    assert (ours.expires_at - ours.created_at).total_seconds() == ttl


async def test_approval_can_be_closed_as_expired(approvals: Approvals, store: MemoryStore) -> None:
    approval = await ask(approvals, store)
    await approvals.expire(approval.id, "interven")

    assert (await remembered(store)).reasons[-1] == "APPROVAL_EXPIRED"
    with pytest.raises(ApprovalError, match="expired"):
        await approvals.approve(approval.id, "kim")


async def test_approval_for_minutes_says_until_when(
    approvals: Approvals, store: MemoryStore, clock: FakeClock
) -> None:
    approval = await ask(approvals, store)

    answer = await approvals.approve(approval.id, "kim", "as agreed", minutes=5)

    assert answer.good_until == clock() + timedelta(minutes=5)
    [recorded] = await store.records(filters={"kind": "approval"})
    assert recorded["good_until"] == "2030-01-01T12:05:00+00:00"
    [item] = await store.approvals()
    assert told(item)["good_until"] == "2030-01-01T12:05:00.000000Z"


@pytest.mark.parametrize("minutes", [-1, MOST_MINUTES + 1])
async def test_nobody_approves_for_longer_than_a_day(
    approvals: Approvals, store: MemoryStore, minutes: int
) -> None:
    approval = await ask(approvals, store)

    with pytest.raises(ApprovalError, match="1440 minutes"):
        await approvals.approve(approval.id, "kim", minutes=minutes)

    assert (await remembered(store)).effect is Effect.REQUIRE_APPROVAL
