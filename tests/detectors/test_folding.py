from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.detectors import folding
from callgate.detectors.folding import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("\uff52\uff4d -rf", "rm -rf"),
        ("r\u200bm", "rm"),
        ("\u0440m", "pm"),
        ("r\u0301m", "rm"),
        ("\u00a0rm", " rm"),
        ("\ufb01le", "file"),
        ("rm \u2010rf", "rm -rf"),
        ("a\x7fb", "ab"),
    ],
)
def test_look_alikes_are_replaced_and_the_unseen_is_dropped(text: str, folded: str) -> None:
    found = fold(text)
    assert found is not None
    assert found.text == folded


@pytest.mark.parametrize("text", ["", "rm -rf /", "gr\u00f6\u00dfe", "\u65e5\u672c", "a\n\tb"])
def test_other_text_is_left_alone(text: str) -> None:
    assert fold(text) is None


def test_span_of_the_folded_text_is_found_in_the_original() -> None:
    text = "see r\u200b\u200bm \uff52 end"
    found = fold(text)
    assert found is not None
    start = found.text.index("rm")
    assert text[slice(*found.locate(start, start + 2))] == "r\u200b\u200bm"
    start = found.text.rindex("r")
    assert text[slice(*found.locate(start, start + 1))] == "\uff52"


@given(st.text(max_size=40))
def test_every_span_lies_in_the_original(text: str) -> None:
    found = fold(text)
    if found is None:
        return
    for start in range(len(found.text)):
        first, last = found.locate(start, start + 1)
        assert 0 <= first < last <= len(text)
        assert fold(text[first:last]) is None or found.text[start] in fold_of(text[first:last])


def fold_of(text: str) -> str:
    found = fold(text)
    return text if found is None else found.text


def test_rare_letters_are_folded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "MAX_REMEMBERED", 0)
    found = fold("\uff5a\uff5a")
    assert found is not None
    assert found.text == "zz"
