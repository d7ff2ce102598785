from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.detectors.code.languages.base import UNKNOWN
from callgate.detectors.code.languages.tokens import tokens, unquoted


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a.b('x') // c", ["a", ".", "b", "(", "'x'", ")"]),
        ("a /* ' */ b /* open", ["a", "b"]),
        ("x = /a'b/g", ["x", "=", "/a'b/g"]),
        ("a / b / c", ["a", "/", "b", "/", "c"]),
        ("(/[/]'/)", ["(", "/[/]'/", ")"]),
        ("a?.b => ...c", ["a", "?.", "b", "=>", "...", "c"]),
        ('"a\\"b" `c\nd`', ['"a\\"b"', "`c\nd`"]),
        ("'open", ["'open"]),
        ("", []),
    ],
)
def test_program_falls_into_tokens(source: str, words: list[str]) -> None:
    assert [token.text for token in tokens(source)] == words


@given(st.text(alphabet="/*'\"`\\\n ab(=", max_size=60))
def test_tokens_stand_where_they_say(source: str) -> None:
    end = 0
    for token in tokens(source):
        assert source[token.start : token.end] == token.text
        assert token.start >= end
        end = token.end


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("'rm'", "rm"),
        ('"r\\x6d"', "rm"),
        ("`rm ${x}`", "rm " + UNKNOWN),
        ("'open", "open"),
        ("'", ""),
        ("name", UNKNOWN),
    ],
)
def test_literal_is_unquoted(literal: str, text: str) -> None:
    assert unquoted(literal) == text
