from __future__ import annotations

import base64
import itertools
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.canonical import Json
from callgate.detectors import DETECTORS, Inspector
from callgate.detectors.base import Detector, Text
from callgate.detectors.inspector import MAX_NESTED
from callgate.detectors.redaction import redact, redact_text
from callgate.model import Finding, Reason

TOKEN = "ghp" + "_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
INSPECTOR = Inspector([detector() for detector in DETECTORS.values()])
UNHURRIED = Inspector([detector() for detector in DETECTORS.values()], clock=lambda: 0.0)


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


def test_password_in_a_document_that_is_written_down_is_a_leak(inspector: Inspector) -> None:
    arguments: Json = {"path": "a.json", "content": '{"db": {"password": "hX9!kd02Lq"}}'}
    (finding,) = inspector.inspect("write_file", arguments)
    assert (finding.kind, finding.path) == ("PASSWORD", "$.content")
    inner = json.dumps({"log": json.dumps({"password": "hX9!kd02Lq"})})
    assert [f.kind for f in inspector.inspect("say", {"text": inner})] == ["PASSWORD"]


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
    findings = UNHURRIED.inspect(tool, arguments)
    assert findings == UNHURRIED.inspect(tool, arguments)
    assert all(0 <= f.start <= f.end and 0 <= f.confidence <= 1 for f in findings)
    cleaned = redact(arguments, findings)
    assert type(cleaned) is type(arguments)
    assert TOKEN not in json.dumps(cleaned)


@settings(max_examples=200, deadline=None)
@given(text=STRINGS)
def test_redacting_a_text_twice_changes_nothing_more(text: str) -> None:
    once = redact_text(text, UNHURRIED)
    assert redact_text(once, UNHURRIED) == once


def kinds(arguments: Json, tool: str = "run_shell") -> set[str]:
    return {finding.kind for finding in INSPECTOR.inspect(tool, arguments)}


DELETION = "rm -rf /data"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(json.dumps({"command": DELETION})),
        base64.b64encode(json.dumps({"command": DELETION}).encode()).decode(),
        quote(base64.b64encode(DELETION.encode()).decode(), safe=""),
        base64.b64encode(quote(DELETION, safe="").encode()).decode(),
        base64.encodebytes(DELETION.encode()).decode(),
        quote(quote(DELETION, safe=""), safe=""),
        DELETION.encode().hex(),
        "".join(f"&#{ord(c)};" for c in DELETION),
        "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in DELETION),
        "r\u200bm -rf /data",
        "%72m -rf /data",
    ],
)
def test_command_is_seen_through_encodings_of_encodings(text: str) -> None:
    assert "RECURSIVE_DELETE" in kinds({"command": text})


def test_finding_among_look_alikes_spans_its_letters() -> None:
    text = f"note: {TOKEN[:9]}\u200b{TOKEN[9:]} end"
    (finding,) = (f for f in INSPECTOR.inspect("t", {"text": text}) if f.kind == "GITHUB_TOKEN")
    assert text[finding.start : finding.end] == f"{TOKEN[:9]}\u200b{TOKEN[9:]}"


def test_what_is_encoded_too_many_times_over_is_refused() -> None:
    text = json.dumps({"command": "ls"})
    for _ in range(MAX_NESTED + 1):
        text = json.dumps({"x": text})
    (finding,) = INSPECTOR.inspect("t", {"x": text})
    assert finding.reason == Reason.ARGUMENTS_TOO_LARGE
    assert "times over" in finding.explanation


def test_call_that_takes_too_long_is_one_finding() -> None:
    ticks = itertools.count(step=0.1)
    slow = Inspector(
        [make() for make in DETECTORS.values()], budget_seconds=0.25, clock=lambda: next(ticks)
    )
    (finding,) = slow.inspect("t", {"a": TOKEN, "command": DELETION})
    assert finding.reason == Reason.ARGUMENTS_TOO_LARGE
    assert "took too long" in finding.explanation


def test_time_that_other_programs_take_is_not_counted() -> None:
    class Waiting:
        name = "waiting"

        def inspect(self, text: Text) -> list[Finding]:
            time.sleep(0.2)
            return []

    arguments: Json = [DELETION] * 3
    assert Inspector([Waiting()], budget_seconds=0.5).inspect("t", arguments) == []


