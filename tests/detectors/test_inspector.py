from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.canonical import Json
from callgate.detectors import DETECTORS, Inspector
from callgate.detectors.redaction import redact, redact_text
from callgate.model import Reason

TOKEN = "ghp" + "_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
INSPECTOR = Inspector([detector() for detector in DETECTORS.values()])


def test_path_names_the_place_of_the_string(inspector: Inspector) -> None:
    arguments: Json = {"a": {"b": [TOKEN], "x y": [1, {"c-d": TOKEN}]}}
    assert [f.path for f in inspector.inspect("t", arguments)] == [
        "$.a.b[0]",
        '$.a["x y"][1]["c-d"]',
    ]


def test_string_at_the_top_has_the_root_path(inspector: Inspector) -> None:
    assert [f.path for f in inspector.inspect("t", TOKEN)] == ["$"]


def test_secret_in_a_key_is_found_and_not_repeated_in_any_path(inspector: Inspector) -> None:
    findings = inspector.inspect("t", {"ok": 1, TOKEN: {"n": TOKEN}})
    assert [f.path for f in findings] == ["$[~1]", "$[#1].n"]
    assert TOKEN not in repr(findings)


def test_json_inside_a_string_is_looked_into_and_spans_the_inner_value(
    inspector: Inspector,
) -> None:
    inner = json.dumps({"note": f"use {TOKEN} now", "n": 1})
    (finding,) = inspector.inspect("t", {"body": inner})
    assert finding.path == "$.body"
    assert inner[finding.start : finding.end] == TOKEN


def test_json_is_opened_three_levels_deep(inspector: Inspector) -> None:
    text = json.dumps({"cmd": "rm -rf /data"})
    for _ in range(2):
        text = json.dumps({"x": text})
    assert [f.kind for f in inspector.inspect("t", {"x": text})] == ["RECURSIVE_DELETE"]


def test_value_in_nested_json_is_payload_as_at_the_top(inspector: Inspector) -> None:
    assert inspector.inspect("login", {"body": '{"password": "hX9!kd02Lq"}'}) == []


@pytest.mark.parametrize(
    "encoded",
    [base64.b64encode(f"token {TOKEN}".encode()).decode(), quote(f"t/{TOKEN}/ü", safe="")],
)
def test_encoded_piece_is_found_and_spanned_as_a_whole(inspector: Inspector, encoded: str) -> None:
    text = f"see {encoded} there"
    findings = inspector.inspect("t", {"text": text})
    assert "GITHUB_TOKEN" in {f.kind for f in findings}
    assert any(text[f.start : f.end] == encoded for f in findings)


@pytest.mark.parametrize(
    "arguments",
    [
        {"argv": ["rm", "-rf", "/data"]},
        {"command": ["bash", "-c", "rm -rf /data"]},
        {"cmd": "rm", "args": ["-rf", "/data"]},
    ],
)
def test_command_given_as_a_list_is_judged_as_one(inspector: Inspector, arguments: Json) -> None:
    assert "RECURSIVE_DELETE" in {f.kind for f in inspector.inspect("spawn", arguments)}


def test_arguments_beyond_the_limit_are_one_finding_and_nothing_else() -> None:
    small = Inspector([detector() for detector in DETECTORS.values()], max_characters=100)
    (finding,) = small.inspect("t", {"a": TOKEN, "b": "x" * 100})
    assert finding.reason == Reason.ARGUMENTS_TOO_LARGE
    assert finding.path == "$"


def test_inspection_is_deterministic(inspector: Inspector) -> None:
    arguments: Json = {"b": f"{TOKEN} rm -rf /", "cmd": "rm -rf /; git push -f", "a": TOKEN}
    assert inspector.inspect("t", arguments) == inspector.inspect("t", arguments)


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "", [], {}, {"": ""}, [[[]]]])
def test_arguments_without_anything_give_nothing(inspector: Inspector, value: Json) -> None:
    assert inspector.inspect("", value) == []


@pytest.mark.parametrize("size", [500, 5000])
def test_deep_arguments_do_not_overflow_the_stack(inspector: Inspector, size: int) -> None:
    value: Json = TOKEN
    for _ in range(size):
        value = [value]
    assert [f.kind for f in inspector.inspect("t", value)] == ["GITHUB_TOKEN"]


NASTY = st.sampled_from(
    [
        TOKEN,
        "\ud800",
        "\x00",
        "rm -rf /",
        "$(" * 30,
        "`",
        "<<EOF\n",
        "DROP TABLE x;",
        "('" * 20,
        "%ff%00",
        "QUtJQQ==" * 4,
        '{"a":"\\ud800',
        "4111 1111 1111 1111",
        "+1 650 253 0000",
        "password=",
        "-----BEGIN PRIVATE KEY-----",
        "a=$a$a;",
        "/*!",
        "\u202e\ufeff",
        "日本",
        "[REDACTED:JWT]",
    ]
)
STRINGS = st.one_of(
    st.text(st.characters(), max_size=60), st.lists(NASTY, max_size=6).map(" ".join)
)
KEYS = st.one_of(STRINGS, st.sampled_from(["command", "query", "text", "args", "password"]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tool=STRINGS, arguments=VALUES)
def test_no_input_raises_and_redaction_keeps_its_promises(tool: str, arguments: Json) -> None:
    findings = INSPECTOR.inspect(tool, arguments)
    assert findings == INSPECTOR.inspect(tool, arguments)
    assert all(0 <= f.start <= f.end and 0 <= f.confidence <= 1 for f in findings)
    cleaned = redact(arguments, findings)
    assert type(cleaned) is type(arguments)
    assert TOKEN not in json.dumps(cleaned)


@settings(max_examples=200, deadline=None)
@given(text=STRINGS)
def test_redacting_a_text_twice_changes_nothing_more(text: str) -> None:
    once = redact_text(text, INSPECTOR)
    assert redact_text(once, INSPECTOR) == once
