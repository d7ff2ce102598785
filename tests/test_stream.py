"""One stream through the gate: what goes out when, and what never does."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest

from callgate import stream as streams
from callgate.errors import CallgateError
from callgate.exchange import ApiError, Request, segments
from callgate.judgement import combine
from callgate.model import Effect, Verdict
from callgate.outcome import RefusedError, not_answerable
from callgate.sources import MessageSource, SseSource
from callgate.stream import CROWDED_BYTES, KEEP_ALIVE, GatedStream, Rest
from callgate.surfaces import endpoint_for, sse
from callgate.surfaces.base import Change, Group, message
from tests.deciding import call

TARGET = "/v1/threads/thread_1/runs"
TEXT = sse.event("thread.message.delta", '{"delta":{"content":[]}}')
DONE = sse.event("done", "[DONE]")


def word(text: str) -> bytes:
    content = [{"index": 0, "type": "text", "text": {"value": text}}]
    delta = json.dumps({"delta": {"content": content}}, separators=(",", ":"))
    return sse.event("thread.message.delta", delta)


def asks(id: str = "call_1") -> bytes:
    call = {"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    run = {
        "id": "run_1",
        "thread_id": "thread_1",
        "status": "requires_action",
        "required_action": {"submit_tool_outputs": {"tool_calls": [call]}},
    }
    return sse.event("thread.run.requires_action", json.dumps(run))


def begun() -> bytes:
    """A step whose calls are to be told in pieces."""
    step = {
        "id": "step_1",
        "run_id": "run_1",
        "thread_id": "thread_1",
        "status": "in_progress",
        "step_details": {"type": "tool_calls", "tool_calls": []},
    }
    return sse.event("thread.run.step.created", json.dumps(step))


def piece(arguments: str) -> bytes:
    told: dict[str, object] = {"index": 0, "id": "call_1", "type": "function"}
    told["function"] = {"name": "look", "arguments": arguments}
    delta = {"id": "step_1", "delta": {"step_details": {"tool_calls": [told]}}}
    return sse.event("thread.run.step.delta", json.dumps(delta))


class Judge:
    """Lets a group out when the test says so."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.failure: Exception | None = None
        self.instead: bytes | None = None
        self.was_cancelled = False
        self.asked: list[str] = []

    async def __call__(self, group: Group, rest: Rest) -> AsyncIterator[bytes]:
        self.asked += [call.id for turn in group.turns for call in turn.calls]
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if self.failure:
            raise self.failure
        if self.instead is not None:
            rest.is_replaced = True
            yield self.instead
            return
        for event in group.render(Change(), b""):
            yield event


def opened(
    judge: streams.Judge, *, limit: int = 1 << 20, encoding: str = "", observes: bool = False
) -> GatedStream:
    endpoint = endpoint_for("POST", segments(TARGET))
    assert endpoint is not None
    request = Request("POST", "https", "api.test", 443, TARGET)

    def refusal(error: ApiError) -> bytes:
        return endpoint.surface.error_event({**error.as_json()["error"]}, sse.event)

    return GatedStream(
        endpoint.surface.open_events(endpoint, request, sse.event),
        judge,
        refusal,
        source=SseSource(encoding, 1 << 20),
        max_held_bytes=limit,
        observes=observes,
    )


def error_in(raw: bytes) -> dict[str, str]:
    assert raw.startswith(b"event: error\ndata: ")
    error: dict[str, str] = json.loads(raw.split(b"data: ", 1)[1])["error"]
    return error


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_text_goes_past_held_calls_and_the_rest_waits_behind_them() -> None:
    judge = Judge()
    stream = opened(judge)
    stream.feed(asks() + DONE + TEXT)
    await settled()
    assert stream.take() == b""
    await asyncio.wait_for(stream.wait(60), 30)
    assert stream.take() == TEXT
    stream.feed(TEXT + DONE + TEXT)
    assert stream.take() == TEXT + TEXT
    assert stream.is_holding
    judge.go.set()
    await settled()
    assert stream.take() == asks() + DONE + DONE
    stream.finish()
    assert stream.is_over


