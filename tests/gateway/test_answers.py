"""The form of every answer."""

from __future__ import annotations

import json

from callgate.gateway.answers import JsonAnswer


def test_text_that_utf8_can_not_carry_goes_back_as_it_came() -> None:
    answer = JsonAnswer({"a": "\ud800 é"}, 403, {"x-note": "n"})
    assert json.loads(bytes(answer.body)) == {"a": "\ud800 é"}
    assert answer.headers["content-type"] == "application/json"
    assert (answer.status_code, answer.headers["x-note"]) == (403, "n")
