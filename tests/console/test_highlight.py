from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from callgate.console.highlight import Piece, pieces
from callgate.detectors import DETECTORS, Inspector, redact


def shown(found: list[Piece]) -> str:
    return "".join(piece.text for piece in found)


def marked(found: list[Piece]) -> list[tuple[str, str]]:
    return [(piece.mark, piece.text) for piece in found if piece.mark]


def finding(path: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "RECURSIVE_DELETE",
        "reason": "DESTRUCTIVE_COMMAND",
        "path": path,
        "start": start,
        "end": end,
        "confidence": 1.0,
        "explanation": "deletes folders",
        **more,
    }


def hidden(path: str, start: int, end: int, kind: str = "KEY") -> dict[str, Any]:
    return finding(path, start, end, kind=kind, reason="SECRET_DETECTED")


def test_arguments_are_laid_out_and_stay_json() -> None:
    value = {"a": [1, {"b": None}], "c": {}, "d": [], "e": "x\ny", "f": True, "g": 1.5}
    found = pieces(json.dumps(value), [])

    assert json.loads(shown(found)) == value
    assert shown(found).splitlines()[1:4] == ['  "a": [', "    1,", "    {"]
    assert marked(found) == []


def test_finding_is_marked_where_it_stands() -> None:
    text = 'echo "hi"; rm -rf /srv'
    [piece] = [
        p for p in pieces(json.dumps({"command": text}), [finding("$.command", 11, 22)]) if p.mark
    ]

    assert piece == Piece("rm -rf /srv", "found", "deletes folders")


def test_finding_behind_a_placeholder_is_marked_at_its_new_place() -> None:
    raw = "use KEY1234567 then rm -rf /srv and KEY7 now"
    redacted = "use [REDACTED:KEY] then rm -rf /srv and [REDACTED:OTHER] now"
    start = raw.index("rm")
    found = pieces(
        json.dumps({"c": redacted}),
        [
            finding("$.c", start, start + 11),
            hidden("$.c", 4, 14),
            hidden("$.c", raw.index("KEY7"), raw.index("KEY7") + 4, "OTHER"),
        ],
    )

    assert marked(found) == [
        ("redacted", "[REDACTED:KEY]"),
        ("found", "rm -rf /srv"),
        ("redacted", "[REDACTED:OTHER]"),
    ]


def test_overlapping_secrets_are_one_placeholder() -> None:
    findings = [
        hidden("$.c", 0, 4),
        hidden("$.c", 2, 8, "OTHER"),
        finding("$.c", 9, 11),
        finding("$.c", 3, 11),
    ]
    found = pieces(json.dumps({"c": "[REDACTED:KEY] rm"}), findings)

    assert marked(found) == [("redacted", "[REDACTED:KEY]"), ("found", " rm")]


@pytest.mark.parametrize(
    "text", ["nothing was taken out here at all", "[REDACTED:OTHER] rm -rf /srv", "x"]
)
def test_places_that_can_not_be_told_are_not_marked(text: str) -> None:
    found = pieces(json.dumps({"c": text}), [finding("$.c", 9, 20), hidden("$.c", 2, 8)])

    assert "found" not in {mark for mark, _ in marked(found)}
    assert json.loads(shown(found)) == {"c": text}


def test_what_is_not_json_is_shown_as_it_is() -> None:
    found = pieces('{"a": [REDACTED:KEY]\n\u202e', [])

    assert shown(found) == '{"a": [REDACTED:KEY]\n\\u202e'
    assert marked(found) == [("redacted", "[REDACTED:KEY]")]


def test_keys_and_values_that_deceive_are_escaped() -> None:
    found = shown(pieces(json.dumps({"a\u202e": "b\u2066", "[REDACTED:SSN]": 1}), []))

    assert "\\u202e" in found
    assert "\\u2066" in found
    assert "\u202e" not in found


def test_what_the_real_detectors_found_is_marked() -> None:
    inspector = Inspector([make() for make in DETECTORS.values()])
    key = "AKIA" + "Q3EGRZ7XKWN2PLVT"
    raw = {"steps": [{"command": f"export AWS_ACCESS_KEY_ID={key} && rm -rf /srv/customers"}]}
    findings = inspector.inspect("run_shell", raw)  # type: ignore[arg-type]  # it is JSON
    redacted = json.dumps(redact(raw, findings))  # type: ignore[arg-type]  # it is JSON

    found = pieces(redacted, [asdict(one) for one in findings])

    assert key not in redacted
    words = dict(marked(found))
    assert words["redacted"].startswith("[REDACTED:")
    assert "rm -rf /srv/customers" in words["found"]
