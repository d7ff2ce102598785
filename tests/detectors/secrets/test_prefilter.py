from __future__ import annotations

from callgate.detectors.secrets.prefilter import Prefilter


def test_entry_is_tried_where_one_of_its_words_stands_whatever_the_case() -> None:
    filtered = Prefilter([(["Abc", "x.y"], "…", 1), (["zz"], "…", 2)])
    assert list(filtered.candidates("an ABC here")) == [1]
    assert list(filtered.candidates("x.y and zz")) == [1, 2]
    assert list(filtered.candidates("xzy")) == []


def test_entries_without_words_are_tried_where_a_pattern_of_theirs_matches() -> None:
    filtered = Prefilter([([], "[0-9]{4}", 1), ([], "A-z", 2), (["abc"], "…", 3)])
    assert list(filtered.candidates("12345")) == [1, 2]
    assert list(filtered.candidates("abc 123 a-z")) == [3]


def test_without_entries_nothing_is_tried() -> None:
    assert list(Prefilter[int]([]).candidates("abc")) == []


def test_long_text_is_tried_for_the_same_entries_as_a_short_one() -> None:
    filtered = Prefilter([(["Abcd"], "…", 1), (["zz"], "…", 2), (["abx", "q日本"], "…", 3)])
    for text in ("an ABCD here", "zz and aby", "abc q日本", "nothing", "it ends with ab", "abx"):
        assert list(filtered.candidates(" . " * 1000 + text)) == list(filtered.candidates(text))
