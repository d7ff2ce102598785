from __future__ import annotations

import base64
import json

from callgate.canonical import Json
from callgate.detectors import Inspector, redact, redact_text
from callgate.model import Finding, Reason

TOKEN = "ghp" + "_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
SSN = "536-90-4399"


def finding(start: int, end: int, kind: str = "A", reason: str = Reason.SECRET_DETECTED) -> Finding:
    return Finding(kind, reason, "$", start, end)


def test_span_becomes_a_typed_placeholder_and_the_rest_stays(inspector: Inspector) -> None:
    arguments: Json = {"text": f"use {TOKEN} now", "n": 1, "list": [True, None, f"SSN {SSN}"]}
    assert redact(arguments, inspector.inspect("t", arguments)) == {
        "text": "use [REDACTED:GITHUB_TOKEN] now",
        "n": 1,
        "list": [True, None, "SSN [REDACTED:SSN]"],
    }


def test_arguments_given_are_not_changed(inspector: Inspector) -> None:
    arguments: Json = {"text": TOKEN}
    redact(arguments, inspector.inspect("t", arguments))
    assert arguments == {"text": TOKEN}


def test_overlapping_spans_become_one_placeholder() -> None:
    assert redact("0123456789", [finding(4, 8, "B"), finding(2, 6)]) == "01[REDACTED:A]89"


def test_adjacent_spans_stay_apart() -> None:
    assert redact("0123", [finding(0, 2), finding(2, 4, "B")]) == "[REDACTED:A][REDACTED:B]"


def test_keys_are_redacted_and_stay_distinct(inspector: Inspector) -> None:
    other = "ghp" + "_" + "zZ3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
    arguments: Json = {TOKEN: f"my SSN {SSN}", other: 2}
    assert redact(arguments, inspector.inspect("t", arguments)) == {
        "[REDACTED:GITHUB_TOKEN]": "my SSN [REDACTED:SSN]",
        "[REDACTED:GITHUB_TOKEN]#2": 2,
    }


def test_destructive_command_is_not_cut() -> None:
    meant = [finding(0, 2, reason=Reason.DESTRUCTIVE_COMMAND)]
    assert redact("rm -rf /", meant) == "rm -rf /"


def test_reasons_choose_what_is_taken_out() -> None:
    found = [finding(0, 1), finding(2, 3, "B", Reason.PII_DETECTED)]
    assert redact("a b", found, reasons=(Reason.PII_DETECTED,)) == "a [REDACTED:B]"


def test_finding_for_information_is_left_in(inspector: Inspector) -> None:
    assert redact_text("to jane@example.org", inspector) == "to jane@example.org"


def test_encoded_secret_goes_as_a_whole(inspector: Inspector) -> None:
    packed = base64.b64encode(f"token {TOKEN}".encode()).decode()
    assert redact_text(f"see {packed}.", inspector) == "see [REDACTED:GITHUB_TOKEN]."


def test_json_in_a_string_stays_json(inspector: Inspector) -> None:
    text = json.dumps({"a": f"x {TOKEN}", "b": f'"quoted" {TOKEN}'})
    assert json.loads(redact_text(text, inspector)) == {
        "a": "x [REDACTED:GITHUB_TOKEN]",
        "b": "[REDACTED:GITHUB_TOKEN]",
    }


def test_redacting_again_changes_nothing(inspector: Inspector) -> None:
    text = f"password = 'hX9!kd02Lq' and {TOKEN}, postgres://a:{'s3cr3t'}@h/db, SSN {SSN}"
    once = redact_text(text, inspector)
    assert "hX9" not in once
    assert redact_text(once, inspector) == once


def test_what_was_too_large_to_look_into_is_replaced_as_a_whole() -> None:
    small = Inspector([], max_characters=10)
    assert redact_text("x" * 11, small) == "[REDACTED:ARGUMENTS_TOO_LARGE]"