def test_call_within_its_time_is_inspected() -> None:
    still = Inspector([make() for make in DETECTORS.values()], clock=lambda: 1.0)
    assert [finding.kind for finding in still.inspect("t", {"a": TOKEN})] == ["GITHUB_TOKEN"]


UNITS = [
    "a", "ls;", "$(", "((", "{a,", "a=$a$a;", "echo x|", "<<E\n", "'", '"', "`", "\\", "${@#a}",
    "for i in a;{ ", "for i in 1 2 3; do echo $i; done;", "f(){ f $1; f $2; };", "%41", "&#65;",
    "\\x41", "=41", "41", "\uff52", "r\u200b", "[", '{"a":', '"\\"', "DROP TABLE x;", "/*", "--\n",
    "del /s ^", "iex ", "%x:~1%", '"{0}" -f "a",', "x=a;${x//a/aa}", "sed s/a/b/|", "eval ",
    'sh -c "', "case x in a) b;; ", "cat <(", "if a; then ", "find / -exec ", "{}", "cm0gLXJmIC8 ",
    "'x'+'y'", "$x.replace('a','b')", "=3D=3D",
]  # fmt: skip
"""Text that, repeated, makes careless readers slow."""


@pytest.mark.no_cover
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("size", [65_536, 1_000_000 - 7])
def test_no_text_takes_more_than_linear_time(unit: str, size: int) -> None:
    small = (unit * size)[: size // 16]
    large = (unit * size)[:size]
    detectors = [make() for name, make in DETECTORS.items() if name in ("shell", "sql")]
    # Floors out noise: what is bounded at all takes far less than this.
    allowed = max(1.5, 60 * thread_time(detectors, small))
    assert thread_time(detectors, large) < allowed


def thread_time(detectors: list[Detector], text: str) -> float:
    inspector = Inspector(detectors, budget_seconds=3600)
    started = time.thread_time()
    inspector.inspect("run_shell", {"command": text})
    return time.thread_time() - started


SCRIPTS = st.lists(
    st.sampled_from([*UNITS, "rm -rf /", "${x~~}", "$((1+", "x=(a \\ b)", "&", "\n", "%comspec:~1%",
                     "powershell -enc ", "-exec", ";", "EOF", "set --", "\ufffc", "\U0010ffff"]),
    max_size=12,
).map(" ".join)  # fmt: skip


@pytest.mark.no_cover
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=st.one_of(SCRIPTS, st.text(max_size=80)))
def test_any_script_is_read_and_always_alike(script: str) -> None:
    arguments: Json = {"command": script}
    assert UNHURRIED.inspect("run_shell", arguments) == UNHURRIED.inspect("run_shell", arguments)


def test_secret_in_a_command_given_as_a_list_is_found_once() -> None:
    findings = INSPECTOR.inspect("spawn", {"argv": ["echo", TOKEN]})
    assert [finding.path for finding in findings if finding.kind == "GITHUB_TOKEN"] == ["$.argv[1]"]


def test_key_is_looked_at_unless_it_is_one_plain_word() -> None:
    shown: list[str] = []

    class Watching:
        name = "watching"

        def inspect(self, text: Text) -> list[Finding]:
            shown.append(text.value)
            return []

    Inspector([Watching()]).inspect(
        "tool", {"to_whom": 1, "rm -rf /": '{"a": "b", "C": 1}', "a" * 21: 4}
    )

    assert shown == ["rm -rf /", "b", "C", "a" * 21]


@pytest.mark.parametrize(
    ("tool", "field", "text"),
    [
        ("read_file", "path", "%ud83d/%ud83d/x"),
        ("read_file", "path", "\\ud83d/../etc/passwd"),
        ("python", "code", "import codecs; exec(codecs.encode('\\ud800rz', 'rot13'))"),
    ],
)
def test_escapes_that_make_half_letters_are_no_error(tool: str, field: str, text: str) -> None:
    assert INSPECTOR.inspect(tool, {field: text}) == INSPECTOR.inspect(tool, {field: text})
