"""The suite that every store passes; a test class gives it a store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from callgate.canonical import Json
from callgate.errors import StoreError
from callgate.model import ApprovalState, CallKey, Decision, Effect, Reason, SurfaceName
from callgate.store.base import Search, Store
from tests.fakes import FakeClock
from tests.samples import NOON, decided, pending, tool_call

ODD_IDS = [
    "x" * 400,
    "Ωμέγα-呼び出し-🔧",
    "a/b\\c'd\"e%_\n\t",
    "nul\x00inside",
    "lone\ud800surrogate",
    "\\ud800",
    "",
    " padded ",
    "CALL_1",
]


def record(trace: str = "", kind: str = "call", **values: Json) -> dict[str, Json]:
    return {"kind": kind, "trace": trace, **values}


async def resolve(
    store: Store, decision: Decision, state: ApprovalState, by: str = "kim", after: float = 1
) -> ApprovalState | None:
    assert decision.approval
    resolved = await store.resolve(
        decision.approval.id,
        state,
        by=by,
        note="fine",
        at=NOON + timedelta(seconds=after),
        record=record(decision.trace, "approval", by=by),
    )
    return resolved.state if resolved else None


async def one(store: Store, key: CallKey) -> Decision:
    return (await store.get([key]))[key]


async def kinds(store: Store, **filters: str) -> list[Json]:
    return [found["kind"] for found in await store.records(filters=filters)]


class StoreContract:
    """Subclasses define fixtures `clock` (at `NOON`) and `store` (empty, on that clock)."""

    # -- decisions

    async def test_unknown_call_is_not_remembered(self, store: Store) -> None:
        assert await store.get([tool_call().key]) == {}
        assert await store.get([]) == {}

    @pytest.mark.parametrize("effect", [Effect.ALLOW, Effect.SANITIZE, Effect.DENY])
    async def test_decision_comes_back_whole_but_for_raw_arguments(
        self, store: Store, effect: Effect
    ) -> None:
        put = decided(effect, secret="AKIA" + "IOSFODNN7EXAMPLE")

        acknowledged = await store.put([put], [])
        got = await store.get([put.call.key])

        redacted = replace(put.call, arguments=put.redacted_arguments)
        assert got == {put.call.key: replace(put, call=redacted)}
        assert acknowledged == got

    async def test_first_writer_of_a_key_wins(self, store: Store) -> None:
        first, second = decided(Effect.DENY), decided(Effect.ALLOW)
        await store.put([first], [record(first.trace)])

        kept = await store.put([second], [record(second.trace), record("", "coverage")])

        assert kept[second.call.key].trace == first.trace
        assert (await one(store, first.call.key)).effect is Effect.DENY
        assert await kinds(store) == ["call", "coverage"]
        assert await store.records(filters={"trace": second.trace}) == []

    async def test_first_of_two_in_one_put_wins(self, store: Store) -> None:
        first, second = decided(Effect.DENY), decided(Effect.ALLOW)

        kept = await store.put([first, second], [record(first.trace), record(second.trace)])

        assert [d.trace for d in kept.values()] == [first.trace]
        assert [r["trace"] for r in await store.records()] == [first.trace]

    async def test_concurrent_writers_agree(self, store: Store) -> None:
        attempts = [decided() for _ in range(20)]

        answers = await asyncio.gather(*(store.put([d], [record(d.trace)]) for d in attempts))

        assert len({answer[attempts[0].call.key].trace for answer in answers}) == 1
        assert len(await store.records()) == 1

    async def test_undecided_call_is_recorded_but_not_remembered(self, store: Store) -> None:
        undecided = replace(decided(), is_final=False)

        kept = await store.put([undecided], [record(undecided.trace)])

        assert kept == {undecided.call.key: undecided}
        assert await store.get([undecided.call.key]) == {}
        assert await kinds(store) == ["call"]

    async def test_same_id_in_two_scopes_is_two_calls(self, store: Store) -> None:
        here, there = tool_call(scope="thread_1/run_1"), tool_call(scope="thread_1/run_2")
        await store.put([decided(Effect.DENY, here)], [])
        await store.put([decided(Effect.ALLOW, there)], [])

        assert (await one(store, here.key)).effect is Effect.DENY
        assert (await one(store, there.key)).effect is Effect.ALLOW

    async def test_same_id_with_other_arguments_is_another_call(self, store: Store) -> None:
        small, large = tool_call(arguments='{"n":1}'), tool_call(arguments='{"n":1000}')
        await store.put([decided(Effect.ALLOW, small)], [])

        assert await store.get([large.key]) == {}

    async def test_parts_of_a_key_do_not_run_together(self, store: Store) -> None:
        await store.put([decided(call=tool_call("b", scope="a/"))], [])

        assert await store.get([tool_call("/b", scope="a").key]) == {}
        assert await store.find("assistants", "api.openai.com:443", "a") == []

    @pytest.mark.parametrize("id", ODD_IDS)
    async def test_ids_may_hold_anything(self, store: Store, id: str) -> None:
        calls = [tool_call(other, scope=other) for other in ODD_IDS]
        await store.put([decided(call=call) for call in calls], [record(call=id)])

        wanted = tool_call(id, scope=id)
        found = await store.find(wanted.surface, wanted.origin, id)

        assert (await one(store, wanted.key)).call == wanted
        assert [decision.call.id for decision in found] == [id]
        assert (await store.records())[0]["call"] == id

    async def test_many_calls_at_once(self, store: Store) -> None:
        calls = [tool_call(f"call_{n}") for n in range(1200)]
        put = await store.put([decided(call=call) for call in calls], [])

        assert await store.get([call.key for call in calls]) == put
        assert len(put) == 1200

    async def test_scope_lists_its_calls_oldest_first(self, store: Store) -> None:
        for id in ("b", "a", "c"):
            await store.put([decided(call=tool_call(id))], [])
        await store.put([decided(call=tool_call(scope="other/run"))], [])

        found = await store.find("assistants", "api.openai.com:443", "thread_1/run_1")

        assert [decision.call.id for decision in found] == ["b", "a", "c"]
        assert await store.find("chat", "api.openai.com:443", "thread_1/run_1") == []
        assert await store.find("assistants", "other:443", "thread_1/run_1") == []

    async def test_ids_list_their_calls_in_every_scope_oldest_first(self, store: Store) -> None:
        here, there = tool_call(scope="one"), tool_call(scope="two", arguments='{"n":2}')
        for call in (here, there, tool_call("call_2", scope="one")):
            await store.put([decided(call=call)], [])
        await store.put([pending(tool_call("call_3"))], [])

        seen = await store.seen(here.surface, here.origin, ["call_1", "call_1", "call_9"])
        assert [d.call.scope for d in seen] == ["one", "two"]
        assert [d.call.digest for d in seen] == [
            store.keyed(here.digest),
            store.keyed(there.digest),
        ]
        [asked] = await store.seen(here.surface, here.origin, ["call_3"])
        assert asked.approval is not None
        assert await store.seen("chat", here.origin, ["call_1"]) == []
        assert await store.seen(here.surface, "other:443", ["call_1"]) == []

    async def test_many_ids_are_found_at_once(self, store: Store) -> None:
        calls = [tool_call(f"call_{n}") for n in range(1200)]
        await store.put([decided(call=call) for call in calls], [])

        seen = await store.seen(calls[0].surface, calls[0].origin, [c.id for c in calls])
        assert {d.call.id for d in seen} == {c.id for c in calls}

    async def test_call_found_by_scope_has_a_key_that_finds_it(self, store: Store) -> None:
        await store.put([decided()], [])
        (found,) = await store.find("assistants", "api.openai.com:443", "thread_1/run_1")

        assert found.call.digest != tool_call().digest
        assert await store.get([found.call.key]) == {found.call.key: found}
        assert await store.put([replace(found, trace="new")], []) == {found.call.key: found}

    # -- approvals

    @pytest.mark.parametrize(
        ("answer", "effect", "reasons"),
        [
            (None, Effect.REQUIRE_APPROVAL, []),
            (ApprovalState.APPROVED, Effect.ALLOW, []),
            (ApprovalState.DENIED, Effect.DENY, [Reason.APPROVAL_DENIED]),
        ],
    )
    async def test_decision_means_what_the_person_said(
        self, store: Store, answer: ApprovalState | None, effect: Effect, reasons: list[str]
    ) -> None:
        asked = pending()
        await store.put([asked], [])
        if answer:
            assert await resolve(store, asked, answer) is answer

        got = await one(store, asked.call.key)
        (found,) = await store.find("assistants", "api.openai.com:443", "thread_1/run_1")

        assert got.effect is found.effect is effect
        assert list(got.reasons) == ["SECRET_DETECTED", *reasons]
        assert got.approval
        assert got.approval.state is (answer or ApprovalState.PENDING)

    async def test_approved_call_with_sanitized_arguments_is_sanitized(self, store: Store) -> None:
        asked = replace(pending(), sanitized_arguments="{}")
        await store.put([asked], [])
        await resolve(store, asked, ApprovalState.APPROVED)

        assert (await one(store, asked.call.key)).effect is Effect.SANITIZE

    async def test_approval_expires(self, store: Store, clock: FakeClock) -> None:
        asked = pending(ttl_seconds=60)
        await store.put([asked], [])
        assert asked.approval

        clock.advance(59)
        before = await one(store, asked.call.key)
        clock.advance(1)
        after = await one(store, asked.call.key)

        assert before.effect is Effect.REQUIRE_APPROVAL
        assert after.effect is Effect.DENY
        assert after.reasons[-1] == Reason.APPROVAL_EXPIRED
        assert await store.approvals(ApprovalState.PENDING) == []
        (item,) = await store.approvals(ApprovalState.EXPIRED)
        assert item.approval == replace(asked.approval, state=ApprovalState.EXPIRED)

    async def test_expired_approval_cannot_be_given(self, store: Store, clock: FakeClock) -> None:
        asked = pending(ttl_seconds=60)
        await store.put([asked], [])
        clock.advance(60)

        state = await resolve(store, asked, ApprovalState.APPROVED, after=60)

        assert state is ApprovalState.EXPIRED
        assert (await one(store, asked.call.key)).effect is Effect.DENY
        assert await kinds(store) == []

    async def test_answer_is_kept_with_who_when_and_why(self, store: Store) -> None:
        asked = pending()
        await store.put([asked], [])
        assert asked.approval
        await resolve(store, asked, ApprovalState.DENIED, by="kim", after=5)

        item = await store.approval(asked.approval.id)

        assert item is not None
        assert item.approval == replace(
            asked.approval,
            state=ApprovalState.DENIED,
            decided_at=NOON + timedelta(seconds=5),
            decided_by="kim",
            note="fine",
        )
        assert item.decision.approval == item.approval
        assert item.decision.call.name == asked.call.name
        assert await kinds(store, by="kim") == ["approval"]

    async def test_second_answer_changes_nothing(self, store: Store) -> None:
        asked = pending()
        await store.put([asked], [])
        await resolve(store, asked, ApprovalState.DENIED)

        assert await resolve(store, asked, ApprovalState.APPROVED) is ApprovalState.DENIED
        assert (await one(store, asked.call.key)).effect is Effect.DENY
        assert await kinds(store) == ["approval"]

    async def test_of_concurrent_answers_one_wins(self, store: Store) -> None:
        asked = pending()
        await store.put([asked], [])
        answers = [ApprovalState.APPROVED, ApprovalState.DENIED] * 10

        states = await asyncio.gather(
            *(resolve(store, asked, answer, by=str(n)) for n, answer in enumerate(answers))
        )

        assert len(set(states)) == 1
        assert await kinds(store) == ["approval"]

    async def test_answer_to_one_call_is_not_good_for_another(self, store: Store) -> None:
        asked, other = pending(), pending(tool_call(arguments='{"text":"other"}'))
        await store.put([asked, other], [])
        await resolve(store, asked, ApprovalState.APPROVED)

        assert (await one(store, other.call.key)).effect is Effect.REQUIRE_APPROVAL

    async def test_unknown_approval_is_none(self, store: Store) -> None:
        assert await store.approval("apr_unknown") is None
        assert await store.approval("\ud800\x00") is None
        assert await resolve(store, pending(), ApprovalState.APPROVED) is None
        assert await store.records() == []

    async def test_pending_is_no_answer(self, store: Store) -> None:
        with pytest.raises(ValueError, match="pending"):
            await resolve(store, pending(), ApprovalState.PENDING)

    async def test_approval_can_be_closed_before_its_time(self, store: Store) -> None:
        asked, other = pending(), pending(tool_call("other"), ttl_seconds=60)
        await store.put([asked, other], [])

        assert await resolve(store, asked, ApprovalState.EXPIRED) is ApprovalState.EXPIRED
        assert (await one(store, asked.call.key)).reasons[-1] == Reason.APPROVAL_EXPIRED
        (closed,) = await store.approvals(ApprovalState.EXPIRED)
        (waiting,) = await store.approvals(ApprovalState.PENDING)
        assert (closed.decision.call.id, waiting.decision.call.id) == (asked.call.id, "other")
        assert await resolve(store, asked, ApprovalState.APPROVED) is ApprovalState.EXPIRED

    async def test_approvals_are_listed_by_state_oldest_first(self, store: Store) -> None:
        asked = [pending(tool_call(str(n))) for n in range(4)]
        await store.put(asked, [])
        await resolve(store, asked[1], ApprovalState.APPROVED)
        await resolve(store, asked[2], ApprovalState.DENIED)

        async def ids(state: ApprovalState | None = None) -> list[str]:
            return [item.decision.call.id for item in await store.approvals(state)]

        assert await ids() == ["0", "1", "2", "3"]
        assert await ids(ApprovalState.PENDING) == ["0", "3"]
        assert await ids(ApprovalState.APPROVED) == ["1"]
        assert await ids(ApprovalState.DENIED) == ["2"]

    async def test_only_what_waits_is_pending(self, store: Store, clock: FakeClock) -> None:
        asked = [pending(tool_call(str(n)), ttl_seconds=60) for n in range(4)]
        await store.put(asked, [])
        await resolve(store, asked[1], ApprovalState.APPROVED)
        await resolve(store, asked[2], ApprovalState.DENIED)
        ids = [a.approval.id for a in asked if a.approval]

        assert await store.pending([*ids, "apr_unknown"]) == {ids[0], ids[3]}
        assert await store.pending(ids[3:]) == {ids[3]}
        assert await store.pending([]) == frozenset()
        assert await store.pending([*ids, *map(str, range(1200))]) == {ids[0], ids[3]}
        clock.advance(60)
        assert await store.pending(ids) == frozenset()

    async def test_approval_for_a_time_stands_for_calls_just_like_it(
        self, store: Store, clock: FakeClock
    ) -> None:
        asked, once = pending(), pending(tool_call(arguments='{"text":"once"}'))
        await store.put([asked, once], [])
        until = NOON + timedelta(seconds=60)
        for item, good_until in ((asked, until), (once, None)):
            assert item.approval
            await store.resolve(
                item.approval.id,
                ApprovalState.APPROVED,
                by="kim",
                note="",
                at=NOON,
                record=record(item.trace, "approval"),
                good_until=good_until,
            )
        again = tool_call("call_2", scope="thread_1/run_2")

        found = await store.standing(again)

        assert found is not None
        assert found.approval.id == asked.approval.id  # type: ignore[union-attr]
        assert found.approval.good_until == until
        assert found.decision.trace == asked.trace
        for other in (
            tool_call("call_2", arguments='{"text":"once"}'),
            tool_call("call_2", arguments='{"text":"other"}'),
            tool_call("call_2", name="send_mail"),
            replace(again, agent="robin"),
            replace(again, assistant="asst_2"),
            replace(again, origin="other:443"),
            replace(again, surface=SurfaceName.CHAT),
        ):
            assert await store.standing(other) is None
        clock.advance(60)
        assert await store.standing(again) is None

    async def test_denied_call_stands_for_none(self, store: Store) -> None:
        asked = pending()
        await store.put([asked], [])
        await resolve(store, asked, ApprovalState.DENIED)

        assert await store.standing(tool_call("call_2")) is None

    async def test_approval_of_a_decision_that_lost_is_not_stored(self, store: Store) -> None:
        asked = pending()
        await store.put([decided(Effect.DENY)], [])
        await store.put([asked], [])
        assert asked.approval

        assert await store.approval(asked.approval.id) is None

    # -- records

    async def test_records_come_in_order_with_place_and_time(self, store: Store) -> None:
        await store.append([record(kind="start", n=1), record(n=2, seq="forged", at="forged")])
        await store.append([])

        first, second = await store.records()

        assert first["kind"] == "start"
        assert (first["seq"], second["seq"]) == (1, 2)
        assert second["at"] == "2030-01-01T12:00:00.000000Z"
        assert second["instance"]

    async def test_last_records_are_the_newest_in_order(self, store: Store) -> None:
        await store.append([record(n=n, parity="odd" if n % 2 else "even") for n in range(10)])

        async def numbers(last: int | None, **filters: str) -> list[Json]:
            return [r["n"] for r in await store.records(last=last, filters=filters)]

        assert await numbers(3) == [7, 8, 9]
        assert await numbers(2, parity="even") == [6, 8]
        assert await numbers(0) == []
        assert await numbers(0, parity="even") == []
        assert await numbers(100) == list(range(10))

    async def test_records_after_a_seq_are_all_later_ones(self, store: Store) -> None:
        await store.append([record(n=n) for n in range(5)])

        assert [r["n"] for r in await store.records(after=3)] == [3, 4]
        assert [r["n"] for r in await store.records(after=3, filters={"n": "4"})] == [4]
        assert [r["n"] for r in await store.records(after=1, last=2)] == [3, 4]
        assert await store.records(after=5) == []

    @pytest.mark.parametrize(
        ("filters", "matches"),
        [
            ({"decision": "deny"}, True),
            ({"decision": "DENY", "tool": "send_message"}, True),
            ({"decision": "deny", "tool": "other"}, False),
            ({"reasons": "secret_detected"}, True),
            ({"reasons": "SECRET"}, False),
            ({"status": "403"}, True),
            ({"kind": "CALL"}, True),
            ({"is_held": "true"}, True),
            ({"missing": ""}, False),
            ({"decision": ""}, False),
        ],
    )
    async def test_filter_compares_whole_values_without_case(
        self, store: Store, filters: Mapping[str, str], matches: bool
    ) -> None:
        reasons: list[Json] = ["PII_DETECTED", "SECRET_DETECTED"]
        await store.append(
            [
                record(
                    decision="DENY", tool="Send_Message", reasons=reasons, status=403, is_held=True
                )
            ]
        )

        assert bool(await store.records(filters=filters)) is matches

    # -- marks of conversations

    async def test_marks_stay_on_their_conversation(self, store: Store) -> None:
        await store.mark("talk", ["said:a", "read:b"])
        await store.mark("talk", ["read:b", "read:c"])
        await store.mark("other", ["said:d"])
        await store.mark("other", [])

        wanted = ["said:a", "said:b", "read:b", "read:c", "said:d"]
        assert await store.marked("talk", wanted) == {"said:a", "read:b", "read:c"}
        assert await store.marked("other", wanted) == {"said:d"}
        assert await store.marked("nobody", wanted) == frozenset()
        assert await store.marked("talk", []) == frozenset()

    async def test_many_and_odd_marks_are_kept_apart(self, store: Store) -> None:
        marks = [f"read:{n}" for n in range(1200)] + ODD_IDS
        await store.mark("talk", marks[::2])

        assert await store.marked("talk", marks) == set(marks[::2])

    async def test_names_of_a_conversation_lead_to_its_marks(self, store: Store) -> None:
        await store.mark("first", ["a"])
        await store.join("second", "first")
        await store.join("third", "second")
        await store.mark("third", ["b"])

        for name in ("first", "second", "third"):
            assert await store.marked(name, ["a", "b", "c"]) == {"a", "b"}

    async def test_name_stands_for_one_conversation_for_good(self, store: Store) -> None:
        await store.mark("one", ["a"])
        await store.mark("two", ["b"])
        await store.join("name", "one")
        await store.join("name", "two")
        await store.join("one", "one")

        assert await store.marked("name", ["a", "b"]) == {"a"}

    async def test_marks_from_before_the_name_was_known_count(self, store: Store) -> None:
        await store.mark("name", ["a"])
        await store.join("name", "one")
        await store.mark("one", ["b"])

        assert await store.marked("name", ["a", "b"]) == {"a", "b"}

    # -- closing

    async def test_closed_store_says_so(self, store: Store) -> None:
        await store.close()
        await store.close()

        with pytest.raises(StoreError, match="closed"):
            await store.get([tool_call().key])
        with pytest.raises(StoreError, match="closed"):
            await store.append([record()])

    # -- reading

    async def test_search_finds_newest_first_page_by_page(self, store: Store) -> None:
        await store.append([record(str(n), tool="pay" if n % 2 else "look") for n in range(9)])
        await store.append([record("x", "delivery", tool="pay")])
        wanted = Search(kinds=["call"], filters={"tool": "PAY"})

        first = await store.search(wanted, 3)
        assert first.older is not None
        second = await store.search(replace(wanted, before=first.older), 3)

        assert [found["trace"] for found in first.records] == ["7", "5", "3"]
        assert [found["trace"] for found in second.records] == ["1"]
        assert second.older is None
        assert (await store.search(Search(), 1)).records[0]["kind"] == "delivery"
        assert (await store.search(Search(filters={"kind": "delivery"}), 9)).older is None

    @pytest.mark.parametrize(
        "text",
        ["MUNICH", "50% off_", "münchen", '"city"', "a\\b", "deep", "\ud800", "\n"],
    )
    async def test_search_finds_text_in_any_value(self, store: Store, text: str) -> None:
        await store.append([record("other", arguments="500 offx")])
        said = '{"city": "Munich, MÜNCHEN", "x": "50% off_ a\\b \ud800 \n"}'
        await store.append([record("wanted", arguments=said, findings=[{"why": "deep"}])])

        page = await store.search(Search(text=text), 5)

        assert [found["trace"] for found in page.records] == ["wanted"]

    async def test_search_filters_by_lists_numbers_and_odd_texts(self, store: Store) -> None:
        await store.append([record("1", reasons=["SSRF", "PII_DETECTED"], status=403, tool='"é"')])
        await store.append([record("2", reasons=["SSRF_NOT"], status=4030, tool="e")])

        for filters in ({"reasons": "ssrf"}, {"status": "403"}, {"tool": '"É"'}, {"seq": "1"}):
            page = await store.search(Search(filters=filters), 5)
            assert [found["trace"] for found in page.records] == ["1"], filters

    async def test_newer_records_come_oldest_first(self, store: Store) -> None:
        await store.append([record(str(n)) for n in range(5)])
        last = await store.latest()

        found = await store.newer(last - 3, 2)

        assert [one["trace"] for one in found] == ["2", "3"]
        assert await store.newer(last, 2) == []

    async def test_latest_record_of_all_or_before_a_time(
        self, store: Store, clock: FakeClock
    ) -> None:
        assert await store.latest() == 0
        await store.append([record("1")])
        clock.advance(60)
        await store.append([record("2")])

        [first, second] = await store.records()
        assert await store.latest() == second["seq"]
        assert await store.latest(NOON + timedelta(seconds=30)) == first["seq"]
        assert await store.latest(NOON) == 0
