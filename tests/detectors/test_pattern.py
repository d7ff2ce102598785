from __future__ import annotations

import pytest
import re2

from callgate.detectors.pattern import encodable, goes_on, pattern, secret_span


def test_spans_count_characters_not_bytes() -> None:
    found = pattern("b+").search("日本bbb")
    assert found is not None
    assert found.span() == (2, 5)


def test_expression_that_needs_backtracking_is_refused() -> None:
    with pytest.raises(re2.error):
        pattern(r"(a)\1")


@pytest.mark.parametrize(
    ("expression", "span"),
    [("ab+", (0, 3)), ("a(b+)", (1, 3)), ("(x)?a(b)", (1, 2)), ("(x)?a", (0, 1))],
)
def test_secret_is_the_first_group_that_took_part_or_the_match(
    expression: str, span: tuple[int, int]
) -> None:
    found = pattern(expression).search("abb")
    assert found is not None
    assert secret_span(found) == span


def test_number_goes_on_behind_a_dash() -> None:
    assert goes_on("12-3", 2)
    assert not goes_on("12 3", 2)
    assert not goes_on("12", 2)


@pytest.mark.parametrize("text", ["", "日本", "日本 b bb", "ab", "bb日本"])
def test_pattern_finds_what_the_library_finds(text: str) -> None:
    ours, plain = pattern("b+(b|$)"), re2.compile("b+(b|$)")

    def spans(found: re2._Match[str] | None) -> object:
        return found and found.span()

    assert spans(ours.search(text)) == spans(plain.search(text))
    assert spans(ours.match(text)) == spans(plain.match(text))
    assert spans(ours.fullmatch(text)) == spans(plain.fullmatch(text))
    assert ours.findall(text) == plain.findall(text)
    assert [m.span() for m in ours.finditer(text)] == [m.span() for m in plain.finditer(text)]
    assert ours.sub("x", text) == plain.sub("x", text)
    assert ours.sub("x", text, 1) == plain.sub("x", text, 1)
    assert (ours.pattern, ours.groups) == (plain.pattern, plain.groups)


def test_lone_surrogate_counts_as_one_letter() -> None:
    text = "a\ud800bb"
    found = pattern("b+").search(text)

    assert found is not None
    assert found.span() == (2, 4)
    assert pattern("^a").match(text)
    assert pattern("a.b+").fullmatch(text)
    assert pattern("b").findall(text) == ["b", "b"]
    assert [m.start() for m in pattern("b").finditer(text)] == [2, 3]
    assert pattern("b").sub("c", text) == "a\ufffdcc"
    assert encodable(text) == "a\ufffdbb"
