"""Bodies and messages, cut into events."""

from __future__ import annotations

import gzip

import pytest

from callgate.errors import BodyError
from callgate.sources import MessageSource, SseSource
from callgate.surfaces.likeness import Recent

EVENT = b'event: a\ndata: {"x": 1}\n\n'


def test_events_are_read_behind_an_encoding_however_it_is_cut() -> None:
    source, packed = SseSource("gzip", 1 << 20), gzip.compress(EVENT * 2, mtime=0)
    found = []
    for byte in packed:
        found += list(source.feed(source.decode(bytes([byte]))))
    assert [(event.name, event.data) for event in found] == [("a", '{"x": 1}')] * 2
    assert source.finish() is None


def test_event_like_the_one_before_need_not_be_fed_but_amid_an_event_everything_is() -> None:
    event, other = b'data: {"delta":"a"}\n\n', b'data: {"delta":"b"}\n\n'
    source, recent = SseSource("", 1 << 20), Recent()
    recent.note(event)
    assert source.skip(other + EVENT, recent) == len(other)

    list(source.feed(b"data: "))
    assert source.skip(other, recent) == 0
    assert MessageSource().skip(other, recent) == 0


def test_what_is_left_at_the_end_is_told() -> None:
    source = SseSource("", 1 << 20)
    assert list(source.feed(source.decode(EVENT + b"data: x"))) != []
    left = source.finish()
    assert left is not None
    assert left.raw == b"data: x"


def test_encoded_content_that_is_cut_off_is_refused() -> None:
    source = SseSource("gzip", 1 << 20)
    list(source.feed(source.decode(gzip.compress(EVENT, mtime=0)[:-4])))
    with pytest.raises(BodyError, match="cut off"):
        source.finish()


@pytest.mark.parametrize("encoding", ["rot13", "gzip, br"])
def test_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(BodyError, match="unknown content encoding"):
        SseSource(encoding, 1 << 20)


def test_each_message_is_an_event() -> None:
    source = MessageSource()
    [event] = source.feed(source.decode("{…}".encode()))
    assert (event.raw, event.name, event.data) == ("{…}".encode(), "", "{…}")
    assert source.finish() is None
    assert source.give_up() == b""


def test_message_that_is_no_text_is_refused() -> None:
    with pytest.raises(BodyError, match="not UTF-8"):
        list(MessageSource().feed(b"\xff"))
