from __future__ import annotations

import pytest
import re2

from callgate.detectors.pattern import pattern


def test_spans_count_characters_not_bytes() -> None:
    found = pattern("b+").search("日本bbb")
    assert found is not None
    assert found.span() == (2, 5)


def test_expression_that_needs_backtracking_is_refused() -> None:
    with pytest.raises(re2.error):
        pattern(r"(a)\1")
