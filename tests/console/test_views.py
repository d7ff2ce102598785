from __future__ import annotations

from dataclasses import replace

import pytest

from callgate.annotation import notice
from callgate.audit.record import delivery_record
from callgate.console import views
from callgate.console.parts import Parts
from callgate.model import Approval, ApprovalState, Effect, Mode
from tests.console.seat import judged
from tests.fakes import FakeClock, MemoryStore
from tests.samples import NOON, decided, pending, tool_call


def test_address_becomes_a_search() -> None:
    search = views.wanted({"reason": "SSRF", "agent": "kim", "tool": "", "q": "x", "before": "12"})

    assert search.kinds == ["call"]
    assert search.filters == {"reasons": "SSRF", "agent": "kim"}
    assert (search.text, search.before) == ("x", 12)


@pytest.mark.parametrize("before", ["", "-1", "x", "²", "9" * 18])
def test_nonsense_for_a_page_is_the_first_page(before: str) -> None:
    assert views.wanted({"before": before}).before is None


@pytest.mark.parametrize(
    ("effect", "state", "word"),
    [
        ("ALLOW", None, "allowed"),
        ("SANITIZE", None, "redacted"),
        ("DENY", None, "denied"),
        ("REQUIRE_APPROVAL", None, "asked"),
        ("REQUIRE_APPROVAL", ApprovalState.PENDING, "waiting"),
        ("REQUIRE_APPROVAL", ApprovalState.APPROVED, "approved"),
        ("REQUIRE_APPROVAL", ApprovalState.EXPIRED, "expired"),
    ],
)
def test_call_is_told_in_one_word(effect: str, state: ApprovalState | None, word: str) -> None:
    approval = Approval("apr_1", state, NOON, NOON, "") if state else None

    assert views.Call({}, NOON, effect, approval).word == word


@pytest.mark.parametrize(
    "answer", [None, ApprovalState.APPROVED, ApprovalState.DENIED, ApprovalState.EXPIRED]
)
async def test_whole_call_has_the_notice_that_the_app_gets(
    store: MemoryStore, clock: FakeClock, parts: Parts, answer: ApprovalState | None
) -> None:
    asked = pending(ttl_seconds=60)
    await judged(store, asked)
    assert asked.approval
    match answer:
        case ApprovalState.APPROVED:
            await parts.approvals.approve(asked.approval.id, "kim")
        case ApprovalState.DENIED:
            await parts.approvals.deny(asked.approval.id, "kim")
        case ApprovalState.EXPIRED:
            clock.advance(60)
    [now] = (await store.get([asked.call.key])).values()

    whole = await views.whole(store, asked.trace)

    assert whole is not None
    assert whole.effect == now.effect
    assert whole.notice == ("" if now.effect is Effect.ALLOW else notice(now))


async def test_whole_call_has_its_history_in_order(store: MemoryStore) -> None:
    decision = decided(Effect.DENY)
    await judged(store, decision)
    await store.append([delivery_record(decision, "withheld", Mode.WITHHOLD)])

    whole = await views.whole(store, decision.trace)

    assert whole is not None
    assert whole.notice == notice(decision)
    assert [record["kind"] for record in whole.history] == ["delivery"]
    assert await views.whole(store, "unknown") is None


async def test_call_that_was_judged_again_shows_the_last_word(store: MemoryStore) -> None:
    undecided = replace(decided(Effect.DENY), is_final=False, trace="t")
    await judged(store, undecided)
    await judged(store, replace(decided(Effect.ALLOW), trace="t"))

    whole = await views.whole(store, "t")

    assert whole is not None
    assert whole.call.word == "allowed"
    assert [record["decision"] for record in whole.history] == ["DENY"]


async def test_listed_calls_know_what_people_said(store: MemoryStore, parts: Parts) -> None:
    asked, plain = pending(), decided(Effect.ALLOW, tool_call("call_2"))
    await judged(store, asked, plain)
    assert asked.approval
    await parts.approvals.deny(asked.approval.id, "kim")

    found = await store.search(views.wanted({}), 5)

    assert [call.word for call in await views.listed(store, found.records)] == ["allowed", "denied"]


async def test_asked_call_is_laid_out_with_its_findings(store: MemoryStore) -> None:
    await judged(store, pending())
    [item] = await store.approvals()

    assert "".join(piece.text for piece in views.laid_out(item)) == '{\n  "text": "hello"\n}'
