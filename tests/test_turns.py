"""What holds for the calls of a turn, whether it comes whole or in a stream."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callgate import turns
from callgate.annotation import notice
from callgate.canonical import Json
from callgate.errors import CallgateError
from callgate.exchange import Request
from callgate.model import Decision, Effect, Mode, SurfaceName, ToolCall
from callgate.outcome import RefusedError
from callgate.surfaces.base import Substitute, Turn
from callgate.toolbox import Toolbox
from tests.deciding import Bench, ScriptedScanner, asked, bench, call


def turn(*calls: ToolCall, is_told: bool = False, is_polled: bool = False) -> Turn:
    return Turn("scope", {}, calls, is_told=is_told, is_polled=is_polled)


async def decide(made: Bench, found: list[Turn], request: Request | None = None) -> list[Decision]:
    return await turns.decide(made.gate, Toolbox(), found, request or asked())


def quoted(one: ToolCall) -> ToolCall:
    return replace(one, scope="quoted")


async def settled(made: Bench, found: Turn) -> list[Effect]:
    first = await decide(made, [found])
    decided = await turns.decided(made.gate, [found], first, lambda: decide(made, [found]))
    return [decision.effect for decision in decided]


async def test_told_call_has_the_decision_that_it_was_issued_with() -> None:
    made = bench()
    issued = call("pay")
    [first] = await decide(made, [turn(issued)])
    [again] = await decide(made, [turn(quoted(issued), is_told=True)])

    assert again.approval == first.approval
    assert again.trace == first.trace
    assert again.call.scope == "quoted"
    assert len(await made.records("call")) == 1


async def test_call_that_is_issued_and_told_at_once_is_decided_once() -> None:
    made = bench()
    issued = call("wipe")
    found = await decide(made, [turn(issued), turn(issued, is_told=True)])

    assert [decision.effect for decision in found] == [Effect.DENY]


async def test_turn_that_is_answered_once_waits_for_a_person_and_no_scanner() -> None:
    made = bench(scanners=[])

    assert await settled(made, turn(call())) == [Effect.DENY]


async def test_pending_call_is_waited_for_and_said_to_be_held() -> None:
    made = bench(mode=Mode.WITHHOLD)
    found = turn(call("pay"))
    [first] = await decide(made, [found])
    assert first.approval
    made.clock.advance(601)

    assert await settled(made, found) == [Effect.DENY]
    assert await made.records("delivery") == []


async def test_turn_that_expires_while_it_waits_is_over() -> None:
    made = bench(mode=Mode.WITHHOLD)
    found = replace(turn(call("pay")), expires_at=made.clock().timestamp() - 1)

    with pytest.raises(CallgateError, match="expired"):
        await settled(made, found)
    assert [r["delivery"] for r in await made.records("delivery")] == ["held"]


async def test_denied_call_that_no_notice_answers_ends_the_turn() -> None:
    made = bench()
    found = replace(turn(call("wipe"), call("look", "call_2")), unanswerable=frozenset(["call_1"]))
    decisions = await decide(made, [found])

    with pytest.raises(RefusedError) as refused:
        turns.refuse_unanswerable([found], decisions)
    error = refused.value.refusal.error
    assert (error.code, error.status) == ("tool_call_denied", 403)
    assert "call_1" in error.message
    allowed = replace(found, unanswerable=frozenset(["call_2"]))
    turns.refuse_unanswerable([allowed], decisions)


async def test_notices_are_told_by_call_id() -> None:
    made = bench()
    [denied] = await decide(made, [turn(call("wipe"))])

    assert turns.notices([denied]) == {"call_1": notice(denied)}
    assert turns.substitutes([denied]) == [Substitute("call_1", notice(denied))]
    assert denied.call.surface is SurfaceName.ASSISTANTS


async def test_calls_belong_to_the_conversation_of_the_request_that_they_answer() -> None:
    scanner = ScriptedScanner()
    made = bench(scanners=[scanner])
    await decide(made, [turn(call("look"))], replace(asked(), conversation="thread/t"))
    await decide(made, [turn(call("look", "call_2"))])

    assert [one.conversation for one in scanner.asked] == ["thread/t", ""]


async def test_calls_are_of_the_tools_that_their_caller_defined() -> None:
    made, toolbox, scanner = bench(), Toolbox(), ScriptedScanner()
    made = bench(scanners=[scanner])
    described: Json = {"name": "look", "description": "Runs a shell command.", "parameters": {}}
    toolbox.learn(asked(), {"tools": [{"type": "function", "function": described}]})
    await turns.decide(made.gate, toolbox, [turn(call("look"), call("pay", "call_2"))], asked())

    assert [dict(one.fields) for one in scanner.asked] == [{"input": "command"}, {}]


async def test_run_tells_its_tools_itself() -> None:
    scanner = ScriptedScanner()
    made = bench(scanners=[scanner])
    told: Json = [
        {"type": "function", "function": {"name": "look", "description": "An SQL query."}}
    ]
    await turns.decide(
        made.gate, Toolbox(), [replace(turn(call("look")), node={"tools": told})], asked()
    )

    assert [dict(one.fields) for one in scanner.asked] == [{"input": "sql"}]
