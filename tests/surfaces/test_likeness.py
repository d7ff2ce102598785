"""Events that are passed unread because of the one before: the same comes out, whatever comes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate import stream
from callgate.exchange import ApiError, Request, segments
from callgate.sources import SseSource
from callgate.stream import GatedStream, Rest
from callgate.surfaces import endpoint_for, sse
from callgate.surfaces.base import Change, Group
from callgate.surfaces.likeness import Likeness, Recent
from tests.e2e.stories import STORIES

type Json = dict[str, Any]


def compact(name: str, data: Json) -> bytes:
    return sse.event(name, json.dumps(data, separators=(",", ":")))


def chat(word: str, stamp: int = 7, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": word, **more}, "finish_reason": None}
    return compact("", {"id": "c_1", "created": stamp, "choices": [choice], "obfuscation": "x"})


def response(word: str, number: int = 7) -> bytes:
    kind = "response.output_text.delta"
    of_item = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return compact(kind, {"type": kind, "sequence_number": number, **of_item, "delta": word})


def run(word: str, stamp: int = 7) -> bytes:
    text = {"index": 0, "type": "text", "text": {"value": word}}
    delta = {"id": "msg_1", "created_at": stamp, "delta": {"content": [text]}}
    return compact("thread.message.delta", delta)


TEXTS: Mapping[str, Callable[..., bytes]] = {"chat": chat, "responses": response, "assistants": run}
TEXT = chat("word")
CALL = b',"tool_calls":[{"index":0,"id":"call_1","function":{"name":"look","arguments":"{}"}}]'


def reach(event: bytes, content: bytes) -> int:
    like = Likeness.of(event)
    assert like is not None
    return like.reach(content)


@pytest.mark.parametrize("api", TEXTS)
@pytest.mark.parametrize("word", ["", " two", 'say "it"\n\\', "näh 🐌", "\ud800", "\x7f"])
def test_event_with_another_word_and_number_is_alike(api: str, word: str) -> None:
    event = TEXTS[api](word, 123456)

    assert reach(TEXTS[api]("word"), event + event) == 2 * len(event)


def test_letters_that_are_not_escaped_are_alike() -> None:
    assert reach(TEXT, event := TEXT.replace(b"word", "wörd".encode())) == len(event)


@pytest.mark.parametrize(
    "event",
    [
        TEXT.replace(b'"word"', b'"word"' + CALL),
        TEXT.replace(b'"word"', b'"word"' + CALL.replace(b"tool", b"\\u0074ool")),
        TEXT.replace(b"word", b'word"' + CALL + b',"x":"'),
        TEXT.replace(b"word", b"word\\"),
        TEXT.replace(b"word", b'word\\\\",'),
        TEXT.replace(b"word", b"\\x41"),
        TEXT.replace(b"word", b"\\u12"),
        TEXT.replace(b"word", b"one\ntwo"),
        TEXT.replace(b"word", b"one\rtwo"),
        TEXT.replace(b"word", b"\x00"),
        TEXT.replace(b"word", b"\xff"),
        TEXT.replace(b"word", b"\xed\xa0\x80"),
        TEXT.replace(b'"word"', b"null"),
        TEXT.replace(b'"content"', b'"Content"'),
        TEXT.replace(b'"content"', b'"\\u0063ontent"'),
        TEXT.replace(b'"content":', b'"content":"a","content":'),
        TEXT.replace(b":7,", b":07,"),
        TEXT.replace(b":7,", b":7.5,"),
        TEXT.replace(b":7,", b":-7,"),
        TEXT.replace(b":7,", b":" + b"7" * 20 + b","),
        TEXT.replace(b'"index":0', b'"index":1'),
        TEXT.replace(b"null", b'"tool_calls"'),
        TEXT.replace(b"\n\n", b"\ndata: {}\n\n"),
        b"event: thread.run.step.delta\n" + TEXT,
        b"\xef\xbb\xbf" + TEXT,
        b"\n" + TEXT,
        TEXT[:-1],
        TEXT.replace(b"word", b"w" * (1 << 18)),
    ],
)
def test_event_with_anything_else_in_it_is_not_alike(event: bytes) -> None:
    assert event != TEXT
    assert reach(TEXT, event) == 0
    assert reach(TEXT, TEXT + event) in (0, len(TEXT))


@pytest.mark.parametrize(
    "event",
    [
        b"data: [DONE]\n\n",
        b'data: {"choices":[]}\n\n',
        TEXT.replace(b"\n\n", b"\r\n\r\n"),
        TEXT.replace(b"data: ", b"data:"),
        b"id: 1\n" + TEXT,
        b'event: {"value":"x"\ndata: {"id":"1"}\n\n',
    ],
)
def test_event_of_another_form_has_no_likeness(event: bytes) -> None:
    assert Likeness.of(event) is None


def test_name_of_an_event_is_no_free_value() -> None:
    event = b'event: thread.message.,"value":"a"\ndata: {"delta":"b"}\n\n'

    assert reach(event, event.replace(b'"b"', b'"c"')) == len(event)
    assert reach(event, event.replace(b'"a"', b'"c"')) == 0


def test_stream_of_events_that_are_all_different_is_not_compared_for_ever() -> None:
    recent = Recent()
    for number in range(20):
        recent.note(chat("word", **{f"key_{number}": 1}))
        recent.reach(TEXT)
    recent.note(TEXT)

    assert recent.reach(TEXT) == 0


# -- in a stream -----------------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="module")
def patient() -> Iterator[None]:
    """However slow this machine is, text keeps its place behind calls."""
    with patch.object(stream, "ORDER_SECONDS", 60.0):
        yield


class Judge:
    """Allows everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []

    async def __call__(self, group: Group, rest: Rest) -> AsyncIterator[bytes]:
        calls = [call for turn in group.turns for call in turn.calls]
        self.calls += [(call.id, call.name, call.arguments) for call in calls]
        for event in group.render(Change(), b""):
            yield event