@pytest.mark.parametrize(("order_seconds", "pause"), [(60.0, 0), (0.3, 0.6)])
async def test_text_keeps_its_place_behind_calls_that_are_decided_at_once(
    order_seconds: float, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ORDER_SECONDS", order_seconds)
    judge = Judge()
    judge.go.set()
    stream = opened(judge)
    stream.feed(asks() + TEXT + DONE)
    await asyncio.sleep(pause)
    stream.feed(TEXT)
    await settled()
    assert stream.take() == asks() + TEXT + DONE + TEXT


async def test_text_like_the_text_before_goes_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ORDER_SECONDS", 60.0)  # whatever the machine does meanwhile
    judge = Judge()
    gated = opened(judge)
    for content in (word("a"), word("b"), word("c") + TEXT, word("d")):
        gated.feed(content)
        assert gated.take() == content

    gated.feed(asks())
    for content in (word("e"), word("f")):
        gated.feed(content)
    judge.go.set()
    await gated.wait(30)
    assert gated.take() == asks() + word("e") + word("f")


async def test_end_waits_for_the_verdict() -> None:
    judge = Judge()
    stream = opened(judge)
    stream.feed(asks())
    stream.finish()
    assert not stream.is_over
    judge.go.set()
    await stream.wait(30)
    assert stream.take() == asks()
    assert stream.is_over


async def test_silence_is_broken_by_comments_between_events() -> None:
    judge = Judge()
    stream = opened(judge)
    stream.feed(asks() + asks("call_2")[:20])
    await stream.wait(0.01)
    assert stream.take() == KEEP_ALIVE == b": callgate\n"
    assert stream.is_holding
    judge.go.set()


async def test_waiting_returns_at_once_when_there_is_nothing_to_wait_for() -> None:
    stream = opened(Judge())
    await asyncio.wait_for(stream.wait(60), 30)
    stream.feed(TEXT)
    await asyncio.wait_for(stream.wait(60), 30)
    assert stream.take() == TEXT


@pytest.mark.parametrize(
    ("failure", "said"),
    [(CallgateError("the store is full"), "the store is full"), (KeyError("secret"), "KeyError")],
)
async def test_judge_that_fails_ends_the_stream_with_an_error_and_releases_nothing(
    failure: Exception, said: str
) -> None:
    judge = Judge()
    judge.failure = failure
    stream = opened(judge)
    stream.feed(TEXT + asks() + DONE)
    judge.go.set()
    tasks = list(stream._tasks)
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()
    raw = stream.take().removeprefix(TEXT)
    error = error_in(raw)
    assert error["code"] == "callgate_unavailable"
    assert said in error["message"]
    assert "secret" not in raw.decode()
    assert stream.is_aborted
    assert stream.is_over
    stream.feed(TEXT)
    stream.finish()
    assert stream.take() == b""


async def test_turn_that_may_not_go_on_ends_with_what_is_said_of_its_call() -> None:
    judge = Judge()
    denied = combine(call("wipe"), [Verdict("s", Effect.DENY, ("POLICY_DENIED",), trace="t")])
    judge.failure = RefusedError(not_answerable(denied))
    stream = opened(judge)
    stream.feed(TEXT + asks() + DONE)
    judge.go.set()
    await settled()
    error = error_in(stream.take().removeprefix(TEXT))
    assert (error["code"], error["type"]) == ("tool_call_denied", "permission_error")
    assert "'call_1' (wipe) was denied [POLICY_DENIED] (trace t)" in error["message"]
    assert stream.is_over


async def test_judge_that_fails_in_observe_mode_lets_the_calls_pass() -> None:
    judge = Judge()
    judge.failure = CallgateError("no")
    stream = opened(judge, observes=True)
    stream.feed(asks() + DONE)
    judge.go.set()
    await settled()
    assert stream.take() == asks() + DONE
    assert not stream.is_aborted


async def test_client_that_is_gone_stops_the_judging_and_gets_nothing() -> None:
    judge = Judge()
    stream = opened(judge)
    stream.feed(asks())
    await settled()
    stream.cancel()
    await settled()
    assert judge.was_cancelled
    assert stream.take() == b""
    assert not stream.is_holding


async def test_stream_that_is_continued_by_another_ends_with_that() -> None:
    judge = Judge()
    judge.instead = TEXT + DONE
    stream = opened(judge)
    stream.feed(asks() + DONE)
    judge.go.set()
    await settled()
    assert stream.take() == TEXT + DONE
    assert stream.is_over
    assert stream.is_aborted, "nothing of the first stream is wanted any more"


async def test_what_comes_behind_a_stream_that_was_continued_is_neither_judged_nor_sent() -> None:
    judge = Judge()
    judge.instead = TEXT + DONE
    stream = opened(judge)
    stream.feed(asks())
    judge.go.set()
    await settled()
    stream.feed(sse.event("thread.run.queued", "{}") + asks("call_2") + DONE)
    await settled()
    assert stream.take() == TEXT + DONE
    assert stream.is_over
    assert judge.asked == ["call_1"]


NO_STREAM = {
    "bare JSON": b'{"id": "run_1"}\n\n',
    "broken": b"data: {\n\n",
    "two readings": b'data: {"a":1,"a":2}\n\n',
    "not UTF-8": b"data: \xff\n\n",
}


@pytest.mark.parametrize("raw", NO_STREAM.values(), ids=NO_STREAM)
async def test_stream_that_can_not_be_read_ends_with_an_error(raw: bytes) -> None:
    stream = opened(Judge())
    stream.feed(TEXT + raw + TEXT)
    assert error_in(stream.take().removeprefix(TEXT))["code"] == "response_not_inspectable"
    assert stream.is_over


@pytest.mark.parametrize("raw", NO_STREAM.values(), ids=NO_STREAM)
async def test_stream_that_can_not_be_read_passes_whole_in_observe_mode(raw: bytes) -> None:
    judge = Judge()
    judge.go.set()
    stream = opened(judge, observes=True)
    stream.feed(TEXT + raw)
    stream.feed(asks())
    stream.finish()
    await settled()
    assert stream.take() == TEXT + raw + asks()


@pytest.mark.parametrize("observes", [False, True])
async def test_fault_of_our_own_in_reading_ends_the_stream_but_for_observe(
    observes: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: object, event: object) -> None:
        raise TypeError("unhashable")

    stream = opened(Judge(), observes=observes)
    monkeypatch.setattr(type(stream._events), "feed", fail)
    stream.feed(TEXT + asks())
    stream.finish()

    out = stream.take()
    assert "a stream's reader failed" in caplog.text
    assert (out == TEXT + asks()) is observes
    if not observes:
        assert error_in(out)["code"] == "response_not_inspectable"
        assert "TypeError" in error_in(out)["message"]


async def test_what_is_held_is_bounded() -> None:
    stream = opened(Judge(), limit=2000)
    stream.feed(begun())
    assert stream.take() == b""
    stream.feed(piece("x" * 2000))
    raw = stream.take()
    assert error_in(raw)["code"] == "response_not_inspectable"
    assert b"xxx" not in raw


async def test_api_is_read_no_further_while_much_waits_for_a_verdict() -> None:
    judge = Judge()
    stream = opened(judge)
    filler = sse.event("thread.run.queued", json.dumps({"x": "x" * (CROWDED_BYTES // 2)}))
    stream.feed(filler + filler + filler)
    assert stream.take() == filler * 3
    assert not stream.is_crowded, "nothing of it waits"
    stream.feed(asks() + filler)
    waiting = asyncio.ensure_future(stream.wait(60))
    await settled()
    assert not stream.is_crowded
    assert not waiting.done()
    stream.feed(filler)
    await asyncio.wait_for(waiting, 30)
    assert stream.is_crowded
    judge.go.set()
    await settled()
    assert stream.take() == asks() + filler * 2
    assert not stream.is_crowded


async def test_api_is_read_on_while_a_call_is_being_told_however_long_it_is() -> None:
    stream = opened(Judge())
    stream.feed(begun() + piece("x" * 2 * CROWDED_BYTES))
    assert stream.take() == b""
    assert not stream.is_crowded, "its end would never come"


async def test_compressed_streams_are_read() -> None:
    judge = Judge()
    judge.go.set()
    stream = opened(judge, encoding="gzip")
    packed = gzip.compress(TEXT + asks() + DONE, mtime=0)
    for start in range(0, len(packed), 9):
        stream.feed(packed[start : start + 9])
    stream.finish()
    await settled()
    assert stream.take() == TEXT + asks() + DONE
    broken = opened(judge, encoding="gzip")
    broken.feed(b"no gzip at all")
    assert error_in(broken.take())["code"] == "response_not_inspectable"


@pytest.mark.parametrize("size", [10, -4])
@pytest.mark.parametrize("observes", [False, True])
async def test_compressed_stream_that_is_cut_off_ends_with_an_error(
    size: int, observes: bool
) -> None:
    stream = opened(Judge(), encoding="gzip", observes=observes)
    stream.feed(gzip.compress(TEXT + asks(), mtime=0)[:size])
    stream.finish()
    raw = stream.take().removeprefix(TEXT)
    assert stream.is_aborted is not observes
    if observes:
        return
    assert "cut off" in error_in(raw)["message"]
    assert not stream.is_holding


async def test_event_that_ends_with_the_stream_is_judged() -> None:
    judge = Judge()
    stream = opened(judge)
    stream.feed(asks().rstrip(b"\n"))
    stream.finish()
    assert stream.is_holding
    judge.go.set()
    await settled()
    assert stream.take() == asks().rstrip(b"\n")
    late = opened(judge)
    late.feed(b"data: {")
    late.finish()
    assert error_in(late.take())["code"] == "response_not_inspectable"


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_call_that_is_still_being_told_when_the_stream_ends_is_judged(
    is_allowed: bool,
) -> None:
    judge = Judge()
    raw = begun() + piece("{}")
    judge.failure = None if is_allowed else CallgateError("no")
    stream = opened(judge)
    stream.feed(raw)
    assert not stream.is_holding, "the call may go on"
    stream.finish()
    await settled()
    assert judge.asked == ["call_1"]
    assert stream.take() == b""
    judge.go.set()
    await settled()
    sent = stream.take()
    assert sent == raw if is_allowed else error_in(sent)["code"] == "callgate_unavailable"
    assert stream.is_over


async def test_stream_that_the_api_breaks_off_ends_with_an_error_and_without_the_call() -> None:
    stream = opened(Judge())
    stream.feed(TEXT + asks())
    assert stream.break_off("peer closed")
    assert stream.take().startswith(TEXT)
    stream = opened(Judge())
    stream.feed(asks())
    stream.break_off("peer closed")
    error = error_in(stream.take())
    assert (error["code"], error["type"]) == ("stream_broken_off", "api_error")
    assert "peer closed" in error["message"]
    assert stream.is_over
    assert stream.is_broken_off
    assert not stream.break_off("again")


async def test_observed_stream_is_broken_off_as_the_api_does_it() -> None:
    stream = opened(Judge(), observes=True)
    assert not stream.break_off("peer closed")
    assert not stream.is_broken_off


async def test_observed_stream_that_can_not_be_read_gets_nothing_of_our_own() -> None:
    stream = opened(Judge(), observes=True)
    stream.feed(b"event: thread.run.requires_action\ndata: {\n\n")
    assert stream.take_events() == [b"event: thread.run.requires_action\ndata: {\n\n"]


async def test_scope_of_a_socket_is_its_session_once_the_api_has_told_it() -> None:
    request = Request("GET", "https", "api.test", 443, "/v1/realtime?model=gpt-realtime")
    endpoint = endpoint_for("GET", segments(request.target))
    assert endpoint is not None
    stream = GatedStream(
        endpoint.surface.open_events(endpoint, request, message),
        Judge(),
        lambda error: error.message.encode(),
        source=MessageSource(),
        max_held_bytes=1 << 20,
    )
    created = {"type": "session.created", "session": {"id": "sess_1"}}
    assert stream.scope == ""
    stream.feed(json.dumps(created).encode())
    assert stream.scope == "sessions/sess_1"


async def test_calls_behind_a_replaced_group_are_judged_no_further() -> None:
    finished: list[str] = []

    async def judge(group: Group, rest: Rest) -> AsyncIterator[bytes]:
        id = group.turns[0].calls[0].id
        await asyncio.sleep(0 if id == "call_1" else 0.05)
        rest.is_replaced = id == "call_1"
        finished.append(id)
        yield b"other events"

    stream = opened(judge)
    stream.feed(asks() + asks("call_2"))
    await settled()
    assert stream.take() == b"other events"
    assert stream.is_over
    await asyncio.sleep(0.1)
    assert finished == ["call_1"]
