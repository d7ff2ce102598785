from __future__ import annotations

import pytest

from callgate.detectors import syntax
from callgate.detectors.syntax import Source


def test_spans_count_characters() -> None:
    source = Source("echo ü; ls")
    assert source.root is not None
    last = source.root.named_children[-1]
    assert source.span(last) == (8, 10)
    assert source.text(last) == "ls"


@pytest.mark.parametrize("text", ["rm${IFS}-rf", "rm$IFS$9-rf", "rm\x00-rf", "{rm,-rf}"])
def test_what_separates_words_counts_as_blanks_of_the_same_length(text: str) -> None:
    source = Source(text)
    assert source.root is not None
    blanked = source.between(0, len(text))
    assert len(blanked) == len(text)
    assert blanked.split() == ["rm", "-rf"]


def test_parse_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "PARSE_SECONDS", -1)
    assert Source("ls; " * 5000).root is None
    assert Source("ls").root is not None