async def through(api: str, pieces: Sequence[bytes]) -> tuple[bytes, list[tuple[str, str, str]]]:
    """What leaves of a stream, refusals included, and what was judged."""
    target = STORIES[api]("call_1", "{}").path
    endpoint = endpoint_for("POST", segments(target))
    assert endpoint is not None
    judge = Judge()

    def refusal(error: ApiError) -> bytes:
        return f"refused: {error.message}".encode()

    gated = GatedStream(
        endpoint.surface.open_events(
            endpoint, Request("POST", "https", "api.openai.com", 443, target), sse.event
        ),
        judge,
        refusal,
        source=SseSource("", 1 << 20),
        max_held_bytes=1 << 20,
    )
    out = bytearray()
    for piece in pieces:
        gated.feed(piece)
        out += gated.take()
        while gated.is_holding:
            await gated.wait(30)
            out += gated.take()
    gated.finish()
    while not gated.is_over:
        await gated.wait(30)
        out += gated.take()
    return bytes(out), judge.calls


ODD = (b'"', b"\\", b"\n\n", b"\n", b"\r", b"\xff", b"data: ", b"{", b"}", CALL, b',"content":"')
WORDS = (
    b"word",
    b'\\"',
    b'w"' + CALL + b',"x":"y',
    b'w","text":"y',
    b"w\\",
    b"\xff",
    b"\n\n",
    b"\x01",
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """Text, with calls and broken events among it, mostly cut where events end."""
    api = draw(st.sampled_from(sorted(TEXTS)))
    story = STORIES[api]("call_1", '{"amount": 5}')
    tell = TEXTS[api]
    pieces = [draw(st.sampled_from((story.word, tell("word"))))]
    for _ in range(draw(st.integers(1, 5))):
        event = tell("word", draw(st.integers(0, 10**12)))
        match draw(st.integers(0, 5)):
            case 0:
                pieces.append(draw(st.sampled_from(ODD)))
            case 1:
                at = draw(st.integers(0, len(event)))
                event = event[:at] + draw(st.sampled_from(ODD)) + event[at:]
            case 2:
                pieces.append(story.pieces)
            case _:
                event = event.replace(b"word", draw(st.sampled_from(WORDS)))
        pieces.append(event)
    pieces += [story.call, tell("after")]
    if draw(st.booleans()):
        raw = b"".join(pieces)
        cuts = draw(st.lists(st.integers(0, len(raw)), max_size=6))
        places = sorted({0, len(pieces[0]), *cuts, len(raw)})
        pieces = [raw[start:end] for start, end in itertools.pairwise(places)]
    return api, pieces


@given(streams())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_stream_is_the_same_as_when_every_event_is_read(told: tuple[str, list[bytes]]) -> None:
    api, pieces = told
    skipping = asyncio.run(through(api, pieces))
    with patch.object(Recent, "reach", lambda _, content: 0):
        assert asyncio.run(through(api, pieces)) == skipping


@pytest.mark.parametrize("api", TEXTS)
async def test_text_after_text_is_not_read(api: str) -> None:
    events = [TEXTS[api](f"word {number}") for number in range(5)]
    with patch.object(SseSource, "feed", autospec=True, side_effect=SseSource.feed) as fed:
        out, _ = await through(api, events)

    assert out == b"".join(events)
    assert [call.args[1] for call in fed.call_args_list if call.args[1]] == events[:1]


@pytest.mark.parametrize("api", TEXTS)
async def test_call_behind_text_that_was_not_read_is_judged(api: str) -> None:
    story = STORIES[api]("call_1", '{"amount": 5}')
    texts = [TEXTS[api](f"word {number}") for number in range(3)]
    out, calls = await through(api, [story.word, *texts, story.call])

    assert out == story.word + b"".join(texts) + story.call
    assert ("call_1", "pay", '{"amount": 5}') in calls
