"""The one path: once per call, side by side, and closed whatever fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callgate import gate as gate_module
from callgate.errors import CallgateError, ScannerError, StoreError
from callgate.judgement import awaits_person, combine
from callgate.model import (
    QUOTED,
    ApprovalState,
    CallKey,
    Decision,
    Effect,
    Mode,
    Reason,
    SurfaceName,
    ToolCall,
    Verdict,
)
from callgate.store import open_store
from callgate.store.base import Record, Store
from tests.deciding import POLICY, Bench, ScriptedScanner, allow, bench, call, secret
from tests.fakes import FakeClock, MemoryStore

DOWN = StoreError("the disk is full")


@pytest.fixture
async def sql(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(f"sqlite:///{tmp_path}/callgate.db")
    yield store
    await store.close()


class SlowStore(MemoryStore):
    """Gives the loop to others before and after every look and write, as a real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_in = ""
        self.puts = 0

    async def _turn(self, method: str) -> None:
        await asyncio.sleep(0.001)
        if self.fails_in == method:
            raise DOWN

    async def get(self, keys: object) -> dict[CallKey, Decision]:
        await self._turn("get")
        found = await super().get(keys)  # type: ignore[arg-type]
        await asyncio.sleep(0.005)
        return found

    async def put(self, decisions: object, records: object) -> dict[CallKey, Decision]:
        self.puts += 1
        await self._turn("put")
        return await super().put(decisions, records)  # type: ignore[arg-type]

    async def append(self, records: object) -> None:
        await self._turn("append")
        await super().append(records)  # type: ignore[arg-type]

    async def find(self, surface: str, origin: str, scope: str) -> list[Decision]:
        await self._turn("find")
        return await super().find(surface, origin, scope)


# -- once ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_sql", [False, True])
async def test_hundred_concurrent_looks_at_one_call_scan_it_once(sql: Store, is_sql: bool) -> None:
    scanner = ScriptedScanner()
    at = bench(scanners=[scanner], store=sql if is_sql else SlowStore())

    async def look(number: int) -> Decision:
        await asyncio.sleep(number % 10 / 1000)
        return (await at.gate.decide([call()]))[0]

    decisions = await asyncio.gather(*map(look, range(100)))

    assert len(scanner.asked) == 1
    assert {d.trace for d in decisions} == {"trace-of-scripted"}
    assert [r["kind"] for r in await at.records()] == ["call"]


