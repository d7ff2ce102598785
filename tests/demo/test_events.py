import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.demo.events import Event, Log, pieces, words
from callgate.demo.story import SHAPES


def test_frame_is_an_event_line_a_compact_data_line_and_a_blank_line() -> None:
    frame = Event("thread.created", {"id": "thread_ü", "metadata": {}}).frame()
    assert frame == 'event: thread.created\ndata: {"id":"thread_ü","metadata":{}}\n\n'.encode()


def test_log_ends_with_done() -> None:
    log = Log()
    log.add("thread.created", {})
    assert not log.is_over
    log.end()
    assert log.is_over
    assert log.events[-1].frame() == b"event: done\ndata: [DONE]\n\n"


@given(st.text())
def test_frame_has_one_data_line_of_valid_utf_8_for_any_text(text: str) -> None:
    lines = Event("x", {"text": text + "\ud800\r\n"}).frame().split(b"\n")
    assert len(lines) == 4
    assert json.loads(lines[1].removeprefix(b"data: ")) == {"text": text + "\ud800\r\n"}


@given(st.text())
def test_cutting_loses_nothing(text: str) -> None:
    assert "".join(words(text)) == text
    assert "".join(pieces(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's warm\nand  sunny. ", ["It's", " warm", "\nand", "  sunny.", " "]),
        ("", []),
        ("one", ["one"]),
    ],
)
def test_texts_are_cut_where_words_begin(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_arguments_are_cut_inside_their_escapes() -> None:
    assert pieces("{}") == ["{}"]
    assert pieces(r'{"a":"\"\u00e9"}') == ['{"a"', ':"\\', '"\\', "u00e", '9"}']


def test_scripted_escapes_are_torn_apart() -> None:
    action = SHAPES["demo-escapes"].action(0, [], [])
    assert isinstance(action, tuple)
    torn = pieces(action[0].arguments)
    assert sum(piece.endswith("\\") for piece in torn) >= 8
    assert json.loads("".join(torn))["command"].startswith('printf "\\né 😀"')
