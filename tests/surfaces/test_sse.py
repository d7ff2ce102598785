"""The event reader: same events however the bytes are cut, and not a byte lost."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from callgate.errors import BodyError
from callgate.surfaces import sse
from callgate.surfaces.sse import SseEvent, SseReader

STREAMS = {
    "plain": b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\n",
    "crlf": b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n",
    "cr": b"event: a\rdata: 1\r\rdata: 2\r\r",
    "mixed": b"data: 1\n\r\ndata: 2\r\n\ndata: 3\r\r\ndata: 4\n\n",
    "no space": b"event:a\ndata:1\n\ndata:  two spaces\n\n",
    "several lines": b"data: {\ndata: }\ndata\n\n",
    "comments": b": hi\n\n: there\ndata: 1\n: in between\ndata: 2\n\n",
    "other fields": b"id: 7\nretry: 10\nx: y\ndata: 1\n\n",
    "no events": b"\n\n\n\n",
    "cut off": b"data: 1\n\ndata: 2\nevent: c",
    "unicode": "data: ü€\u2028\x85x\n\n".encode(),
}


def read(chunks: list[bytes], limit: int = 1 << 20) -> list[SseEvent]:
    reader = SseReader(limit)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    last = reader.finish()
    return [*events, last] if last else events


def said(events: list[SseEvent]) -> list[tuple[str, str]]:
    return [(event.name, event.data) for event in events if event.data is not None]


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_every_cut_gives_the_same_events_and_all_the_bytes(stream: bytes) -> None:
    whole = read([stream])
    assert b"".join(event.raw for event in whole) == stream
    for cut in range(len(stream) + 1):
        parts = read([stream[:cut], stream[cut:]])
        assert b"".join(event.raw for event in parts) == stream
        assert said(parts) == said(whole)
    single = read([stream[i : i + 1] for i in range(len(stream))])
    assert said(single) == said(whole)


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("plain", [("a", "1"), ("b", "2")]),
        ("crlf", [("a", "1"), ("", "2")]),
        ("cr", [("a", "1"), ("", "2")]),
        ("mixed", [("", "1"), ("", "2"), ("", "3"), ("", "4")]),
        ("no space", [("a", "1"), ("", " two spaces")]),
        ("several lines", [("", "{\n}\n")]),
        ("comments", [("", "1\n2")]),
        ("other fields", [("", "1")]),
        ("no events", []),
        ("cut off", [("", "1"), ("c", "2")]),
        ("unicode", [("", "ü€\u2028\x85x")]),
    ],
)
def test_fields_are_read_as_the_standard_says(name: str, events: list[tuple[str, str]]) -> None:
    assert said(read([STREAMS[name]])) == events


PIECES = st.sampled_from(
    [b"data: 1", b"data:{}", b"event: e", b"\n", b"\r", b"\r\n", b"\n\n", b": c", b"id: 1", b"x"]
)


@given(st.lists(PIECES, max_size=40), st.data())
def test_whatever_the_sdk_dispatches_was_seen(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cut = data.draw(st.integers(0, len(stream)))
    mine = said(read([stream[:cut], stream[cut:]]))
    theirs = [
        (event.event or "", event.data)
        for event in SSEDecoder().iter_bytes(iter([stream]))
        if event.data
    ]
    assert [pair for pair in mine if pair[1]][: len(theirs)] == theirs


def test_event_beyond_the_limit_is_refused_before_it_is_whole() -> None:
    reader = SseReader(100)
    list(reader.feed(b"data: " + b"x" * 90))
    with pytest.raises(BodyError, match="longer than 100"):
        list(reader.feed(b"x" * 10))
    with pytest.raises(BodyError, match="longer than 100"):
        read([b"data: " + b"x" * 200 + b"\n\n"], limit=100)


def test_event_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BodyError, match="UTF-8"):
        read([b"data: \xff\n\n"])


def test_written_comments_and_events_read_back() -> None:
    written = sse.comment("held\nfor\ryou") + sse.event("done", "[DONE]") + sse.event("", "{}")
    assert said(read([written])) == [("done", "[DONE]"), ("", "{}")]
    assert sse.comment("x") == b": x\n"


@pytest.mark.parametrize("raw", [b'{"id": 1}\n\n', b"  [1]\n\n", b'data: 1\n{"id": 1}\n\n'])
def test_bare_json_is_no_stream_of_events(raw: bytes) -> None:
    with pytest.raises(BodyError, match="bare JSON"):
        read([raw])


def test_reader_gives_up_what_has_not_ended() -> None:
    reader = SseReader(100)
    assert list(reader.feed(b"data: 1")) == []
    assert reader.give_up() == b"data: 1"
    assert reader.finish() is None


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("raw", [MARK + b"data: 1\n\n", b"data: 1\n\n" + MARK + b"data: 2\n\n"])
def test_mark_before_a_line_is_refused_for_some_clients_drop_it_and_some_the_line(
    raw: bytes,
) -> None:
    with pytest.raises(BodyError, match="byte order mark"):
        read([raw])


@pytest.mark.parametrize("end", ["\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_event_that_only_clients_with_other_line_ends_would_find_is_refused(end: str) -> None:
    raw = f": hi{end}data: {{}}{end}{end}\n\n".encode()
    assert "data: {}" in httpx.Response(200, content=raw).iter_lines()
    with pytest.raises(BodyError, match="only some clients know"):
        read([raw])


def test_event_that_only_some_clients_would_find_behind_the_end_is_refused() -> None:
    with pytest.raises(BodyError, match="only some clients know"):
        read(["data: [DONE]\u2028data: {}\n\n".encode()])


def test_text_of_a_model_may_look_like_a_hidden_field() -> None:
    data = json.dumps({"delta": "容器内data: 1\u2028event: {}"}, ensure_ascii=False)
    assert [event.data for event in read([f"data: {data}\n\n".encode()])] == [data]


def test_event_that_clients_find_by_a_charset_is_refused() -> None:
    raw = ": Ådata: {}\n\n".encode()
    latin = {"content-type": "text/event-stream; charset=latin-1"}
    assert "data: {}" in httpx.Response(200, content=raw, headers=latin).iter_lines()
    with pytest.raises(BodyError, match="only some clients know"):
        read([raw])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le"])
def test_json_in_another_encoding_is_no_stream_of_events(encoding: str) -> None:
    with pytest.raises(BodyError, match="NUL"):
        read(['{"id": 1}\n\n'.encode(encoding)])


def test_event_that_sdks_take_for_one_of_another_api_is_refused() -> None:
    def told(name: str, data: str) -> object:
        return sse.document(SseEvent(b"", name, data))

    assert told("", '{"id": 1}') == told("response.completed", '{"id": 1}') == {"id": 1}
    assert told("", " ") is told("", "[DONE] {") is told("thread.run", "[DONE]") is None
    for name, data in (("thread.run.created", "{}"), ("", "[1]"), ("", "{")):
        with pytest.raises(BodyError):
            told(name, data)