class Looked(MemoryStore):
    """Counts its looks at calls."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    async def get(self, keys: Sequence[CallKey]) -> dict[CallKey, Decision]:
        self.looks += 1
        return await super().get(keys)

    async def put(
        self, decisions: Sequence[Decision], records: Sequence[Record]
    ) -> dict[CallKey, Decision]:
        looks = self.looks
        kept = await super().put(decisions, records)
        self.looks = looks  # a look of its own, in the same transaction
        return kept


async def test_new_call_is_not_looked_up_where_a_scan_costs_less() -> None:
    store = Looked()
    at = bench(store=store, looks_first=False)

    await at.gate.decide([call()])
    await at.gate.decide([call()])

    assert store.looks == 0
    assert [r["kind"] for r in await at.records()] == ["call"]


async def test_denial_of_another_process_counts_where_calls_are_not_looked_up() -> None:
    store, told = Looked(), Verdict("scripted", Effect.DENY, ("FIRST",))
    first = bench(scanners=[ScriptedScanner(told)], store=store)
    second = bench(store=store, looks_first=False)
    [denied] = await first.gate.decide([call()])

    [decision] = await second.gate.decide([call()], is_answer=True)

    assert (decision.effect, decision.reasons) == (Effect.DENY, ("FIRST",))
    assert decision.trace == denied.trace
    assert [r["kind"] for r in await second.records()] == ["call"]
    assert second.told == []


async def test_call_that_waits_for_a_person_is_looked_up_and_not_scanned_again() -> None:
    store = Looked()
    scanner = ScriptedScanner(Verdict("scripted", Effect.REQUIRE_APPROVAL, ("POLICY_APPROVAL",)))
    at = bench(scanners=[scanner], store=store, looks_first=False)

    [first] = await at.gate.decide([call()])
    [second] = await at.gate.decide([call()])

    assert (len(scanner.asked), store.looks) == (1, 1)
    assert first.approval
    assert first.approval == second.approval


async def test_person_asked_by_another_process_is_not_asked_again() -> None:
    store = Looked()
    asking = Verdict("scripted", Effect.REQUIRE_APPROVAL, ("POLICY_APPROVAL",))
    first = bench(scanners=[ScriptedScanner(asking)], store=store)
    second = bench(scanners=[ScriptedScanner(asking)], store=store, looks_first=False)

    [asked] = await first.gate.decide([call()])
    [same] = await second.gate.decide([call()])

    assert asked.approval == same.approval
    assert len(await store.approvals()) == 1


async def test_call_that_waits_for_a_person_is_scanned_once_too() -> None:
    scanner = ScriptedScanner(Verdict("scripted", Effect.REQUIRE_APPROVAL, ("POLICY_APPROVAL",)))
    at = bench(scanners=[scanner], store=SlowStore())

    decisions = await asyncio.gather(*(at.gate.decide([call()]) for _ in range(20)))
    decisions += await asyncio.gather(*(at.gate.decide([call()]) for _ in range(20)))

    assert len(scanner.asked) == 1
    assert len({d.approval.id for [d] in decisions if d.approval}) == 1


async def test_calls_of_one_run_are_scanned_side_by_side() -> None:
    scanner = ScriptedScanner()
    scanner.may_answer.clear()
    at = bench(scanners=[scanner])
    deciding = asyncio.ensure_future(at.gate.decide([call(id=f"call_{n}") for n in range(8)]))
    await asyncio.sleep(0.01)
    scanner.may_answer.set()
    decisions = await deciding

    assert scanner.most_at_once == 8
    assert [d.call.id for d in decisions] == [f"call_{n}" for n in range(8)]


async def test_same_id_with_other_arguments_is_another_call() -> None:
    scanner = ScriptedScanner()
    at = bench(scanners=[scanner])

    await at.gate.decide([call(), call(arguments='{"x":2}'), call(arguments='{ "x" : 1 }')])

    assert len(scanner.asked) == 2


async def test_overlapping_looks_share_what_they_have_in_common() -> None:
    scanner = ScriptedScanner()
    at = bench(scanners=[scanner], store=SlowStore())

    first, second = await asyncio.gather(
        at.gate.decide([call(id="a"), call(id="b")]), at.gate.decide([call(id="b"), call(id="c")])
    )

    assert sorted(c.id for c in scanner.asked) == ["a", "b", "c"]
    assert first[1].trace == second[0].trace


async def test_no_calls_ask_nobody() -> None:
    at = bench(scanners=[ScriptedScanner()])
    at.store.failure = DOWN  # type: ignore[attr-defined]

    assert await at.gate.decide([]) == []


async def test_cancelled_look_does_not_lose_those_who_wait_for_it() -> None:
    scanner = ScriptedScanner()
    scanner.may_answer.clear()
    at = bench(scanners=[scanner])
    first = asyncio.ensure_future(at.gate.decide([call()]))
    await asyncio.sleep(0.01)
    others = [asyncio.ensure_future(at.gate.decide([call()])) for _ in range(5)]
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    scanner.may_answer.set()

    async with asyncio.timeout(30):
        decisions = await asyncio.gather(*others)

    assert {d.effect for [d] in decisions} == {Effect.ALLOW}
    assert len(scanner.asked) == 2


async def test_cancelled_waiter_does_not_stop_the_one_who_judges() -> None:
    scanner = ScriptedScanner()
    scanner.may_answer.clear()
    at = bench(scanners=[scanner])
    first = asyncio.ensure_future(at.gate.decide([call()]))
    await asyncio.sleep(0.01)
    second = asyncio.ensure_future(at.gate.decide([call()]))
    await asyncio.sleep(0.01)
    second.cancel()
    scanner.may_answer.set()

    assert (await first)[0].effect is Effect.ALLOW


async def test_decision_of_another_proxy_counts_and_only_its_record_stands(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/callgate.db"
    stores = [await open_store(url), await open_store(url)]
    gates = [
        bench(scanners=[ScriptedScanner(Verdict("s", effect, ("R",)))], store=store)
        for store, effect in zip(stores, (Effect.DENY, Effect.ALLOW), strict=True)
    ]

    decided = await asyncio.gather(*(at.gate.decide([call()]) for at in gates))

    assert len({d.trace for [d] in decided}) == 1
    assert len(await stores[0].records(filters={"kind": "call"})) == 1
    assert sum(len(at.told) for at in gates) == 1
    for store in stores:
        await store.close()


async def test_decision_outlives_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/callgate.db"
    scanner = ScriptedScanner(Verdict("s", Effect.DENY, ("R",)))
    first = await open_store(url)
    [before] = await bench(scanners=[scanner], store=first).gate.decide([call()])
    await first.close()
    second = await open_store(url)
    [after] = await bench(scanners=[scanner], store=second).gate.decide([call()])
    await second.close()

    assert (after.trace, after.effect) == (before.trace, Effect.DENY)
    assert len(scanner.asked) == 1


async def test_decision_comes_back_with_the_call_as_it_is_on_the_wire() -> None:
    wire = call(arguments=json.dumps({"text": secret()}))
    at = bench()
    await at.gate.decide([wire])
    at.gate._settled.clear()

    [decision] = await at.gate.decide([wire])

    assert decision.call == wire
    assert decision.redacted_arguments == '{"text":"[REDACTED:AWS_ACCESS_KEY]"}'


# -- memory -------------------------------------------------------------------------------


async def test_memory_is_bounded_and_the_store_remembers_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_module, "_SETTLED", 3)
    monkeypatch.setattr(gate_module, "_SEEN", 3)
    scanner = ScriptedScanner()
    at = bench(scanners=[scanner])
    decisions = await at.gate.decide([call(id=str(n)) for n in range(10)])
    await at.gate.delivered(decisions, "delivered")

    assert len(at.gate._settled) == len(at.gate._delivered) == 3
    await at.gate.decide([call(id="0")])
    assert len(scanner.asked) == 10


async def test_large_arguments_are_remembered_by_the_store_alone() -> None:
    scanner = ScriptedScanner()
    at = bench(scanners=[scanner])
    large = call(arguments=json.dumps({"text": f"{secret()} " + "word " * 2000}))

    for _ in range(2):
        [decision] = await at.gate.decide([large])

    assert not at.gate._settled
    assert len(scanner.asked) == 1
    assert secret() not in decision.redacted_arguments


async def test_remembered_decision_needs_no_store() -> None:
    at = bench()
    [first] = await at.gate.decide([call()])
    await at.gate.delivered([first], "delivered")
    at.store.failure = DOWN  # type: ignore[attr-defined]

    [second] = await at.gate.decide([call()])
    await at.gate.delivered([second], "delivered")

    assert second.effect is Effect.ALLOW


# -- scanners that fail -------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("boom"),
        TimeoutError("the gateway took too long"),
        asyncio.CancelledError(),
        None,
        "ALLOW",
        Verdict("s", "ALLOW"),  # type: ignore[arg-type]
        Verdict("s", Effect.ALLOW, risk=float("nan")),
        Verdict("s", Effect.ALLOW, risk=7),
        Verdict("s", Effect.SANITIZE),
        Verdict("s", Effect.SANITIZE, sanitized_arguments="{not json"),
    ],
    ids=repr,
)
async def test_scanner_that_fails_or_answers_nonsense_denies_until_it_is_back(
    answer: object,
) -> None:
    scanner = ScriptedScanner(answer, answer, allow())
    at = bench(scanners=[scanner])

    failed = [(await at.gate.decide([call()]))[0] for _ in range(2)]
    [healed] = await at.gate.decide([call()])

    for decision in failed:
        assert (decision.effect, decision.is_final) == (Effect.DENY, False)
        assert decision.reasons == (Reason.SCANNER_UNAVAILABLE,)
    assert failed[0].trace == failed[1].trace
    assert healed.effect is Effect.ALLOW
    assert await at.gate.known("assistants", "api.openai.com:443", call().scope) != []


async def test_kind_of_a_scanners_failure_is_a_reason_too() -> None:
    error = ScannerError(Reason.SCANNER_RATE_LIMITED, "answered with status 429")
    at = bench(scanners=[ScriptedScanner(error, name="interven")])
    [decision] = await at.gate.decide([call()])

    assert decision.reasons == ("SCANNER_UNAVAILABLE", "SCANNER_RATE_LIMITED")
    assert decision.explanation == "the interven scanner answered with status 429"


@pytest.mark.parametrize(
    "answer", [Verdict("b", Effect.DENY, ("BAD",), 0.9, "t"), TimeoutError(), "nonsense"]
)
async def test_advisory_scanner_is_recorded_and_never_decides(answer: object) -> None:
    scanners = [ScriptedScanner(name="a"), ScriptedScanner(answer, name="b")]
    at = bench(scanners=scanners, advisory=["b"])
    [decision] = await at.gate.decide([call()])

    assert (decision.effect, decision.reasons, decision.is_final) == (Effect.ALLOW, (), True)
    (record,) = await at.records("call")
    noted = [(v["scanner"], v["effect"], v.get("advisory")) for v in record["verdicts"]]  # type: ignore[union-attr, index, call-overload]
    assert noted == [("a", "ALLOW", None), ("b", "DENY", True)]


async def test_what_waits_for_a_person_is_told_once() -> None:
    asks = Verdict("interven", Effect.REQUIRE_APPROVAL, approval_id="a-1")
    at = bench(scanners=[ScriptedScanner(asks)])
    for _ in range(2):
        await at.gate.decide([call()])

    (waiting,) = at.waiting
    assert waiting.approval
    assert waiting.approval.id == "a-1"


async def test_store_that_fails_while_a_gateway_asks_denies() -> None:
    asks = Verdict("interven", Effect.REQUIRE_APPROVAL, approval_id="a-1")
    at = bench(scanners=[ScriptedScanner(asks)])
    store: Any = at.store

    async def fails(_: str) -> None:
        raise StoreError("down")

    store.approval = fails
    [decision] = await at.gate.decide([call()])

    assert decision.reasons == (Reason.STORE_UNAVAILABLE,)
    assert at.waiting == []


async def test_scanner_that_takes_too_long_denies() -> None:
    scanner = ScriptedScanner()
    scanner.may_answer.clear()
    at = bench(scanners=[scanner], scan_timeout_seconds=0.02)

    [decision] = await at.gate.decide([call()])

    assert decision.reasons == (Reason.SCANNER_UNAVAILABLE,)
    assert "took too long" in decision.explanation
    scanner.may_answer.set()
    assert (await at.gate.decide([call()]))[0].effect is Effect.ALLOW


async def test_error_of_a_scanner_is_named_and_never_quoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    at = bench(scanners=[ScriptedScanner(ValueError(f"bad arguments: {secret()}"))])
    with caplog.at_level(logging.INFO):
        [decision] = await at.gate.decide([call()])

    assert "ValueError" in decision.explanation
    assert secret() not in json.dumps(await at.records()) + caplog.text


@pytest.mark.parametrize("order", [1, -1])
async def test_denial_stands_and_is_remembered_while_another_scanner_is_down(order: int) -> None:
    scanners = [
        ScriptedScanner(Verdict("sure", Effect.DENY, ("R",), trace="t"), name="sure"),
        ScriptedScanner(RuntimeError("down"), name="down"),
    ][::order]
    at = bench(scanners=scanners)

    for _ in range(2):
        [decision] = await at.gate.decide([call()])

    assert (decision.effect, decision.is_final, decision.trace) == (Effect.DENY, True, "t")
    assert decision.reasons[0] == "R"
    assert [len(scanner.asked) for scanner in scanners] == [1, 1]


async def test_failed_scanner_may_ask_a_person_once() -> None:
    scanner = ScriptedScanner(RuntimeError("down"))
    at = bench(scanners=[scanner], on_scanner_error=Effect.REQUIRE_APPROVAL)

    [first], [second] = await at.gate.decide([call()]), await at.gate.decide([call()])

    assert first.effect is Effect.REQUIRE_APPROVAL
    assert first.approval == second.approval
    assert first.reasons == (Reason.SCANNER_UNAVAILABLE,)
    assert len(scanner.asked) == 1


async def test_failed_scanner_may_count_as_allow_but_is_not_remembered() -> None:
    scanner = ScriptedScanner(RuntimeError("down"))
    at = bench(scanners=[scanner], on_scanner_error=Effect.ALLOW)

    for _ in range(2):
        [decision] = await at.gate.decide([call()])

    assert (decision.effect, decision.is_final) == (Effect.ALLOW, False)
    assert decision.reasons == (Reason.SCANNER_UNAVAILABLE,)
    assert len(scanner.asked) == 2


async def test_loosened_failure_does_not_loosen_what_another_scanner_says() -> None:
    scanners = [
        ScriptedScanner(RuntimeError("down")),
        ScriptedScanner(Verdict("sure", Effect.DENY, ("R",))),
    ]
    at = bench(scanners=scanners, on_scanner_error=Effect.ALLOW)

    [decision] = await at.gate.decide([call()])

    assert (decision.effect, decision.is_final) == (Effect.DENY, True)


async def test_no_scanner_at_all_denies() -> None:
    [decision] = await bench(scanners=[]).gate.decide([call()])

    assert (decision.effect, decision.is_final) == (Effect.DENY, False)


@pytest.mark.parametrize("on_error", Effect)
@pytest.mark.parametrize("answer", [allow(), RuntimeError("down")], ids=["allows", "fails"])
@pytest.mark.parametrize(
    "bad",
    [
        call(arguments="{"),
        call(arguments='{"a":1,"a":2}'),
        call(arguments='{"a":NaN}'),
        call(arguments="rm -rf /"),
        call(kind="shell"),
    ],
    ids=lambda c: f"{c.kind}:{c.arguments}",
)
async def test_what_has_more_than_one_reading_is_denied_in_every_setup(
    bad: ToolCall, answer: object, on_error: Effect
) -> None:
    scanner = ScriptedScanner(answer)
    [decision] = await bench(scanners=[scanner], on_scanner_error=on_error).gate.decide([bad])

    assert (decision.effect, decision.is_final) == (Effect.DENY, True)
    assert decision.reasons[0] in (Reason.MALFORMED_ARGUMENTS, Reason.UNKNOWN_TOOL_TYPE)
    assert not scanner.asked


async def test_failure_of_our_own_reaches_everybody_and_hangs_nobody() -> None:
    at = bench(scanners=[ScriptedScanner()], store=SlowStore())

    def broken() -> str:
        raise LookupError("policy")

    at.gate._policy_digest = broken
    async with asyncio.timeout(30):
        answers = await asyncio.gather(
            *(at.gate.decide([call()]) for _ in range(3)), return_exceptions=True
        )

    assert [type(answer) for answer in answers] == [LookupError] * 3


# -- a store that fails -------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "put"])
async def test_store_that_fails_denies_until_it_is_back(method: str) -> None:
    store = SlowStore()
    at = bench(store=store)
    store.fails_in = method

    [failed] = await at.gate.decide([call()])
    [again] = await at.gate.decide([call()])
    store.fails_in = ""
    [healed] = await at.gate.decide([call()])

    assert (failed.effect, failed.is_final) == (Effect.DENY, False)
    assert failed.reasons == (Reason.STORE_UNAVAILABLE,)
    assert failed.trace == again.trace
    assert healed.effect is Effect.ALLOW
    assert at.told == [r for r in at.told if r["decision"] == "ALLOW"]


async def test_known_call_is_answered_when_only_writing_fails() -> None:
    store = SlowStore()
    at = bench(store=store)
    await at.gate.decide([call("pay", id="a")])
    store.fails_in = "put"

    known, new = await at.gate.decide([call("pay", id="a"), call(id="b")])

    assert known.effect is Effect.REQUIRE_APPROVAL
    assert new.reasons == (Reason.STORE_UNAVAILABLE,)


@pytest.mark.parametrize("method", ["find", "append"])
async def test_what_can_not_be_read_or_recorded_is_raised(method: str) -> None:
    store = SlowStore()
    at = bench(store=store)
    decisions = await at.gate.decide([call()])
    store.fails_in = method

    work = {
        "find": at.gate.known("assistants", "api.openai.com:443", call().scope),
        "append": at.gate.delivered(decisions, "delivered"),
    }
    for name, coroutine in work.items():
        if name == method:
            with pytest.raises(StoreError):
                await coroutine
        else:
            await coroutine


# -- approvals ----------------------------------------------------------------------------


async def test_answer_given_in_another_process_is_seen_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/callgate.db"
    mine, other = await open_store(url), await open_store(url)
    here = bench(store=mine, clock=FakeClock(datetime.now(UTC)))
    there = bench(store=other, clock=FakeClock(datetime.now(UTC)))
    [asked] = await here.gate.decide([call("pay")])
    assert asked.approval is not None

    await there.approvals.approve(asked.approval.id, "kim")
    [answered] = await here.gate.decide([call("pay")])

    assert asked.effect is Effect.REQUIRE_APPROVAL
    assert answered.effect is Effect.ALLOW
    assert answered.trace == asked.trace
    await mine.close()
    await other.close()


async def test_approval_of_one_call_is_not_good_for_other_arguments() -> None:
    at = bench()
    [asked] = await at.gate.decide([call("pay")])
    assert asked.approval is not None
    await at.approvals.approve(asked.approval.id, "kim")

    [other] = await at.gate.decide([call("pay", arguments='{"x":1000}')])

    assert other.effect is Effect.REQUIRE_APPROVAL


async def test_denied_and_expired_approvals_are_denials() -> None:
    at = bench()
    denied, expired = await at.gate.decide([call("pay", id="a"), call("pay", id="b")])
    assert denied.approval is not None
    await at.approvals.deny(denied.approval.id, "kim")
    at.clock.advance(601)

    denied, expired = await at.gate.decide([call("pay", id="a"), call("pay", id="b")])

    assert (denied.effect, denied.reasons[-1]) == (Effect.DENY, Reason.APPROVAL_DENIED)
    assert (expired.effect, expired.reasons[-1]) == (Effect.DENY, Reason.APPROVAL_EXPIRED)
    assert expired.approval is not None
    assert expired.approval.state is ApprovalState.EXPIRED


async def test_approved_call_with_a_secret_is_redacted() -> None:
    wire = call("pay", arguments=json.dumps({"text": secret()}))
    at = bench()
    [asked] = await at.gate.decide([wire])
    assert asked.approval is not None
    assert asked.approval.expires_at - asked.approval.created_at == timedelta(seconds=600)
    await at.approvals.approve(asked.approval.id, "kim")

    [answered] = await at.gate.decide([wire])

    assert answered.effect is Effect.SANITIZE
    assert answered.sanitized_arguments == '{"text":"[REDACTED:AWS_ACCESS_KEY]"}'


# -- records ------------------------------------------------------------------------------


async def test_delivery_is_recorded_once_however_concurrently_it_is_polled() -> None:
    at = bench(store=SlowStore())
    decisions = await at.gate.decide([call(id="a"), call(id="b")])

    await asyncio.gather(
        *(at.gate.delivered([*decisions, *decisions], "delivered") for _ in range(20))
    )
    await at.gate.delivered(decisions, "held")

    deliveries = await at.records("delivery")
    assert [(r["call"], r["delivery"]) for r in deliveries] == [
        ("a", "delivered"),
        ("b", "delivered"),
        ("a", "held"),
        ("b", "held"),
    ]


@pytest.mark.parametrize("mode", Mode)
async def test_verdict_and_its_sure_delivery_are_one_transaction(mode: Mode) -> None:
    store = SlowStore()
    at = bench(mode=mode, store=store)

    decisions = await at.gate.decide([call()], is_answer=True)
    store.fails_in = "append"
    await at.gate.delivered(decisions, "delivered")

    kinds = ["call", "delivery"]
    assert [r["kind"] for r in await at.records()] == [r["kind"] for r in at.told] == kinds
    assert store.puts == 1


async def test_nobody_hears_of_a_delivery_whose_transaction_failed() -> None:
    store = SlowStore()
    at = bench(store=store)
    store.fails_in = "put"

    [failed] = await at.gate.decide([call()], is_answer=True)
    store.fails_in = "append"
    with pytest.raises(StoreError):
        await at.gate.delivered([failed], "delivered")

    assert failed.reasons == (Reason.STORE_UNAVAILABLE,)
    assert at.told == []


async def test_delivery_of_a_decision_that_lost_is_that_of_the_winner() -> None:
    class Beaten(SlowStore):
        async def put(self, decisions: object, records: object) -> dict[CallKey, Decision]:
            other = combine(call(), [Verdict("other", Effect.DENY, ("FIRST",))])
            await MemoryStore.put(self, [other], [])
            return await super().put(decisions, records)

    at = bench(mode=Mode.WITHHOLD, store=Beaten())

    decisions = await at.gate.decide([call()], is_answer=True)
    await at.gate.delivered(decisions, "withheld")

    assert decisions[0].reasons == ("FIRST",)
    assert [r.get("delivery") for r in await at.records()] == ["withheld"]


async def test_call_that_waits_for_a_person_is_not_said_to_be_delivered() -> None:
    at = bench(mode=Mode.WITHHOLD)

    await at.gate.decide([call("pay")], is_answer=True)

    assert {r["kind"] for r in await at.records()} == {"call"}


async def test_sibling_that_may_be_held_back_is_not_said_to_be_delivered() -> None:
    at = bench(mode=Mode.WITHHOLD)

    await at.gate.decide([call(id="a"), call(id="b")], is_answer=True)

    assert {r["kind"] for r in await at.records()} == {"call"}


async def test_delivery_that_is_being_recorded_is_not_recorded_with_the_verdict() -> None:
    class Stuck(SlowStore):
        may_append = asyncio.Event()
        is_putting = asyncio.Event()

        async def put(self, decisions: object, records: object) -> dict[CallKey, Decision]:
            self.is_putting.set()
            return await super().put(decisions, records)

        async def append(self, records: object) -> None:
            await self.may_append.wait()
            await super().append(records)

    scanner = ScriptedScanner(ScannerError("X", "down"), allow())
    at = bench(scanners=[scanner], store=(store := Stuck()))
    store.may_append.set()
    failed = await at.gate.decide([call()])
    store.may_append.clear()
    store.is_putting.clear()

    recording = asyncio.ensure_future(at.gate.delivered(failed, "delivered"))
    await asyncio.sleep(0)
    deciding = asyncio.ensure_future(at.gate.decide([call()], is_answer=True))
    await store.is_putting.wait()
    store.may_append.set()
    await asyncio.gather(recording, deciding)

    assert len(await at.records("delivery")) == 1


async def test_nobody_delivers_before_the_record_is_kept() -> None:
    store = SlowStore()
    at = bench(store=store)
    decisions = await at.gate.decide([call()])
    store.fails_in = "append"

    answers = await asyncio.gather(
        *(at.gate.delivered(decisions, "delivered") for _ in range(3)), return_exceptions=True
    )
    store.fails_in = ""
    await at.gate.delivered(decisions, "delivered")

    assert answers == [DOWN] * 3
    assert len(await at.records("delivery")) == 1


async def test_records_are_told_as_they_are_stored() -> None:
    at = bench()
    decisions = await at.gate.decide([call()])
    await at.gate.delivered(decisions, "delivered")
    await at.gate.append([{"kind": "coverage"}])

    assert [r["kind"] for r in at.told] == ["call", "delivery", "coverage"]


async def test_gate_without_a_listener_records_too() -> None:
    at = bench(mode=Mode.OBSERVE)
    at.gate._on_record = None
    await at.gate.append([{"kind": "coverage"}])

    assert at.gate.mode is Mode.OBSERVE
    assert len(await at.records()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        '{"text":"%s"}',
        '{"%s":"%s"}',
        '{"%s":1,"%s":2}',
        "not json: %s",
        '{"a":["%s",{"b":"%s"}]}',
        '{"text":"%s","mail":"kim@example.com, 4111 1111 1111 1111"}',
    ],
)
@pytest.mark.parametrize("choice", ["sanitize", "require_approval", "deny", "off", "no scanner"])
async def test_no_secret_reaches_the_disk(tmp_path: Path, arguments: str, choice: str) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/callgate.db")
    if choice == "no scanner":
        at = bench(store=store, scanners=[ScriptedScanner(RuntimeError("x"))])
    else:
        detectors = f"detectors: {{secrets: {choice}, pii: sanitize}}\n"
        at = bench(store=store, policy=POLICY + detectors)
    text = arguments.replace("%s", secret())
    decisions: list[Decision] = []
    for name in ("look", "pay", "wipe"):
        decisions += await at.gate.decide([call(name, id=name, arguments=text)])
    await at.gate.delivered(decisions, "delivered")
    records: list[Record] = await at.records()
    await store.close()

    assert len(records) == 6
    assert secret() not in json.dumps(records)
    with contextlib.closing(sqlite3.connect(tmp_path / "callgate.db")) as database:
        dump = "\n".join(database.iterdump())
    assert secret() not in dump
    assert "4111 1111" not in dump


async def test_undecided_calls_are_looked_at_again_when_a_person_has_decided() -> None:
    made = bench()
    [pending] = await made.gate.decide([call("pay")])
    waiting = asyncio.ensure_future(made.gate.reconsidered([pending]))
    await asyncio.sleep(0.4)
    assert not waiting.done()
    assert pending.approval is not None
    await made.approvals.approve(pending.approval.id, "kim")
    await asyncio.wait_for(waiting, 30)


async def test_failing_store_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "_TRY_AGAIN_SECONDS", 0.01)
    made = bench()
    [pending] = await made.gate.decide([call("pay")])
    made.store.failure = StoreError("gone")  # type: ignore[attr-defined]
    await asyncio.wait_for(made.gate.reconsidered([pending]), 30)
    made.store.failure = None  # type: ignore[attr-defined]
    scanner_down = replace(pending, approval=None)
    await asyncio.wait_for(made.gate.reconsidered([scanner_down]), 30)


async def approve(made: Bench, decision: Decision) -> None:
    assert decision.approval is not None
    await made.approvals.approve(decision.approval.id, "kim")


class Looks:
    """Decides on some calls as often as the gate asks for it."""

    def __init__(self, made: Bench, *calls: ToolCall) -> None:
        self.made = made
        self.calls = calls
        self.answers: asyncio.Queue[list[Decision]] = asyncio.Queue()

    async def __call__(self) -> list[Decision]:
        decisions = await self.made.gate.decide(self.calls)
        self.answers.put_nowait(decisions)
        return decisions


@pytest.mark.parametrize("left", [None, 60.0])
async def test_decisions_are_waited_for_until_a_person_has_made_the_last_of_them(
    left: float | None,
) -> None:
    made = bench()
    looks = Looks(made, call("pay", id="a"), call(id="b"), call("pay", id="c"))
    until = left and made.clock().timestamp() + left
    waiting = asyncio.ensure_future(made.gate.decided(looks, awaits_person, until))
    async with asyncio.timeout(30):
        for place in (0, 2):
            seen = await looks.answers.get()
            assert seen[place].effect is Effect.REQUIRE_APPROVAL
            assert not waiting.done()
            await approve(made, seen[place])
        decisions = await waiting

    assert [decision.effect for decision in decisions] == [Effect.ALLOW] * 3
    assert [decision.call.id for decision in decisions] == ["a", "b", "c"]


async def test_decisions_that_are_not_open_are_not_waited_for_even_when_it_is_late() -> None:
    made = bench()
    looks = Looks(made, call(), call("wipe"))
    long_ago = made.clock().timestamp() - 1

    decisions = await made.gate.decided(looks, awaits_person, long_ago)

    assert [decision.effect for decision in decisions] == [Effect.ALLOW, Effect.DENY]
    assert looks.answers.qsize() == 1


@pytest.mark.parametrize("left", [-5.0, 0.0, 0.3])
async def test_run_that_expires_before_a_person_decides_is_an_error_and_no_decision(
    left: float,
) -> None:
    made = bench()
    looks = Looks(made, call("pay"))
    until = made.clock().timestamp() + left

    async with asyncio.timeout(30):
        with pytest.raises(CallgateError, match="expired while a tool call waited"):
            await made.gate.decided(looks, awaits_person, until)

    assert looks.answers.qsize() == 1


def issued(name: str, scope: str, arguments: str = "{}", agent: str = "kim") -> ToolCall:
    one = call(name, arguments=arguments)
    return replace(one, surface=SurfaceName.CHAT, scope=scope, agent=agent)


async def test_quoted_call_is_decided_as_issued_whatever_was_quoted_before() -> None:
    made = bench()
    await made.gate.decide([issued("wipe", "chatcmpl-1"), issued("look", "chatcmpl-2")])

    for _ in range(2):
        found = await made.gate.recall(
            [
                issued("wipe", QUOTED),
                issued("look", QUOTED),
                issued("look", QUOTED, '{"x":2}'),
            ]
        )
        assert [decision.effect.value for decision in found] == ["DENY", "ALLOW", "DENY"]


async def test_verdict_is_the_agents_but_that_of_a_run_is_everybodys() -> None:
    made = bench()
    mine, theirs = (issued("pay", "chatcmpl-1", agent=agent) for agent in ("kim", "eve"))
    decisions = await made.gate.decide([mine, theirs])
    assert len({decision.trace for decision in decisions}) == 2

    in_run, in_step = call("pay"), replace(call("pay"), agent="key:1")
    decisions = await made.gate.decide([in_run, in_step])
    assert len({decision.trace for decision in decisions}) == 1


async def test_calls_are_seen_by_id_in_any_scope_but_only_those_of_the_agent() -> None:
    made = bench()
    mine = issued("look", "chatcmpl-1"), issued("wipe", "chatcmpl-2")
    theirs = issued("pay", "chatcmpl-3", agent="eve")
    elsewhere = replace(issued("pay", "chatcmpl-4"), origin="eu.api.openai.com:443")
    other = replace(issued("look", "chatcmpl-5"), id="call_2")
    await made.gate.decide([*mine, theirs, elsewhere, other])

    def seen(*ids: str, agent: str = "kim") -> Awaitable[list[Decision]]:
        return made.gate.seen(SurfaceName.CHAT, mine[0].origin, ids, agent)

    found = await seen("call_1")
    assert {(d.call.scope, d.effect) for d in found} == {
        ("chatcmpl-1", Effect.ALLOW),
        ("chatcmpl-2", Effect.DENY),
    }
    assert [d.call.scope for d in await seen("call_1", agent="eve")] == ["chatcmpl-3"]
    assert len(await seen("call_1", "call_2")) == 3
    assert await seen("call_1", agent="") == await seen("call_9") == []


async def test_calls_that_the_memory_can_not_look_for_are_not_taken_for_unseen() -> None:
    made = bench()
    made.store.failure = DOWN  # type: ignore[attr-defined]

    assert await made.gate.seen(SurfaceName.CHAT, call().origin, (), "kim") == []
    with pytest.raises(StoreError):
        await made.gate.seen(SurfaceName.CHAT, call().origin, ["call_1"], "kim")


# -- approvals that are good for a time


async def approved_for_ten_minutes(at: Bench) -> str:
    await at.gate.decide([call("pay", "call_0")])
    (item,) = await at.approvals.pending()
    await at.approvals.approve(item.approval.id, by="kim", minutes=10)
    return item.approval.id


async def test_call_like_one_approved_for_some_minutes_asks_nobody_and_is_recorded() -> None:
    at = bench()
    id = await approved_for_ten_minutes(at)

    [decision] = await at.gate.decide([call("pay", "call_1")])

    assert decision.effect is Effect.ALLOW
    assert await at.approvals.pending() == []
    judged, answered = (await at.records())[-2:]
    assert (judged["kind"], judged["decision"]) == ("call", "REQUIRE_APPROVAL")
    assert (answered["kind"], answered["decision"]) == ("approval", "ALLOW")
    assert answered["by"] == "kim"
    assert id in str(answered["note"])
    assert answered["approval"] == judged["approval"] != id
    assert [r["kind"] for r in at.told[-2:]] == ["call", "approval"]


@pytest.mark.parametrize("what", ["later", "arguments", "reasons", "derived"])
async def test_call_unlike_the_approved_one_asks_again(what: str) -> None:
    clock = FakeClock()
    scanner = ScriptedScanner(*[Verdict("s", Effect.REQUIRE_APPROVAL, ("A",))] * 2)
    at = bench(clock=clock, scanners=[scanner])
    await approved_for_ten_minutes(at)
    again = call("pay", "call_1")
    if what == "later":
        clock.advance(600)
    if what == "arguments":
        again = call("pay", "call_1", '{"x":2}')
    if what == "reasons":
        scanner._answers = [Verdict("s", Effect.REQUIRE_APPROVAL, ("A", "B"))]
    if what == "derived":  # what stands by another's approval gives no approval of its own
        clock.advance(300)
        [allowed] = await at.gate.decide([call("pay", "call_9")])
        assert allowed.effect is Effect.ALLOW
        clock.advance(300)

    [decision] = await at.gate.decide([again])

    assert decision.effect is Effect.REQUIRE_APPROVAL
    assert len(await at.approvals.pending()) == 1


async def test_denial_is_not_loosened_by_an_approval_of_the_same_call() -> None:
    scanner = ScriptedScanner(
        Verdict("s", Effect.REQUIRE_APPROVAL, ("A",)), Verdict("s", Effect.DENY, ("A",))
    )
    at = bench(scanners=[scanner])
    await approved_for_ten_minutes(at)

    [decision] = await at.gate.decide([call("pay", "call_1")])

    assert decision.effect is Effect.DENY


async def test_store_that_cannot_tell_of_standing_approvals_denies() -> None:
    class Forgetful(MemoryStore):
        async def standing(self, call: ToolCall) -> None:
            raise DOWN

    [decision] = await bench(store=Forgetful()).gate.decide([call("pay")])

    assert decision.effect is Effect.DENY
    assert not decision.is_final


async def test_verdicts_tell_how_long_they_took() -> None:
    class Slow(ScriptedScanner):
        async def scan(self, call: ToolCall) -> Verdict:
            await asyncio.sleep(0.02)
            return await super().scan(call)

    at = bench(scanners=[Slow()])

    [decision] = await at.gate.decide([call()])

    [recorded] = await at.records("call")
    assert decision.verdicts[0].took_ms > 15
    assert recorded["verdicts"][0]["took_ms"] == decision.verdicts[0].took_ms  # type: ignore[call-overload,index]
