"""Chunks of Chat Completions: what is held, what goes past, and what SDKs make of the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.errors import BodyError
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Passing
from callgate.surfaces.chat_events import ChatEvents
from callgate.surfaces.sse import SseReader
from tests.surfaces.chat_objects import (
    RECORDED,
    Json,
    call,
    chunk,
    delta,
    groups,
    judged,
    out,
    parts,
    piece,
    pieces,
    request,
    sdk_calls,
    sdk_stream,
    stream,
)

A, B = call("call_a"), call("call_b", "wipe", '{"y":[1,2]}')
START = chunk(delta(role="assistant", content=""))
FINISH = chunk(delta(finish="tool_calls"))
USAGE = chunk(usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
WHOLE = stream(START, chunk(delta(content="Hi")), *pieces(A), *pieces(B, 1), FINISH, USAGE)
LEGACY = {"name": "look", "arguments": "{}"}
BOTH = [("call_a", "look", '{"x":1}'), ("call_b", "wipe", '{"y":[1,2]}')]


def custom_pieces(text: str = "print(1)") -> list[Json]:
    return [
        chunk(
            delta(
                tool_calls=[
                    {
                        "index": 0,
                        "id": "call_c",
                        "type": "custom",
                        "custom": {"name": "code", "input": text[:3]},
                    }
                ]
            )
        ),
        chunk(delta(tool_calls=[{"index": 0, "custom": {"input": text[3:]}}])),
    ]


def legacy(*bits: str, name: str = "look") -> list[Json]:
    told: list[Json] = [{"name": name}, *({"arguments": bit} for bit in bits)]
    return [chunk(delta(function_call=one)) for one in told]


def data_of(raw: bytes) -> list[Any]:
    return [
        json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: {")
    ]


# -- what is found ------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 97))
def test_calls_are_found_whole_and_allowed_bytes_stay_as_they_are(cut: int) -> None:
    found = parts(WHOLE, [cut])

    assert judged(found) == BOTH
    assert out(found) == WHOLE
    assert sdk_calls(sdk_stream(WHOLE)) == BOTH


def test_empty_finish_reason_finishes_nothing() -> None:
    bits = [json.loads(json.dumps(bit)) for bit in (START, *pieces(A), *pieces(B, 1))]
    for bit in bits:
        bit["choices"][0]["finish_reason"] = ""
    told = stream(*bits, FINISH, USAGE)
    found = parts(told)

    assert judged(found) == BOTH == sdk_calls(sdk_stream(told))
    assert out(found) == told
    assert sdk_calls(sdk_stream(out(found, Change(hidden={"call_a": "no"})))) == BOTH[1:]


def test_stream_byte_by_byte_is_the_same() -> None:
    found = parts(WHOLE, range(1, len(WHOLE)))

    assert judged(found) == BOTH
    assert out(found) == WHOLE


def test_text_goes_at_once_and_calls_wait_for_their_finish() -> None:
    events = ChatEvents(request(), sse.event)
    reader = SseReader(1 << 20)
    held = stream(*pieces(A), done=False)
    kinds = [
        type(part).__name__
        for event in reader.feed(stream(START, chunk(delta(content="Hi")), done=False))
        for part in events.feed(event)
    ]
    assert kinds == ["Passing", "Passing"]
    assert [part for event in reader.feed(held) for part in events.feed(event)] == []
    assert events.held_bytes == len(held)
    other = stream(chunk(delta(1, content="two")), done=False)
    [text] = [part for event in reader.feed(other) for part in events.feed(event)]
    assert isinstance(text, Passing)
    assert text.is_text
    assert b"".join(events.give_up()) == held
    assert events.held_bytes == 0


def test_each_choice_has_its_own_calls_and_all_are_released_together() -> None:
    other = call("call_z", "wipe")
    raw = stream(*pieces(A), *pieces(other, choice=1), FINISH, chunk(delta(1, finish="tool_calls")))
    found = parts(raw)

    assert judged(found) == [("call_a", "look", '{"x":1}'), ("call_z", "wipe", '{"x":1}')]
    assert len(list(groups(found))) == 1
    assert out(found) == raw


def test_calls_without_a_finish_are_released_at_the_end() -> None:
    assert judged(parts(stream(*pieces(A)))) == BOTH[:1]
    assert judged(parts(stream(*pieces(A), done=False))) == BOTH[:1]


def test_calls_and_finish_in_one_chunk_are_found() -> None:
    whole = {"index": 0, **A}
    raw = stream(chunk(delta(finish="stop", content="text", tool_calls=[whole])))

    assert judged(parts(raw)) == BOTH[:1]
    assert judged(parts(stream(chunk({"index": 0, "message": {"tool_calls": [A]}})))) == BOTH[:1]


def test_custom_and_legacy_calls_are_found() -> None:
    [(id, name, arguments)] = judged(parts(stream(*custom_pieces(), FINISH)))
    assert (id, name, json.loads(arguments)) == ("call_c", "code", {"input": "print(1)"})
    [(id, name, arguments)] = judged(parts(stream(*legacy('{"x"', ":1}"), FINISH)))
    assert id.startswith("function_call:")
    assert (name, arguments) == ("look", '{"x":1}')


def test_message_that_repeats_the_text_beside_each_delta_passes() -> None:
    # as Perplexity streams unless it is told otherwise
    bits = [
        chunk({**delta(content=b), "message": {"content": "Hello"[: i + 1]}})
        for i, b in enumerate("Hello")
    ]
    called = [
        {**bit, "choices": [{**bit["choices"][0], "message": {"content": "Hello"}}]}
        for bit in pieces(A)
    ]
    raw = stream(*bits, *called, FINISH)

    assert judged(parts(raw)) == BOTH[:1]
    assert out(parts(raw)) == raw


def test_comments_and_what_tells_no_choice_pass() -> None:
    raw = b": hello\n\n" + stream(USAGE, chunk()) + b"data:\n\n"

    assert out(parts(raw)) == raw


@pytest.mark.parametrize(
    "bad",
    [
        [chunk(delta(tool_calls={"0": A}))],
        [chunk(delta(tool_calls=["call"]))],
        [chunk(delta(tool_calls=[piece(1, id="a", name="look")]))],
        [chunk(delta(tool_calls=[piece(-1, id="a", name="look")]))],
        [chunk(delta(tool_calls=[piece(0, id="a", name="look"), piece(0, name="wipe")]))],
        [chunk(delta(tool_calls=[piece(0, id="a", name="look"), piece(0, id="b")]))],
        [chunk(delta(tool_calls=[piece(0, id=7)]))],
        [chunk(delta(tool_calls=[piece(0, id="a", arguments={})]))],
        [chunk(delta(tool_calls=[{"index": 0, "function": "look"}]))],
        [chunk(delta(tool_calls=[{"index": 0, "id": "a", "function": {}, "custom": {}}]))],
        [chunk(delta(function_call="look"))],
        [chunk({"index": 0, "delta": "x"})],
        [chunk({"index": 0, "delta": {"content": "a"}, "message": {"tool_calls": [A]}})],
        [chunk({"index": 0, "delta": {"content": "a"}, "message": {"Function_Call": LEGACY}})],
        [
            chunk(delta(tool_calls=[piece(0, id="a", name="look", arguments='{"x":')])),
            chunk({"index": 0, "message": {"tool_calls": [piece(0, arguments="1")]}}),
            chunk(delta(tool_calls=[piece(0, arguments="2}")])),
        ],
        [chunk({"index": "0", "delta": {"tool_calls": [A]}})],
        [{"choices": {}}],
        [{"choices": ["x"]}],
        [chunk(delta(inner={"tool_calls": [A]}))],
        [{**chunk(), "tool_calls": [A]}],
        [chunk(delta(Tool_Calls=[A]))],
        [*pieces(A), FINISH, chunk(delta(tool_calls=[piece(0, arguments="more")]))],
        [*pieces(A), *pieces(call("call_a", "other"), 1), FINISH],
        [*pieces(A), *pieces(call("call_a", "other"), 0, 1), FINISH],
        [*pieces(A), {**chunk(delta(tool_calls=[piece(0, arguments="")])), "object": ""}, FINISH],
        [*pieces(A), chunk({"delta": {"tool_calls": [piece(0, arguments="")]}}), FINISH],
        [*pieces(A), chunk(delta(tool_calls=[{"function": {"arguments": ""}}])), FINISH],
    ],
    ids=range(27),
)
def test_what_clients_would_read_in_different_ways_is_refused(bad: list[Json]) -> None:
    with pytest.raises(BodyError):
        parts(stream(*bad))


@pytest.mark.parametrize("data", ["[]", "{", '{"a":1,"a":2}', "3"])
def test_data_that_is_no_object_is_refused(data: str) -> None:
    with pytest.raises(BodyError):
        parts(f"data: {data}\n\n".encode())


# -- what goes out ------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [{"call_a"}, {"call_b"}, {"call_a", "call_b"}])
def test_hidden_calls_leave_no_trace_and_the_others_stay_whole(hidden: set[str]) -> None:
    rendered = out(parts(WHOLE), Change(hidden=dict.fromkeys(hidden, "no")), b": c\n")
    message = sdk_stream(rendered)["choices"][0]
    left = [one for one in BOTH if one[0] not in hidden]

    assert sdk_calls(sdk_stream(rendered)) == left
    assert message["finish_reason"] == ("tool_calls" if left else "stop")
    assert message["message"]["content"] == ("Hi" if left else "Hino")
    for id, name, _ in BOTH:
        assert (id.encode() in rendered) is (id not in hidden)
        assert (name.encode() in rendered) is (id not in hidden)
    assert rendered.count(b": c\n") == 1
    assert sdk_stream(rendered)["usage"]["total_tokens"] == 2


def test_comment_stands_before_the_chunk_that_completes_the_calls() -> None:
    rendered = out(parts(WHOLE), comment=b": c\n")
    before, after = rendered.split(b": c\n")

    assert b'"arguments": "2]}"' in before or b"}" in before
    assert json.loads(after.split(b"\n")[0][6:])["choices"][0]["finish_reason"] == "tool_calls"
    assert before + after == WHOLE


def test_redacted_arguments_are_told_once_and_the_others_as_they_were() -> None:
    rendered = out(parts(WHOLE), Change({"call_b": '{"y":"new"}'}))

    assert sdk_calls(sdk_stream(rendered)) == [BOTH[0], ("call_b", "wipe", '{"y":"new"}')]


def test_custom_and_legacy_calls_are_changed_and_hidden() -> None:
    raw = stream(*custom_pieces(), FINISH)
    changed = data_of(out(parts(raw), Change({"call_c": '{"input":"new"}'})))
    inputs = [c["choices"][0]["delta"]["tool_calls"][0]["custom"]["input"] for c in changed[:2]]
    assert inputs == ["new", ""]
    assert b"print" not in out(parts(raw), Change(hidden={"call_c": "no"}))

    raw = stream(*legacy('{"x"', ":1}"), FINISH)
    [(id, _, _)] = judged(parts(raw))
    changed = data_of(out(parts(raw), Change({id: '{"x":2}'})))
    told = [c["choices"][0]["delta"].get("function_call", {}) for c in changed]
    assert "".join(one.get("arguments", "") for one in told) == '{"x":2}'
    shown = out(parts(raw), Change(hidden={id: "no"}))
    assert b"function_call" not in shown
    assert data_of(shown)[-1]["choices"][0]["finish_reason"] == "stop"


def test_notice_of_a_choice_that_never_finishes_is_told_at_the_end() -> None:
    shown = data_of(out(parts(stream(*pieces(A))), Change(hidden={"call_a": "no"})))

    assert [c["choices"][0]["delta"] for c in shown] == [{"content": "no"}]


def test_choice_that_hides_nothing_keeps_its_end() -> None:
    raw = stream(*pieces(A), *pieces(B, choice=1), FINISH, chunk(delta(1, finish="tool_calls")))
    shown = data_of(out(parts(raw), Change(hidden={"call_b": "no"})))
    ends = {
        c["choices"][0]["index"]: c["choices"][0]["finish_reason"]
        for c in shown
        if c["choices"][0]["finish_reason"]
    }
    assert ends == {0: "tool_calls", 1: "stop"}


def test_chunk_with_text_or_usage_stays_when_its_call_goes() -> None:
    mixed = [
        chunk(delta(role="assistant", content=None, tool_calls=[{"index": 0, **A}])),
        chunk(delta(content="said", tool_calls=[piece(0, arguments=" ")])),
        chunk(delta(tool_calls=[piece(0, arguments=" ")]), usage={"total_tokens": 5}),
        FINISH,
    ]
    shown = data_of(out(parts(stream(*mixed)), Change(hidden={"call_a": "no"})))

    assert [c["choices"][0]["delta"] for c in shown] == [
        {"role": "assistant", "content": None},
        {"content": "said"},
        {},
        {"content": "no"},
        {},
    ]


def test_comments_between_pieces_stay() -> None:
    first, *rest = pieces(A)
    raw = stream(first, done=False) + b": ping\n\n" + stream(*rest, FINISH)
    found = parts(raw)

    assert sorted(out(found)) == sorted(raw)
    assert b": ping" in out(parts(raw), Change(hidden={"call_a": "no"}))


# -- beside the SDK -----------------------------------------------------------------------


def recorded_streams() -> list[bytes]:
    found = []
    for path in sorted(RECORDED.glob("chat__*.json")):
        body = json.loads(path.read_text())["response_body"]
        if isinstance(body, str) and body.lstrip().startswith("data:"):
            found.append(body.encode())
    return found


@pytest.mark.no_cover
@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded traffic here")
def test_recorded_streams_show_the_calls_that_the_sdk_sees_and_keep_their_bytes() -> None:
    streams = recorded_streams()
    assert len(streams) > 20
    for raw in streams:
        every: list[Sequence[int]] = [[], range(1, len(raw)), range(7, len(raw), 7)]
        for cuts in every:
            found = parts(raw, cuts)
            assert out(found) == raw
            seen = [(n, a) for _, n, a in sdk_calls(sdk_stream(raw))]
            assert [(n, a) for _, n, a in judged(found)] == seen


NAMES = st.sampled_from(["look", "wipe", "pay"])


@st.composite
def scripts(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """A stream of some calls, perhaps mangled, and where to cut it."""
    calls = [
        call(f"call_{n}", draw(NAMES), draw(st.sampled_from(['{"x":1}', "{}", '{"deep":[1]}'])))
        for n in range(draw(st.integers(1, 3)))
    ]
    told = [pieces(one, index) for index, one in enumerate(calls)]
    chunks = [START, *(one for some in told for one in some), FINISH, USAGE]
    for _ in range(draw(st.integers(0, 2))):
        match draw(st.sampled_from(["drop", "double", "swap", "text", "index"])):
            case "drop" if len(chunks) > 2:
                chunks.pop(draw(st.integers(0, len(chunks) - 1)))
            case "double":
                chunks.insert(0, draw(st.sampled_from(chunks)))
            case "swap":
                place = draw(st.integers(0, len(chunks) - 2))
                chunks[place], chunks[place + 1] = chunks[place + 1], chunks[place]
            case "text":
                chunks.insert(draw(st.integers(0, len(chunks))), chunk(delta(content="t")))
            case _:
                chunks.append(chunk(delta(tool_calls=[piece(draw(st.integers(0, 3)), name="x")])))
    raw = stream(*chunks)
    return raw, sorted(draw(st.sets(st.integers(1, len(raw) - 1), max_size=5)))


@settings(max_examples=60, deadline=None)
@given(script=scripts(), hidden=st.sets(st.sampled_from(["call_0", "call_1", "call_2"])))
def test_sdk_never_hands_out_what_was_not_judged_or_was_hidden(
    script: tuple[bytes, list[int]], hidden: set[str]
) -> None:
    raw, cuts = script
    try:
        found = parts(raw, cuts)
    except BodyError:
        return
    known = judged(found)
    # text may have overtaken calls
    assert sorted(out(found).split(b"\n\n")) == sorted(raw.split(b"\n\n"))
    try:
        seen = sdk_calls(sdk_stream(raw))
    except Exception:  # noqa: BLE001  what the SDK can not read it does not hand out
        return
    assert {(n, a) for _, n, a in seen} <= {(n, a) for _, n, a in known}
    rendered = out(found, Change(hidden=dict.fromkeys(hidden, "no")))
    assert not {id for id, _, _ in sdk_calls(sdk_stream(rendered))} & hidden


def test_chunks_that_say_nothing_keep_their_place_among_pieces() -> None:
    first, *rest = pieces(A)
    raw = stream(first, {}, {"id": "x"}, *rest, *legacy("{}"), FINISH)

    assert out(parts(raw)) == raw
    changed = out(parts(raw), Change({"call_a": '{"n":1}'}))
    assert b"data: {}\n\n" in changed
    assert b'"function_call"' in changed
