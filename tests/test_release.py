"""What the app gets of held events in each mode: a real gate behind a stream."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from callgate import release
from callgate.model import Mode
from callgate.outcome import Forward
from callgate.stream import GatedStream
from tests.deciding import (
    DONE,
    Api,
    Bench,
    ScriptedScanner,
    allow,
    asked,
    at,
    bench,
    failing,
    secret,
    told,
    tool,
)

LOOK, WIPE, PAY = tool("look", "call_a"), tool("wipe", "call_d"), tool("pay", "call_p")
RUNS = "/v1/threads/thread_1/runs"


async def flow(made: Bench, *events: bytes, seconds: float = 30) -> bytes:
    """Everything that the app gets of a stream."""
    stream = opened(made)
    for event in events or made.api.events():
        stream.feed(event)
    stream.finish()
    return await drained(stream, seconds)


def opened(made: Bench) -> GatedStream:
    request = asked("POST", RUNS)
    return made.enforcement.open_stream(at(request), request, "")


async def drained(stream: GatedStream, seconds: float = 30) -> bytes:
    got = bytearray(stream.take())
    async with asyncio.timeout(seconds):
        while stream.is_holding:
            await stream.wait(15)
            got += stream.take()
    return bytes(got + stream.take())


def shown(raw: bytes) -> list[str]:
    """Ids of the calls that a stream shows."""
    ids = []
    for event in raw.split(b"\n\n"):
        if b"event: thread.run.requires_action" in event:
            run: Any = json.loads(event.split(b"data: ", 1)[1])
            ids += [c["id"] for c in run["required_action"]["submit_tool_outputs"]["tool_calls"]]
    return ids


async def kinds(made: Bench) -> list[tuple[str, str]]:
    return [
        (str(r.get("call")), str(r.get("delivery") or r.get("outcome")))
        for r in await made.records()
        if r["kind"] in ("delivery", "result")
    ]


@pytest.mark.parametrize("mode", Mode)
async def test_allowed_calls_keep_their_bytes_but_for_one_comment(mode: Mode) -> None:
    made = bench([LOOK], mode=mode)
    raw = b"".join(made.api.events())
    got = await flow(made)
    lines = [line for line in got.split(b"\n") if line.startswith(b": callgate ")]
    assert len(lines) == 1
    assert got.replace(lines[0] + b"\n", b"") == raw
    assert b'"call_a";decision=allow' in lines[0]
    assert (
        got.index(lines[0]) == got.index(b"event: thread.run.requires_action") - len(lines[0]) - 1
    )
    assert await kinds(made) == [("call_a", "delivered")]


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.ENFORCE])
async def test_denied_calls_are_delivered_and_annotated(mode: Mode) -> None:
    made = bench([LOOK, WIPE], mode=mode)
    got = await flow(made)
    assert shown(got) == ["call_a", "call_d"]
    assert b'"call_d";decision=deny;reason="POLICY_DENIED"' in got


async def test_redacted_arguments_take_the_place_of_the_raw_ones() -> None:
    made = bench([tool("look", "call_a", json.dumps({"key": secret()}))])
    got = await flow(made)
    assert secret().encode() not in got
    assert b"REDACTED" in got
    assert await kinds(made) == [("call_a", "sanitized")]
    observed = bench([tool("look", "call_a", json.dumps({"key": secret()}))], mode=Mode.OBSERVE)
    assert secret().encode() in await flow(observed)


async def test_withhold_hides_denied_calls_and_shows_their_siblings() -> None:
    made = bench([LOOK, WIPE], mode=Mode.WITHHOLD)
    got = await flow(made)
    assert shown(got) == ["call_a"]
    assert b"wipe" not in got
    assert set(await kinds(made)) == {("call_d", "withheld"), ("call_a", "delivered")}


async def test_run_whose_calls_are_all_denied_goes_on_in_the_same_stream() -> None:
    made = bench([WIPE], [tool("wipe", "call_e")], mode=Mode.WITHHOLD)
    got = await flow(made)
    assert b"hello" in got or b"thread.message.delta" in got
    assert got.count(DONE) == 1
    assert got.endswith(DONE)
    assert b"wipe" not in got
    assert [list(one) for one in made.api.submitted] == [["call_d"], ["call_e"]]
    assert all(json.loads(r.body)["stream"] is True for r in made.api.sent if r.method == "POST")
    assert ("call_d", "added") in await kinds(made)


async def test_denied_rounds_are_followed_a_limited_number_of_times() -> None:
    made = bench(*([tool("wipe", f"call_{n}")] for n in range(12)), mode=Mode.WITHHOLD)
    got = await flow(made)
    assert b"8 rounds of denied tool calls" in got
    assert got.startswith(b"event: error")


@pytest.mark.parametrize("status", [0, 400, 500])
async def test_notices_that_are_not_taken_end_the_stream_with_an_error(status: int) -> None:
    made = bench([WIPE], mode=Mode.WITHHOLD)
    made.api.intercept = failing(status, "submit_tool_outputs")
    got = await flow(made)
    assert got.startswith(b"event: error")
    assert b"callgate_unavailable" in got
    assert b"wipe" not in got


@pytest.mark.parametrize(("approve", "ids"), [(True, ["call_a", "call_p"]), (False, ["call_a"])])
async def test_pending_call_is_held_until_a_person_decides(approve: bool, ids: list[str]) -> None:
    made = bench([LOOK, PAY], mode=Mode.WITHHOLD)
    stream = opened(made)
    for event in made.api.events():
        stream.feed(event)
    stream.finish()
    await asyncio.sleep(0.3)
    assert stream.take() == b""
    [item] = await made.approvals.pending()
    decide = made.approvals.approve if approve else made.approvals.deny
    await decide(item.approval.id, "kim")
    assert shown(await drained(stream)) == ids
    assert ("call_p", "held") in await kinds(made)


async def test_run_that_expires_while_a_call_waits_ends_clearly() -> None:
    made = bench([PAY], mode=Mode.WITHHOLD)
    run = {**made.api.run(), "expires_at": time.time() + 0.2}  # noqa: TID251  the API's clock
    got = await flow(made, told("thread.run.requires_action", run), DONE)
    assert got.startswith(b"event: error")
    assert b"expired" in got


async def test_scanner_that_fails_holds_the_stream_until_it_is_back() -> None:
    scanner = ScriptedScanner(RuntimeError("down"), allow())
    made = bench([LOOK], mode=Mode.WITHHOLD, scanners=[scanner])
    assert shown(await flow(made)) == ["call_a"]


async def test_run_that_names_no_calls_is_looked_up() -> None:
    made = bench(api=Api([WIPE], names_calls=False), mode=Mode.WITHHOLD)
    got = await flow(made)
    assert made.api.submitted
    assert got.endswith(DONE)
    allowed = bench(api=Api([LOOK], names_calls=False), mode=Mode.WITHHOLD)
    assert b"requires_action" in await flow(allowed)


async def test_hidden_calls_of_a_step_alone_are_answered_at_the_end_of_the_stream() -> None:
    made = bench([WIPE], mode=Mode.WITHHOLD)
    got = await flow(made, told("thread.run.step.created", made.api.steps()["data"][0]), DONE)
    assert made.api.submitted
    assert b"wipe" not in got
    assert got.endswith(DONE)


async def test_event_with_a_picture_passes_and_one_beyond_the_limit_does_not() -> None:
    made = bench(choices={"max_bytes": 12 << 20})
    request = asked("POST", "/v1/responses")
    for size, passes in ((9 << 20, True), (13 << 20, False)):
        picture = {"type": "image_generation_call", "id": "ig_1", "result": "A" * size}
        told = {"type": "response.output_item.done", "output_index": 0, "item": picture}
        event = f"data: {json.dumps(told)}\n\n".encode()
        stream = made.enforcement.open_stream(at(request), request, "")
        for start in range(0, len(event), 1 << 20):
            stream.feed(event[start : start + (1 << 20)])
        stream.finish()
        assert (await drained(stream) == event) is passes
        assert stream.is_aborted is not passes


async def test_stream_goes_on_under_the_name_that_it_tells() -> None:
    made = bench()
    body = json.dumps({"model": "m", "input": "pay bob@x.example", "stream": True}).encode()
    request = replace(asked("POST", "/v1/responses"), body=body)
    outcome = await made.enforcement.check_request(at(request), request)
    assert isinstance(outcome, Forward)
    request = replace(request, conversation=outcome.conversation)
    stream = made.enforcement.open_stream(at(request), request, "")
    begun = {"id": "resp_1", "status": "in_progress", "output": []}
    stream.feed(told("response.created", {"type": "response.created", "response": begun}))
    stream.finish()
    await drained(stream)

    name = json.dumps(["responses", "api.openai.com:443", "responses/resp_1"])
    for _ in range(50):  # the name is stored beside the stream
        await asyncio.sleep(0)
    assert await made.store.marked(name, ["said:mail:bob@x.example"])


async def test_step_of_a_stream_that_stays_open_is_answered_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(release, "_OPEN_SECONDS", 0.01)
    made = bench([WIPE], mode=Mode.WITHHOLD)
    stream = opened(made)
    stream.feed(told("thread.run.step.created", made.api.steps()["data"][0]))
    assert await drained(stream) == b""
    assert [list(one) for one in made.api.submitted] == [["call_d"]]
    for event in made.api.events():
        stream.feed(event)
    stream.finish()
    assert await drained(stream) == b"".join(made.api.events())


@pytest.mark.parametrize("approve", [True, False])
async def test_calls_that_a_run_does_not_name_wait_for_a_person_too(approve: bool) -> None:
    made = bench(api=Api([PAY], names_calls=False), mode=Mode.WITHHOLD)
    raw = b"".join(made.api.events())
    flowing = asyncio.ensure_future(flow(made))
    [item] = await made.pending()
    assert not flowing.done()
    decide = made.approvals.approve if approve else made.approvals.deny
    await decide(item.approval.id, "kim")
    got = await flowing
    assert got.endswith(raw) is approve
    assert (b"requires_action" in got) is approve
    assert [list(one) for one in made.api.submitted] == ([] if approve else [["call_p"]])
    assert ("call_p", "held") in await kinds(made)


class Hasty(Api):
    """Ends its streams with the last event, and that without the blank line."""

    def events(self) -> list[bytes]:
        return [b"".join(super().events()).removesuffix(DONE).rstrip()]


async def test_event_that_ends_the_stream_of_the_next_round_is_judged_and_passed_on() -> None:
    allowed = bench(api=Hasty([tool("wipe", "call_1")], [LOOK]), mode=Mode.WITHHOLD)
    assert shown(await flow(allowed)) == ["call_a"]
    denied = bench(api=Hasty([tool("wipe", "call_1")], [WIPE]), mode=Mode.WITHHOLD)
    got = await flow(denied)
    assert b"wipe" not in got
    assert b"thread.run.completed" in got
    assert [list(one) for one in denied.api.submitted] == [["call_1"], ["call_d"]]


async def test_call_is_annotated_where_it_waits_and_not_where_it_is_told_again() -> None:
    made = bench([LOOK])
    first = made.api.events()[0]
    made.api.done.append(made.api.rounds.pop(0))
    again = told("thread.run.step.completed", made.api.steps()["data"][0])
    got = await flow(made, first, again, DONE)
    assert got.startswith(b": callgate ")
    assert got.count(b": callgate ") == 1
    assert got.endswith(first + again + DONE)


@pytest.mark.parametrize("mode", Mode)
async def test_messages_of_a_websocket_are_not_annotated(mode: Mode) -> None:
    made = bench(mode=mode)
    upgrade = asked("GET", "/v1/realtime?model=gpt-realtime")
    stream = made.enforcement.open_socket(at(upgrade), upgrade)
    item = {"id": "item_1", "type": "function_call", "call_id": "call_1", "name": "look"}
    item["arguments"] = "{}"
    messages = [
        json.dumps({"type": "session.created", "session": {"id": "sess_1"}}).encode(),
        json.dumps({"type": "response.output_item.done", "item": item}).encode(),
    ]
    for one in messages:
        stream.feed(one)
    assert await drained(stream) == b"".join(messages)
    assert await kinds(made) == [("call_1", "delivered")]
